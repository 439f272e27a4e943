-- open_positions: What is held now, and since when?
--
-- Columns
--   position_id    text     name of the position
--   strategy_id    text     holder
--   symbol         text     symbol
--   position_side  text     LONG or SHORT
--   quantity       decimal  held, base asset
--   entry_price    decimal  average of what is held, quote currency
--   stop_loss      decimal  price of its stop
--   take_profit    decimal  price of its target
--   realized_pnl   decimal  gross, of what was closed of it, quote currency
--   entry_time     time     first fill; the oldest position comes first
--   age_ms         integer  from entry_time to the newest record that this store has applied, milliseconds
-- Parameters
--   from, to     entry_time
--   strategy_id
--   symbol
-- Nulls
--   stop_loss and take_profit are null where the position has none.

SELECT
    position_id,
    strategy_id,
    symbol,
    position_side,
    quantity,
    entry_price,
    stop_loss,
    take_profit,
    pnl AS realized_pnl,
    entry_time,
    (SELECT MAX(time_ms) FROM checkpoints)
        - TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', entry_time) DIV 1000 AS age_ms
FROM positions
WHERE status = 'open'
    AND (@from IS NULL OR entry_time >= @from)
    AND (@to IS NULL OR entry_time < @to)
    AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
ORDER BY entry_time, position_id;
