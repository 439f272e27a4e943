-- contribution_summary: What have strategies put into each exchange position, and what came of it?
--
-- Columns
--   strategy_id              text     contributor
--   symbol                   text     exchange position's symbol
--   position_side            text     LONG or SHORT
--   contributions            integer  all contributions
--   active_contributions     integer  to positions that are open
--   closed_contributions     integer  to positions that are closed
--   strategy_positions       integer  positions that they were made to
--   contributed_quantity     decimal  of all contributions, base asset
--   contributed_value        ratio    quantity x entry price of all contributions, quote currency
--   average_entry_price      ratio    contributed_value / contributed_quantity, quote currency
--   wins                     integer  closed ones with a P&L above zero
--   losses                   integer  closed ones with a P&L below zero
--   hit_rate                 ratio    wins / closed_contributions, a fraction
--   closed_pnl               decimal  gross, of closed ones, quote currency
--   average_pnl_pct          ratio    sum of their P&L in percent / closed_contributions, percent
--   first_contribution_time  time     first of all
--   last_contribution_time   time     last of all
--   last_exit_time           time     last fill that closed one
-- Parameters
--   strategy_id
--   symbol
-- Nulls
--   What only closed contributions have is null where there are none. The query reads the view of the same name, which
--   is over everything: there is no from and no to.

SELECT
    strategy_id,
    symbol,
    position_side,
    contributions,
    active_contributions,
    closed_contributions,
    strategy_positions,
    contributed_quantity,
    ROUND(contributed_value, 8) AS contributed_value,
    ROUND(average_entry_price, 8) AS average_entry_price,
    wins,
    losses,
    ROUND(hit_rate, 8) AS hit_rate,
    closed_pnl,
    ROUND(average_pnl_pct, 8) AS average_pnl_pct,
    first_contribution_time,
    last_contribution_time,
    last_exit_time
FROM contribution_summary
WHERE (@strategy_id IS NULL OR strategy_id = @strategy_id)
    AND (@symbol IS NULL OR symbol = @symbol)
ORDER BY strategy_id, symbol, position_side;
