-- fee_share: Which share of its gross profit does each strategy pay as fees?
--
-- Columns
--   strategy_id   text     who paid
--   closed        integer  closed positions
--   gross_profit  decimal  P&L of those that earned something before fees, quote currency
--   gross_pnl     decimal  P&L of all, quote currency
--   fees          decimal  paid for all, quote currency
--   fee_share     ratio    fees / gross_profit, a fraction
-- Parameters
--   from, to     exit_time
--   strategy_id
--   symbol
-- Nulls
--   fee_share is null for a strategy without any gross profit. Open positions, and fees in other assets than the quote
--   currency, are left out.

SELECT
    strategy_id,
    COUNT(*) AS closed,
    SUM(CASE WHEN pnl > 0 THEN pnl ELSE 0 END) AS gross_profit,
    SUM(pnl) AS gross_pnl,
    SUM(commission_total) AS fees,
    ROUND(SUM(commission_total) / NULLIF(SUM(CASE WHEN pnl > 0 THEN pnl ELSE 0 END), 0), 8) AS fee_share
FROM positions
WHERE status = 'closed'
    AND (@from IS NULL OR exit_time >= @from)
    AND (@to IS NULL OR exit_time < @to)
    AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
GROUP BY strategy_id
ORDER BY strategy_id;
