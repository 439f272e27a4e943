-- Views of the analysts' copy. Safe to run again.
--
-- Amounts are of the quote currency. A closed position won if its net P&L (gross P&L less fees plus funding) is above
-- zero. Rates are fractions: 0.5 is one half. What has no value yet, such as the hit rate of a strategy that has closed
-- nothing, is NULL and not zero.

-- One row for each strategy.
CREATE OR REPLACE VIEW strategy_performance AS
SELECT
    strategy_id,
    COUNT(*) AS positions,
    COUNT(CASE WHEN status = 'open' THEN 1 END) AS open_positions,
    COUNT(CASE WHEN status = 'closed' THEN 1 END) AS closed_positions,
    COUNT(CASE WHEN status = 'closed' AND pnl_after_fees > 0 THEN 1 END) AS wins,
    COUNT(CASE WHEN status = 'closed' AND pnl_after_fees < 0 THEN 1 END) AS losses,
    CAST(AVG(CASE WHEN status = 'closed' THEN CAST(pnl_after_fees > 0 AS DECIMAL(38,18)) END) AS DECIMAL(38,18)) AS hit_rate,
    COUNT(CASE WHEN status = 'closed' AND close_reason = 'take_profit' THEN 1 END) AS closed_by_target,
    COUNT(CASE WHEN status = 'closed' AND close_reason = 'stop_loss' THEN 1 END) AS closed_by_stop,
    -- all that was realised, also by partial exits of positions that are open
    CAST(SUM(pnl) AS DECIMAL(38,18)) AS gross_pnl,
    CAST(SUM(commission_total) AS DECIMAL(38,18)) AS fees,
    CAST(SUM(funding_total) AS DECIMAL(38,18)) AS funding,
    CAST(SUM(pnl_after_fees) AS DECIMAL(38,18)) AS net_pnl,
    -- of closed positions only
    CAST(COALESCE(SUM(CASE WHEN status = 'closed' THEN pnl_after_fees END), 0) AS DECIMAL(38,18)) AS closed_net_pnl,
    CAST(AVG(CASE WHEN status = 'closed' AND pnl_after_fees > 0 THEN pnl_after_fees END) AS DECIMAL(38,18))
        AS average_win,
    CAST(AVG(CASE WHEN status = 'closed' AND pnl_after_fees < 0 THEN pnl_after_fees END) AS DECIMAL(38,18))
        AS average_loss,
    MAX(CASE WHEN status = 'closed' THEN pnl_after_fees END) AS best_net_pnl,
    MIN(CASE WHEN status = 'closed' THEN pnl_after_fees END) AS worst_net_pnl,
    CAST(AVG(CASE WHEN status = 'closed' THEN duration_seconds END) AS DECIMAL(38,18)) AS average_holding_seconds,
    -- what is held now, at its average entry price
    CAST(COALESCE(SUM(CASE WHEN status = 'open' THEN quantity * entry_price END), 0) AS DECIMAL(38,18))
        AS open_entry_value,
    MIN(entry_time) AS first_entry_time,
    MAX(CASE WHEN status = 'closed' THEN exit_time END) AS last_exit_time
FROM positions
GROUP BY strategy_id;

-- One row for each strategy's contributions to one exchange position.
CREATE OR REPLACE VIEW contribution_summary AS
SELECT
    strategy_id,
    symbol,
    position_side,
    COUNT(*) AS contributions,
    COUNT(CASE WHEN status = 'active' THEN 1 END) AS active_contributions,
    COUNT(CASE WHEN status = 'closed' THEN 1 END) AS closed_contributions,
    COUNT(DISTINCT strategy_position_id) AS strategy_positions,
    CAST(SUM(contribution_quantity) AS DECIMAL(38,18)) AS contributed_quantity,
    CAST(SUM(contribution_quantity * contribution_entry_price) AS DECIMAL(38,18)) AS contributed_value,
    CAST(SUM(contribution_quantity * contribution_entry_price) / NULLIF(SUM(contribution_quantity), 0)
        AS DECIMAL(38,18)) AS average_entry_price,
    COUNT(CASE WHEN status = 'closed' AND contribution_pnl > 0 THEN 1 END) AS wins,
    COUNT(CASE WHEN status = 'closed' AND contribution_pnl < 0 THEN 1 END) AS losses,
    CAST(AVG(CASE WHEN status = 'closed' THEN CAST(contribution_pnl > 0 AS DECIMAL(38,18)) END) AS DECIMAL(38,18)) AS hit_rate,
    -- gross, of closed contributions; what open positions have realised in part is in strategy_performance
    CAST(COALESCE(SUM(CASE WHEN status = 'closed' THEN contribution_pnl END), 0) AS DECIMAL(38,18)) AS closed_pnl,
    CAST(AVG(CASE WHEN status = 'closed' THEN contribution_pnl_pct END) AS DECIMAL(38,18)) AS average_pnl_pct,
    MIN(contribution_time) AS first_contribution_time,
    MAX(contribution_time) AS last_contribution_time,
    MAX(CASE WHEN status = 'closed' THEN exit_time END) AS last_exit_time
FROM position_contributions
GROUP BY strategy_id, symbol, position_side;

INSERT INTO schema_version (version, name, applied_at) VALUES (2, 'views', UTC_TIMESTAMP(3))
    ON DUPLICATE KEY UPDATE version = VALUES(version);
