-- fill_latency: How long after the decision come the first fills of opening orders?
--
-- Columns
--   strategy_id  text     who opened
--   orders       integer  opening orders with fills
--   shortest_ms  integer  from the decision to the engine's hearing of the first fill, by its own clock, milliseconds
--   median_ms    integer  the latency that half of the orders do not exceed (nearest rank), milliseconds
--   p90_ms       integer  the one that nine tenths do not exceed (nearest rank), milliseconds
--   longest_ms   integer  milliseconds
--   average_ms   ratio    sum / orders, milliseconds
-- Parameters
--   from, to     time
--   strategy_id
--   symbol
-- Nulls
--   Fills of orders that the engine did not send, and orders without fills, are left out; from and to are times of
--   fills.

WITH first_fills AS (
    SELECT order_id, MIN(time) AS filled_at
    FROM fills
    WHERE opening
        AND (@from IS NULL OR time >= @from)
        AND (@to IS NULL OR time < @to)
        AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
        AND (@symbol IS NULL OR symbol = @symbol)
    GROUP BY order_id
),
latencies AS (
    SELECT orders.strategy_id, TIMESTAMPDIFF(MICROSECOND, decisions.decided_at, filled_at) DIV 1000 AS ms
    FROM first_fills
    JOIN orders ON orders.order_id = first_fills.order_id
    JOIN decisions
        ON decisions.signal_id = orders.signal_id
        AND decisions.strategy_id = orders.strategy_id
        AND decisions.symbol = orders.symbol
    WHERE orders.purpose = 'open'
),
ranked AS (
    SELECT
        strategy_id,
        ms,
        ROW_NUMBER() OVER (PARTITION BY strategy_id ORDER BY ms) AS place,
        COUNT(*) OVER (PARTITION BY strategy_id) AS orders
    FROM latencies
)
SELECT
    strategy_id,
    MAX(orders) AS orders,
    MIN(ms) AS shortest_ms,
    MIN(CASE WHEN place >= orders / 2 THEN ms END) AS median_ms,
    MIN(CASE WHEN place >= orders * 9 / 10 THEN ms END) AS p90_ms,
    MAX(ms) AS longest_ms,
    ROUND(CAST(SUM(ms) AS DECIMAL(38,18)) / COUNT(*), 8) AS average_ms
FROM ranked
GROUP BY strategy_id
ORDER BY strategy_id;
