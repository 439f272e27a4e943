-- duplicates: How many copies of its signals does each strategy send?
--
-- Columns
--   strategy_id     text     sender
--   signals         integer  signals that were decided
--   copied          integer  of them that came more than once
--   copies          integer  copies beyond the first
--   most_copies     integer  most copies of one signal
--   copied_share    ratio    copied / signals, a fraction
--   last_copy_at    time     when the last copy came
-- Parameters
--   from, to     decided_at
--   strategy_id
--   symbol
-- Nulls
--   last_copy_at is null for a strategy without copies.

SELECT
    strategy_id,
    COUNT(*) AS signals,
    COUNT(CASE WHEN duplicates > 0 THEN 1 END) AS copied,
    SUM(duplicates) AS copies,
    MAX(duplicates) AS most_copies,
    ROUND(CAST(COUNT(CASE WHEN duplicates > 0 THEN 1 END) AS DECIMAL(38,18)) / COUNT(*), 8) AS copied_share,
    MAX(last_duplicate_at) AS last_copy_at
FROM decisions
WHERE (@from IS NULL OR decided_at >= @from)
    AND (@to IS NULL OR decided_at < @to)
    AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
GROUP BY strategy_id
ORDER BY strategy_id;
