-- rejections: Why are the signals of each strategy refused?
--
-- Columns
--   strategy_id  text     who sent them
--   reason       text     one of the engine's reasons
--   signals      integer  refused for it; the most frequent reason of a strategy comes first
--   first_at     time     first of them
--   last_at      time     last of them
-- Parameters
--   from, to     decided_at
--   strategy_id
--   symbol
-- Nulls
--   A strategy that was never refused anything has no row. Copies of a signal count once; see duplicates.

SELECT
    strategy_id,
    reason,
    COUNT(*) AS signals,
    MIN(decided_at) AS first_at,
    MAX(decided_at) AS last_at
FROM decisions
WHERE outcome = 'rejected'
    AND (@from IS NULL OR decided_at >= @from)
    AND (@to IS NULL OR decided_at < @to)
    AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
GROUP BY strategy_id, reason
ORDER BY strategy_id, signals DESC, reason;
