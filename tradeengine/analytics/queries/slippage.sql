-- slippage: How far from the mark price at the decision are opening orders filled?
--
-- Columns
--   strategy_id   text     who opened
--   symbol        text     symbol
--   orders        integer  opening orders with fills
--   filled_value  decimal  quantity x price of their fills, quote currency
--   mark_value    decimal  the same quantity at the decision's mark price, quote currency
--   slippage      decimal  what was paid more, or got less; negative if the fills were better, quote currency
--   slippage_bps  ratio    10000 x slippage / mark_value, basis points
-- Parameters
--   from, to     created_at
--   strategy_id
--   symbol
-- Nulls
--   Orders whose decision knew no mark price are left out.

SELECT
    orders.strategy_id,
    orders.symbol,
    COUNT(*) AS orders,
    SUM(orders.filled_value) AS filled_value,
    SUM(decisions.mark_price * orders.filled_quantity) AS mark_value,
    SUM(
        CASE WHEN orders.side = 'BUY'
            THEN orders.filled_value - decisions.mark_price * orders.filled_quantity
            ELSE decisions.mark_price * orders.filled_quantity - orders.filled_value
        END
    ) AS slippage,
    ROUND(
        10000 * SUM(
            CASE WHEN orders.side = 'BUY'
                THEN orders.filled_value - decisions.mark_price * orders.filled_quantity
                ELSE decisions.mark_price * orders.filled_quantity - orders.filled_value
            END
        ) / SUM(decisions.mark_price * orders.filled_quantity),
        8
    ) AS slippage_bps
FROM orders
JOIN decisions
    ON decisions.signal_id = orders.signal_id
    AND decisions.strategy_id = orders.strategy_id
    AND decisions.symbol = orders.symbol
WHERE orders.purpose = 'open'
    AND orders.filled_quantity > 0
    AND decisions.mark_price > 0
    AND (@from IS NULL OR orders.created_at >= @from)
    AND (@to IS NULL OR orders.created_at < @to)
    AND (@strategy_id IS NULL OR orders.strategy_id = @strategy_id)
    AND (@symbol IS NULL OR orders.symbol = @symbol)
GROUP BY orders.strategy_id, orders.symbol
ORDER BY orders.strategy_id, orders.symbol;
