-- strategy_performance: How does each strategy do, with what it still holds and with what it has closed?
--
-- Columns
--   strategy_id              text     strategy
--   positions                integer  all positions
--   open_positions           integer  held now
--   closed_positions         integer  closed
--   wins                     integer  closed with a net P&L above zero
--   losses                   integer  closed with a net P&L below zero
--   hit_rate                 ratio    wins / closed_positions, a fraction
--   closed_by_target         integer  closed by their target
--   closed_by_stop           integer  closed by their stop
--   gross_pnl                decimal  all that was realised, also by partial exits of what is open, quote currency
--   fees                     decimal  paid for all, quote currency
--   funding                  decimal  received for all, negative if paid, quote currency
--   net_pnl                  decimal  gross_pnl - fees + funding
--   closed_net_pnl           decimal  net P&L of closed positions, quote currency
--   average_win              ratio    net P&L of wins / wins, quote currency
--   average_loss             ratio    net P&L of losses / losses, below zero, quote currency
--   best_net_pnl             decimal  of one closed position, quote currency
--   worst_net_pnl            decimal  of one closed position, quote currency
--   average_holding_seconds  ratio    of closed positions, seconds
--   open_entry_value         ratio    quantity x average entry price of what is held, quote currency
--   first_entry_time         time     first fill of all
--   last_exit_time           time     last fill that closed a position
-- Parameters
--   strategy_id
-- Nulls
--   What only closed positions have is null for a strategy that has closed none. The query reads the view of the same
--   name, which is over everything: there is no from and no to.

SELECT
    strategy_id,
    positions,
    open_positions,
    closed_positions,
    wins,
    losses,
    ROUND(hit_rate, 8) AS hit_rate,
    closed_by_target,
    closed_by_stop,
    gross_pnl,
    fees,
    funding,
    net_pnl,
    closed_net_pnl,
    ROUND(average_win, 8) AS average_win,
    ROUND(average_loss, 8) AS average_loss,
    best_net_pnl,
    worst_net_pnl,
    ROUND(average_holding_seconds, 8) AS average_holding_seconds,
    ROUND(open_entry_value, 8) AS open_entry_value,
    first_entry_time,
    last_exit_time
FROM strategy_performance
WHERE (@strategy_id IS NULL OR strategy_id = @strategy_id)
ORDER BY strategy_id;
