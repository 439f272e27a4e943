-- exposure: How much was held over time, at its entry price?
--
-- Columns
--   hour         time     beginning of an hour in which something was filled, UTC; what is said of its end holds until
--                         the next row
--   fills        integer  fills in it
--   long_value   decimal  quantity x entry price of all long positions at its end, quote currency
--   short_value  decimal  the same of all short positions
--   exposure     decimal  long_value + short_value
-- Parameters
--   to           time
--   strategy_id
--   symbol
-- Nulls
--   An hour without fills has no row. There is no from: what is held was bought before.

WITH hours AS (
    SELECT
        DATE_FORMAT(time, '%Y-%m-%d %H:00:00.000') AS hour,
        COUNT(*) AS fills,
        -- a closing fill takes off what it brought, less what was earned by it: the cost of what it closed
        SUM(CASE WHEN position_side = 'LONG' THEN IF(opening, value, -value) + realized_pnl ELSE 0 END) AS long_change,
        SUM(CASE WHEN position_side = 'SHORT' THEN IF(opening, value, -value) - realized_pnl ELSE 0 END) AS short_change
    FROM fills
    WHERE (@to IS NULL OR time < @to)
        AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
        AND (@symbol IS NULL OR symbol = @symbol)
    GROUP BY DATE_FORMAT(time, '%Y-%m-%d %H:00:00.000')
)
SELECT
    hour,
    fills,
    SUM(long_change) OVER (ORDER BY hour) AS long_value,
    SUM(short_change) OVER (ORDER BY hour) AS short_value,
    SUM(long_change + short_change) OVER (ORDER BY hour) AS exposure
FROM hours
ORDER BY hour;
