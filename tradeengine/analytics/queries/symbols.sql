-- symbols: Which symbols brought most, and which cost most?
--
-- Columns
--   symbol     text     symbol
--   closed     integer  closed positions
--   wins       integer  of them with a net P&L above zero
--   win_rate   ratio    wins / closed, a fraction
--   gross_pnl  decimal  quote currency
--   fees       decimal  paid, quote currency
--   funding    decimal  received, negative if paid, quote currency
--   net_pnl    decimal  gross_pnl - fees + funding; the best symbol comes first
-- Parameters
--   from, to     exit_time
--   strategy_id
--   symbol
-- Nulls
--   Open positions are left out; a symbol without closed ones has no row.

SELECT
    symbol,
    COUNT(*) AS closed,
    COUNT(CASE WHEN pnl_after_fees > 0 THEN 1 END) AS wins,
    ROUND(CAST(COUNT(CASE WHEN pnl_after_fees > 0 THEN 1 END) AS DECIMAL(38,18)) / COUNT(*), 8) AS win_rate,
    SUM(pnl) AS gross_pnl,
    SUM(commission_total) AS fees,
    SUM(funding_total) AS funding,
    SUM(pnl_after_fees) AS net_pnl
FROM positions
WHERE status = 'closed'
    AND (@from IS NULL OR exit_time >= @from)
    AND (@to IS NULL OR exit_time < @to)
    AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
GROUP BY symbol
ORDER BY net_pnl DESC, symbol;
