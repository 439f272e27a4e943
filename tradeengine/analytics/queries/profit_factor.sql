-- profit_factor: What does each strategy earn for each unit that it loses, and on average per position?
--
-- Columns
--   strategy_id    text     whose positions
--   closed         integer  closed positions
--   wins           integer  of them with a net P&L above zero
--   losses         integer  of them with a net P&L below zero
--   won            decimal  sum of the gains, quote currency
--   lost           decimal  sum of the losses as a positive number, quote currency
--   profit_factor  ratio    won / lost
--   average_win    ratio    won / wins, quote currency
--   average_loss   ratio    lost / losses, quote currency
--   expectancy     ratio    (won - lost) / closed, quote currency per position
-- Parameters
--   from, to     exit_time
--   strategy_id
--   symbol
-- Nulls
--   profit_factor and average_loss are null without losses, average_win without wins. Open positions are left out.

SELECT
    strategy_id,
    COUNT(*) AS closed,
    COUNT(CASE WHEN pnl_after_fees > 0 THEN 1 END) AS wins,
    COUNT(CASE WHEN pnl_after_fees < 0 THEN 1 END) AS losses,
    SUM(GREATEST(pnl_after_fees, 0)) AS won,
    SUM(GREATEST(-pnl_after_fees, 0)) AS lost,
    ROUND(SUM(GREATEST(pnl_after_fees, 0)) / NULLIF(SUM(GREATEST(-pnl_after_fees, 0)), 0), 8) AS profit_factor,
    ROUND(AVG(CASE WHEN pnl_after_fees > 0 THEN pnl_after_fees END), 8) AS average_win,
    ROUND(AVG(CASE WHEN pnl_after_fees < 0 THEN -pnl_after_fees END), 8) AS average_loss,
    ROUND(AVG(pnl_after_fees), 8) AS expectancy
FROM positions
WHERE status = 'closed'
    AND (@from IS NULL OR exit_time >= @from)
    AND (@to IS NULL OR exit_time < @to)
    AND (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
GROUP BY strategy_id
ORDER BY strategy_id;
