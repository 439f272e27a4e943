-- contributor_profit: What did each strategy contribute to each exchange position, and what did it earn there?
--
-- Columns
--   symbol          text     exchange position's symbol
--   position_side   text     LONG or SHORT
--   strategy_id     text     contributor
--   contributions   integer  closed contributions
--   wins            integer  of them with a P&L above zero
--   quantity        decimal  contributed, base asset
--   quantity_share  ratio    quantity / quantity of all contributors that are asked for, a fraction
--   pnl             decimal  gross, quote currency
-- Parameters
--   from, to     exit_time
--   strategy_id
--   symbol
-- Nulls
--   Contributions of open positions are left out: they have no P&L of their own yet.

SELECT
    symbol,
    position_side,
    strategy_id,
    COUNT(*) AS contributions,
    COUNT(CASE WHEN contribution_pnl > 0 THEN 1 END) AS wins,
    SUM(contribution_quantity) AS quantity,
    ROUND(SUM(contribution_quantity) / SUM(SUM(contribution_quantity)) OVER (PARTITION BY symbol, position_side), 8)
        AS quantity_share,
    SUM(contribution_pnl) AS pnl
FROM position_contributions
WHERE status = 'closed'
    AND (@from IS NULL OR exit_time >= @from)
    AND (@to IS NULL OR exit_time < @to)
    AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
GROUP BY symbol, position_side, strategy_id
ORDER BY symbol, position_side, pnl DESC, strategy_id;
