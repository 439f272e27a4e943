-- target_and_stop_rates: How often do targets and stops close the positions of each strategy?
--
-- Columns
--   strategy_id  text     whose positions
--   closed       integer  closed positions
--   by_target    integer  closed by their target
--   by_stop      integer  closed by their stop
--   otherwise    integer  closed by a signal, by hand, by the exchange
--   target_rate  ratio    by_target / closed, a fraction
--   stop_rate    ratio    by_stop / closed, a fraction
-- Parameters
--   from, to     exit_time
--   strategy_id
--   symbol
-- Nulls
--   Open positions are left out; a strategy that has closed nothing has no row.

SELECT
    strategy_id,
    COUNT(*) AS closed,
    COUNT(CASE WHEN close_reason = 'take_profit' THEN 1 END) AS by_target,
    COUNT(CASE WHEN close_reason = 'stop_loss' THEN 1 END) AS by_stop,
    COUNT(*) - COUNT(CASE WHEN close_reason IN ('take_profit', 'stop_loss') THEN 1 END) AS otherwise,
    ROUND(CAST(COUNT(CASE WHEN close_reason = 'take_profit' THEN 1 END) AS DECIMAL(38,18)) / COUNT(*), 8) AS target_rate,
    ROUND(CAST(COUNT(CASE WHEN close_reason = 'stop_loss' THEN 1 END) AS DECIMAL(38,18)) / COUNT(*), 8) AS stop_rate
FROM positions
WHERE status = 'closed'
    AND (@from IS NULL OR exit_time >= @from)
    AND (@to IS NULL OR exit_time < @to)
    AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
GROUP BY strategy_id
ORDER BY strategy_id;
