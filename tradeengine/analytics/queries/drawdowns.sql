-- drawdowns: How deep did the closed results of each strategy fall, and how many losses came in a row?
--
-- Columns
--   strategy_id     text     whose positions, in the order in which they were closed
--   closed          integer  closed positions
--   net_pnl         decimal  their sum, after fees and funding, quote currency
--   best_net_pnl    decimal  highest sum that was ever reached, 0 at least, quote currency
--   max_drawdown    decimal  deepest fall of the sum below its highest so far, as a positive number, quote currency
--   longest_losing  integer  most positions with a net P&L below zero in a row
-- Parameters
--   from, to     exit_time
--   strategy_id
--   symbol
-- Nulls
--   Open positions are left out. The sum begins with 0 at from. Positions that were closed at the same time come in the
--   order of their ids.

WITH closings AS (
    SELECT
        strategy_id,
        pnl_after_fees,
        SUM(pnl_after_fees) OVER in_order AS reached,
        ROW_NUMBER() OVER in_order AS place,
        ROW_NUMBER() OVER (PARTITION BY strategy_id, pnl_after_fees < 0 ORDER BY exit_time, position_id) AS place_of_kind
    FROM positions
    WHERE status = 'closed'
        AND (@from IS NULL OR exit_time >= @from)
        AND (@to IS NULL OR exit_time < @to)
        AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
        AND (@symbol IS NULL OR symbol = @symbol)
    WINDOW in_order AS (PARTITION BY strategy_id ORDER BY exit_time, position_id)
),
peaks AS (
    SELECT
        strategy_id,
        pnl_after_fees,
        reached,
        GREATEST(0, MAX(reached) OVER (PARTITION BY strategy_id ORDER BY place ROWS UNBOUNDED PRECEDING)) AS peak
    FROM closings
),
-- within a row of losses both numbers rise by one, so their difference names the row
losing AS (
    SELECT strategy_id, COUNT(*) AS in_a_row
    FROM closings
    WHERE pnl_after_fees < 0
    GROUP BY strategy_id, place - place_of_kind
)
SELECT
    strategy_id,
    COUNT(*) AS closed,
    SUM(pnl_after_fees) AS net_pnl,
    MAX(peak) AS best_net_pnl,
    MAX(peak - reached) AS max_drawdown,
    COALESCE((SELECT MAX(in_a_row) FROM losing WHERE losing.strategy_id = peaks.strategy_id), 0) AS longest_losing
FROM peaks
GROUP BY strategy_id
ORDER BY strategy_id;
