"""The exchange dashboard: limits, refusals, protection, and how well the exchange is heard."""

from typing import Final

from scripts.observability.panels import Board, Panel, Query, Row


def _share_of(limit: str) -> str:
    used = f'max by (limit) (tradeengine_exchange_limit_used{{job=~"$job",limit=~"{limit}"}})'
    return f'{used} / max by (limit) (tradeengine_exchange_limit{{job=~"$job",limit=~"{limit}"}})'


_LIMITS: Final = Row(
    "Limits",
    (
        Panel(
            "Request weight",
            "Used in the minute under way, by this address, and what the exchange allows.",
            (
                Query(
                    'max by (instance) (tradeengine_exchange_limit_used{job=~"$job",limit="weight_1m"})', "{{instance}}"
                ),
                Query('max(tradeengine_exchange_limit{job=~"$job",limit="weight_1m"})', "limit"),
            ),
        ),
        Panel(
            "Order counts",
            "Orders in 10 s and in a minute, of the account.",
            (Query('max by (limit) (tradeengine_exchange_limit_used{job=~"$job",limit=~"orders_.+"})', "{{limit}}"),),
        ),
        Panel(
            "Used of each limit",
            "Readings wait from 70 %, openings from 80 %; what closes and protects may use all.",
            (Query(_share_of(".+"), "{{limit}}"),),
            "percentunit",
            most=1,
            warn_at=0.7,
            alarm_at=0.8,
        ),
        Panel(
            "Conditional orders",
            "Stops, targets and conditional entries that rest; without room there is no opening that wants a stop.",
            (
                Query(
                    'max(tradeengine_exchange_limit_used{job=~"$job",limit="conditional_orders"})', "rest or asked for"
                ),
                Query('max(tradeengine_exchange_limit{job=~"$job",limit="conditional_orders"})', "limit"),
            ),
        ),
        Panel(
            "Share of the order counts",
            "What openings of each pod may use; together no more than 1.",
            (Query('tradeengine_exchange_order_share{job=~"$job"}', "{{instance}}"),),
            "percentunit",
            most=1,
        ),
        Panel(
            "Silence asked for",
            "Seconds for which the exchange wants no request (429 and 418).",
            (Query('max by (instance) (tradeengine_exchange_stopped_seconds{job=~"$job"})', "{{instance}}"),),
            "s",
            alarm_at=1,
        ),
    ),
)

_ORDERS: Final = Row(
    "Orders",
    (
        Panel(
            "Ended orders",
            "By symbol and status.",
            (
                Query(
                    'sum by (symbol, status) (rate(tradeengine_orders_executed_total{job=~"$job"}[$__rate_interval]))',
                    "{{symbol}} {{status}}",
                ),
            ),
            "ops",
        ),
        Panel(
            "Refusals",
            "Orders that the exchange refused, by reason.",
            (
                Query(
                    'sum by (refusal) (increase(tradeengine_orders_refused_total{job=~"$job"}[$__rate_interval]))',
                    "{{refusal}}",
                ),
            ),
        ),
        Panel(
            "Refused of all",
            "Part of the ended orders that the exchange refused, over 10 minutes.",
            (
                Query(
                    'sum(rate(tradeengine_orders_refused_total{job=~"$job"}[10m])) / '
                    'sum(rate(tradeengine_orders_executed_total{job=~"$job"}[10m]))',
                    "refused",
                ),
            ),
            "percentunit",
            warn_at=0.02,
            alarm_at=0.1,
        ),
    ),
)

_PROTECTION: Final = Row(
    "Protection",
    (
        Panel(
            "Naked positions",
            "Strategy positions that want a stop and have none live.",
            (Query('sum(tradeengine_naked_positions{job=~"$job"})', "naked"),),
            kind="stat",
            alarm_at=1,
            width=6,
        ),
        Panel(
            "Longest naked",
            "How long the longest naked position has been so.",
            (Query('max(tradeengine_naked_position_seconds{job=~"$job"})', "longest"),),
            "s",
            "stat",
            warn_at=2,
            alarm_at=10,
            width=6,
        ),
        Panel(
            "Positions by cover",
            "Unstopped positions want no stop; unknown ones were not seen at the exchange yet.",
            (Query('sum by (cover) (tradeengine_strategy_positions{job=~"$job"})', "{{cover}}"),),
            width=12,
        ),
    ),
)

_HEARD: Final = Row(
    "Connection",
    (
        Panel(
            "Streams",
            "1 while heard.",
            (Query('min by (instance, stream) (tradeengine_stream_up{job=~"$job"})', "{{stream}} {{instance}}"),),
            most=1,
            width=6,
        ),
        Panel(
            "Silence of streams",
            "Since the last message; a quiet account's user stream has little to say.",
            (
                Query(
                    'max by (instance, stream) (tradeengine_stream_silent_seconds{job=~"$job"})',
                    "{{stream}} {{instance}}",
                ),
            ),
            "s",
            width=6,
        ),
        Panel(
            "Rebuilt connections",
            "Streams that were connected anew.",
            (
                Query(
                    'sum by (stream) (increase(tradeengine_stream_rebuilds_total{job=~"$job"}[$__rate_interval]))',
                    "{{stream}}",
                ),
            ),
            width=6,
        ),
        Panel(
            "Clock",
            "What the exchange's clock is ahead, and how wrong that may be; beyond 1 s of error nothing is sent.",
            (
                Query(
                    'max by (instance) (tradeengine_exchange_clock_offset_seconds{job=~"$job"})', "ahead {{instance}}"
                ),
                Query(
                    'max by (instance) (tradeengine_exchange_clock_error_seconds{job=~"$job"})', "error {{instance}}"
                ),
            ),
            "s",
            width=6,
        ),
    ),
)

EXCHANGE: Final = Board(
    "exchange",
    "Trade engine: exchange",
    "Weights, order counts, refusals and protection.",
    (_LIMITS, _ORDERS, _PROTECTION, _HEARD),
)
