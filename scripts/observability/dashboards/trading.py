"""The trading dashboard: what is held, what it earns, and for whom."""

from typing import Final

from scripts.observability.panels import Board, Panel, Query, Row

_CLOSED: Final = 'tradeengine_positions_closed_total{job=~"$job"}'
_WON: Final = 'tradeengine_positions_winning_total{job=~"$job"}'
_LOST: Final = 'tradeengine_positions_losing_total{job=~"$job"}'
_GAINS: Final = 'tradeengine_strategy_gains_usd_total{job=~"$job"}'
_LOSSES: Final = 'tradeengine_strategy_losses_usd_total{job=~"$job"}'

_ACCOUNT: Final = Row(
    "Account",
    (
        Panel(
            "Equity",
            "Wallet and unrealised P&L, by the engine's books.",
            (Query('max(tradeengine_account_equity_usd{job=~"$job"})', "equity"),),
            "currencyUSD",
            "stat",
            width=6,
        ),
        Panel(
            "P&L of the day",
            "Realised P&L less fees plus funding since 00:00 UTC; openings stop at MAX_DAILY_LOSS_USD.",
            (Query('max(tradeengine_account_day_pnl_usd{job=~"$job"})', "day"),),
            "currencyUSD",
            "stat",
            width=6,
        ),
        Panel(
            "Unrealised P&L",
            "Of all open positions at the newest mark prices.",
            (Query('sum(tradeengine_unrealized_pnl_usd{job=~"$job"})', "unrealised"),),
            "currencyUSD",
            "stat",
            width=6,
        ),
        Panel(
            "Win rate",
            "Closed strategy positions with a net gain, of all that were closed in the range shown.",
            (
                Query(
                    f"sum(increase({_WON}[$__range])) / "
                    f"(sum(increase({_WON}[$__range])) + (sum(increase({_LOST}[$__range])) or vector(0)))",
                    "won",
                ),
            ),
            "percentunit",
            "stat",
            most=1,
            width=6,
        ),
        Panel(
            "Exposure and its limit",
            "Notional of positions and of entries under way, against MAX_TOTAL_EXPOSURE_USD where it is set.",
            (
                Query('max(tradeengine_account_exposure_usd{job=~"$job"})', "exposure"),
                Query('max(tradeengine_account_limit_usd{job=~"$job",limit="exposure"})', "limit"),
            ),
            "currencyUSD",
            width=12,
        ),
        Panel(
            "Equity over time",
            "Falls without a closed position are unrealised.",
            (Query('max(tradeengine_account_equity_usd{job=~"$job"})', "equity"),),
            "currencyUSD",
            width=12,
        ),
    ),
)

_POSITIONS: Final = Row(
    "Positions",
    (
        Panel(
            "Value by symbol and side",
            "Notional of each exchange position.",
            (
                Query(
                    'sum by (symbol, position_side) (tradeengine_open_positions_value_usd{job=~"$job"})',
                    "{{symbol}} {{position_side}}",
                ),
            ),
            "currencyUSD",
        ),
        Panel(
            "Unrealised P&L by symbol and side",
            "By the exchange position's own average price.",
            (
                Query(
                    'sum by (symbol, position_side) (tradeengine_unrealized_pnl_usd{job=~"$job"})',
                    "{{symbol}} {{position_side}}",
                ),
            ),
            "currencyUSD",
        ),
        Panel(
            "Protection",
            "Strategy positions by how they stand at the exchange: naked and ghost are alarms.",
            (Query('sum by (cover) (tradeengine_strategy_positions{job=~"$job"})', "{{cover}}"),),
        ),
        Panel(
            "Opened and closed",
            "Strategy positions in each interval.",
            (
                Query('sum(increase(tradeengine_positions_opened_total{job=~"$job"}[$__rate_interval]))', "opened"),
                Query(f"sum by (close_reason) (increase({_CLOSED}[$__rate_interval]))", "closed: {{close_reason}}"),
            ),
        ),
        Panel(
            "Holding time",
            "Half and nine tenths of the positions that were closed in the last hour were held no longer.",
            tuple(
                Query(
                    f"histogram_quantile({share}, sum by (le) "
                    '(rate(tradeengine_position_duration_seconds_bucket{job=~"$job"}[1h])))',
                    name,
                )
                for share, name in ((0.5, "half"), (0.9, "nine tenths"))
            ),
            "s",
        ),
        Panel(
            "Oldest position",
            "Age of the strategy position that is open longest, per pod.",
            (Query('max(tradeengine_oldest_position_seconds{job=~"$job"})', "oldest"),),
            "s",
        ),
    ),
)

_CONTRIBUTIONS: Final = Row(
    "Contributions",
    (
        Panel(
            "Value by strategy",
            "What each strategy contributes to the exchange positions.",
            (
                Query(
                    "sum by (strategy_id, symbol, position_side) "
                    '(tradeengine_strategy_position_value_usd{job=~"$job"})',
                    "{{strategy_id}} {{symbol}} {{position_side}}",
                ),
            ),
            "currencyUSD",
        ),
        Panel(
            "Unrealised P&L by strategy",
            "By each strategy's own cost.",
            (Query('sum by (strategy_id) (tradeengine_strategy_unrealized_pnl_usd{job=~"$job"})', "{{strategy_id}}"),),
            "currencyUSD",
        ),
        Panel(
            "Net P&L of closed positions by strategy",
            "Gains and losses since the pods started, fees and funding included; absent until there is one.",
            (
                Query(f"sum by (strategy_id) ({_GAINS})", "{{strategy_id}} gains"),
                Query(f"-sum by (strategy_id) ({_LOSSES})", "{{strategy_id}} losses"),
            ),
            "currencyUSD",
            "bars",
        ),
        Panel(
            "Net P&L and fees of closed positions",
            "In the range shown.",
            (
                Query('sum(increase(tradeengine_position_pnl_usd_sum{job=~"$job"}[$__range]))', "net P&L"),
                Query('sum(increase(tradeengine_position_commission_usd_sum{job=~"$job"}[$__range]))', "fees"),
            ),
            "currencyUSD",
            "stat",
            width=12,
        ),
        Panel(
            "Return of a position",
            "Half of the positions closed in the last hour returned no more; losses count as 0.",
            (
                Query(
                    'histogram_quantile(0.5, sum by (le) (rate(tradeengine_position_roi_bucket{job=~"$job"}[1h])))',
                    "half",
                ),
            ),
            "percentunit",
            width=12,
        ),
    ),
)

TRADING: Final = Board(
    "trading",
    "Trade engine: trading",
    "What is held, what it earns, and for whom.",
    (_ACCOUNT, _POSITIONS, _CONTRIBUTIONS),
)
