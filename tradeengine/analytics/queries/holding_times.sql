-- holding_times: How long does each strategy hold its positions?
--
-- Columns
--   strategy_id      text     whose positions
--   closed           integer  closed positions
--   shortest_s       decimal  seconds from the first opening fill to the last closing one
--   median_s         decimal  the holding time that half of the positions do not exceed (nearest rank), seconds
--   p90_s            decimal  the one that nine tenths do not exceed (nearest rank), seconds
--   longest_s        decimal  seconds
--   average_s        ratio    sum / closed, seconds
-- Parameters
--   from, to     exit_time
--   strategy_id
--   symbol
-- Nulls
--   Open positions are left out; open_positions tells their age.

WITH ranked AS (
    SELECT
        strategy_id,
        duration_seconds,
        ROW_NUMBER() OVER (PARTITION BY strategy_id ORDER BY duration_seconds) AS place,
        COUNT(*) OVER (PARTITION BY strategy_id) AS closed
    FROM positions
    WHERE status = 'closed'
        AND (@from IS NULL OR exit_time >= @from)
        AND (@to IS NULL OR exit_time < @to)
        AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
        AND (@symbol IS NULL OR symbol = @symbol)
)
SELECT
    strategy_id,
    MAX(closed) AS closed,
    MIN(duration_seconds) AS shortest_s,
    MIN(CASE WHEN place >= closed / 2 THEN duration_seconds END) AS median_s,
    MIN(CASE WHEN place >= closed * 9 / 10 THEN duration_seconds END) AS p90_s,
    MAX(duration_seconds) AS longest_s,
    ROUND(SUM(duration_seconds) / COUNT(*), 8) AS average_s
FROM ranked
GROUP BY strategy_id
ORDER BY strategy_id;
