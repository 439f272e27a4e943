-- funding: How much funding was paid and received for each symbol?
--
-- Columns
--   symbol         text     symbol
--   position_side  text     LONG or SHORT
--   payments       integer  strategies' shares of payments
--   received       decimal  quote currency
--   paid           decimal  as a positive number, quote currency
--   net            decimal  received - paid
-- Parameters
--   from, to     time
--   strategy_id
--   symbol
-- Nulls
--   A symbol without payments has no row.

SELECT
    symbol,
    position_side,
    COUNT(*) AS payments,
    SUM(GREATEST(amount, 0)) AS received,
    SUM(GREATEST(-amount, 0)) AS paid,
    SUM(amount) AS net
FROM funding_payments
WHERE (@from IS NULL OR time >= @from)
    AND (@to IS NULL OR time < @to)
    AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
GROUP BY symbol, position_side
ORDER BY symbol, position_side;
