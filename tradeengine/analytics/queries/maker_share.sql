-- maker_share: Which share of its volume does each strategy trade as maker?
--
-- Columns
--   strategy_id  text     who traded
--   symbol       text     symbol
--   maker_fills  integer  fills of orders that rested
--   taker_fills  integer  fills of orders that took what rested
--   maker_value  decimal  quantity x price, quote currency
--   taker_value  decimal  quantity x price, quote currency
--   maker_share  ratio    maker_value / (maker_value + taker_value), a fraction
-- Parameters
--   from, to     time
--   strategy_id
--   symbol
-- Nulls
--   Fills that no trade stands behind (reconciled) are left out. maker_share is null if nothing of value was traded.

SELECT
    strategy_id,
    symbol,
    COUNT(CASE WHEN maker THEN 1 END) AS maker_fills,
    COUNT(CASE WHEN NOT maker THEN 1 END) AS taker_fills,
    SUM(CASE WHEN maker THEN value ELSE 0 END) AS maker_value,
    SUM(CASE WHEN NOT maker THEN value ELSE 0 END) AS taker_value,
    ROUND(SUM(CASE WHEN maker THEN value ELSE 0 END) / NULLIF(SUM(value), 0), 8) AS maker_share
FROM fills
WHERE NOT reconciled
    AND (@from IS NULL OR time >= @from)
    AND (@to IS NULL OR time < @to)
    AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
GROUP BY strategy_id, symbol
ORDER BY strategy_id, symbol;
