-- daily_results: What did each strategy book on each day?
--
-- Columns
--   day          day      UTC
--   strategy_id  text     who booked
--   gross_pnl    decimal  realised, quote currency
--   fees         decimal  paid, quote currency
--   funding      decimal  received, negative if paid, quote currency
--   net_pnl      decimal  gross_pnl - fees + funding
--   fills        integer  trades that had a part in it
-- Parameters
--   from, to     day
--   strategy_id
--   symbol
-- Nulls
--   A day on which nothing was booked has no row. Fees in other assets than the quote currency are not in it.

SELECT
    day,
    strategy_id,
    SUM(realized_pnl) AS gross_pnl,
    SUM(fees) AS fees,
    SUM(funding) AS funding,
    SUM(net_pnl) AS net_pnl,
    SUM(trades) AS fills
FROM daily_pnl
WHERE (@from IS NULL OR day >= @from)
    AND (@to IS NULL OR day < @to)
    AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
GROUP BY day, strategy_id
ORDER BY day, strategy_id;
