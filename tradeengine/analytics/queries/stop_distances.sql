-- stop_distances: How do positions end whose stop stood near, and those whose stop stood far?
--
-- Columns
--   step       integer  number of the step, 0 to 6
--   distance   text     of the last stop from the average entry price, percent of it
--   closed     integer  closed positions
--   by_stop    integer  closed by their stop
--   by_target  integer  closed by their target
--   wins       integer  with a net P&L above zero
--   net_pnl    decimal  after fees and funding, quote currency
-- Parameters
--   from, to     exit_time
--   strategy_id
--   symbol
-- Nulls
--   Positions without a stop are step 0; a stop at the entry price or beyond it, where it secures a gain, is step 1. The
--   lower end of a step belongs to it. Steps without positions have no row.

WITH distances AS (
    SELECT
        close_reason,
        pnl_after_fees,
        entry_price,
        IF(position_side = 'LONG', entry_price - stop_loss, stop_loss - entry_price) AS away
    FROM positions
    WHERE status = 'closed'
        AND (@from IS NULL OR exit_time >= @from)
        AND (@to IS NULL OR exit_time < @to)
        AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
        AND (@symbol IS NULL OR symbol = @symbol)
),
steps AS (
    SELECT
        CASE
            WHEN away IS NULL THEN 0
            WHEN away <= 0 THEN 1
            WHEN away * 200 < entry_price THEN 2
            WHEN away * 100 < entry_price THEN 3
            WHEN away * 50 < entry_price THEN 4
            WHEN away * 20 < entry_price THEN 5
            ELSE 6
        END AS step,
        close_reason,
        pnl_after_fees
    FROM distances
)
SELECT
    step,
    ELT(step + 1, 'no stop', 'none', '0 - 0.5', '0.5 - 1', '1 - 2', '2 - 5', '5 and more') AS distance,
    COUNT(*) AS closed,
    COUNT(CASE WHEN close_reason = 'stop_loss' THEN 1 END) AS by_stop,
    COUNT(CASE WHEN close_reason = 'take_profit' THEN 1 END) AS by_target,
    COUNT(CASE WHEN pnl_after_fees > 0 THEN 1 END) AS wins,
    SUM(pnl_after_fees) AS net_pnl
FROM steps
GROUP BY step
ORDER BY step;
