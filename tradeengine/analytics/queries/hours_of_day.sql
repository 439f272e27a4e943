-- hours_of_day: At which hours of the day are positions closed with most gain and most loss?
--
-- Columns
--   hour      integer  hour of the last closing fill, 0 to 23, UTC
--   closed    integer  closed positions
--   wins      integer  of them with a net P&L above zero
--   win_rate  ratio    wins / closed, a fraction
--   net_pnl   decimal  after fees and funding, quote currency; the best hour comes first
-- Parameters
--   from, to     exit_time
--   strategy_id
--   symbol
-- Nulls
--   An hour in which nothing was ever closed has no row.

SELECT
    HOUR(exit_time) AS hour,
    COUNT(*) AS closed,
    COUNT(CASE WHEN pnl_after_fees > 0 THEN 1 END) AS wins,
    ROUND(CAST(COUNT(CASE WHEN pnl_after_fees > 0 THEN 1 END) AS DECIMAL(38,18)) / COUNT(*), 8) AS win_rate,
    SUM(pnl_after_fees) AS net_pnl
FROM positions
WHERE status = 'closed'
    AND (@from IS NULL OR exit_time >= @from)
    AND (@to IS NULL OR exit_time < @to)
    AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
GROUP BY HOUR(exit_time)
ORDER BY net_pnl DESC, hour;
