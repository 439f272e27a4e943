"""The engine dashboard: throughput, latency, lag, leases and errors."""

from typing import Final

from scripts.observability.panels import Board, Panel, Query, Row, Unit


def _quantiles(metric: str, title: str, shows: str, *, width: int = 8, unit: Unit = "s") -> Panel:
    """A panel of a histogram's median and its slowest hundredth."""
    buckets = f'sum by (le) (rate(tradeengine_{metric}_bucket{{job=~"$job"}}[$__rate_interval]))'
    queries = tuple(
        Query(f"histogram_quantile({share}, {buckets})", name) for share, name in ((0.5, "p50"), (0.99, "p99"))
    )
    return Panel(title, shows, queries, unit, width=width)


def _rate(metric: str, by: str = "") -> str:
    grouped = f" by ({by})" if by else ""
    return f'sum{grouped} (rate(tradeengine_{metric}_total{{job=~"$job"}}[$__rate_interval]))'


_THROUGHPUT: Final = Row(
    "Throughput",
    (
        Panel(
            "Signals",
            "Decided signals by outcome.",
            (Query(_rate("signals_processed", "status"), "{{status}}"),),
            "ops",
        ),
        Panel(
            "Refused signals",
            "By reason; a reason appears with its first refusal.",
            (Query(_rate("signals_rejected", "reason"), "{{reason}}"),),
            "ops",
        ),
        Panel(
            "Messages of NATS",
            "Received, acknowledged, given back and parked.",
            (Query(_rate("nats_messages_processed", "status"), "{{status}}"),),
            "ops",
        ),
        Panel(
            "Records",
            "Committed records; one holds a batch of signals.",
            (Query(_rate("journal_records"), "records"),),
            "ops",
        ),
        Panel("Orders", "Ended orders by status.", (Query(_rate("orders_executed", "status"), "{{status}}"),), "ops"),
        Panel(
            "API",
            "Answers by status.",
            (
                Query(
                    'sum by (status) (rate(tradeengine_http_request_seconds_count{job=~"$job"}[$__rate_interval]))',
                    "{{status}}",
                ),
            ),
            "reqps",
        ),
    ),
)

_LATENCY: Final = Row(
    "Latency",
    (
        _quantiles(
            "signal_age_seconds", "From signal to decision", "By the signal's own timestamp, so clocks count too."
        ),
        _quantiles("journal_commit_seconds", "Commit", "How long the journal's store takes; every order waits for it."),
        _quantiles("order_execution_seconds", "From plan to last fill", "Market orders only."),
        _quantiles("http_request_seconds", "API", "From request to answer.", width=12),
        Panel(
            "Processors and memory",
            "Of each pod; one event loop uses one processor at most.",
            (
                Query('rate(process_cpu_seconds_total{job=~"$job"}[$__rate_interval])', "processors {{instance}}"),
                Query('process_resident_memory_bytes{job=~"$job"} / 2^30', "GiB {{instance}}"),
            ),
            width=12,
        ),
    ),
)

_LAG: Final = Row(
    "Lag",
    (
        Panel(
            "Waiting signals",
            "Messages for the shards of each pod that are not decided yet.",
            (Query('sum by (instance) (tradeengine_signals_waiting{job=~"$job"})', "{{instance}}"),),
        ),
        Panel(
            "Waiting records and orders",
            "Records that the journal has not confirmed, and orders on their way.",
            (
                Query('sum(tradeengine_journal_waiting_records{job=~"$job"})', "records"),
                Query('sum(tradeengine_orders_under_way{job=~"$job"})', "orders"),
            ),
        ),
        Panel(
            "Copies",
            "Age of what the read model, the copy in MySQL and the published events show.",
            (Query('max by (copy) (tradeengine_copy_lag_seconds{job=~"$job"})', "{{copy}}"),),
            "s",
        ),
        Panel(
            "Look at the exchange",
            "Age of the last complete look, per pod.",
            (Query('max by (instance) (tradeengine_reconciliation_age_seconds{job=~"$job"})', "{{instance}}"),),
            "s",
            width=12,
        ),
        Panel(
            "Records that copies lack",
            "Not applied yet.",
            (Query('max by (copy) (tradeengine_copy_lag_records{job=~"$job"})', "{{copy}}"),),
            width=12,
        ),
    ),
)

_LEASES: Final = Row(
    "Leases",
    (
        Panel(
            "Shards by pod",
            "Held shards; together they should be all.",
            (
                Query('sum by (instance) (tradeengine_leases_held{job=~"$job"})', "{{instance}}"),
                Query('max(tradeengine_shards{job=~"$job"})', "all"),
            ),
        ),
        Panel(
            "Shards without work or owner",
            "Shards that nobody decides, and that no living pod holds.",
            (
                Query(
                    'max(tradeengine_shards{job=~"$job"}) - sum(tradeengine_shards_working{job=~"$job"})',
                    "not worked on",
                ),
                Query('min(tradeengine_shards_ownerless{job=~"$job"})', "no owner"),
            ),
            alarm_at=1,
        ),
        Panel(
            "Hand-overs",
            "Shards taken, and renewals of leases.",
            (
                Query('sum(increase(tradeengine_shard_takeovers_total{job=~"$job"}[$__rate_interval]))', "taken"),
                Query(_rate("lease_renewals"), "renewals per second"),
            ),
        ),
        Panel(
            "Fenced orders",
            "Orders and cancels that a fence kept here, by reason; none is normal.",
            (Query(_rate("fence_refusals", "reason"), "{{reason}}"),),
            "ops",
            width=12,
        ),
        Panel(
            "Age of the view of the leases",
            "More than the lease time means that the store does not answer.",
            (Query('max by (instance) (tradeengine_lease_view_age_seconds{job=~"$job"})', "{{instance}}"),),
            "s",
            width=12,
        ),
    ),
)

_ERRORS: Final = Row(
    "Errors",
    (
        Panel(
            "Standing alerts",
            "What the engine itself says is wrong now.",
            (Query('max by (name) (tradeengine_alert_standing{job=~"$job"})', "{{name}}"),),
            alarm_at=1,
            width=12,
        ),
        Panel(
            "Alerts told",
            "By name and severity; a name appears with its first alert.",
            (
                Query(
                    'sum by (name, severity) (increase(tradeengine_alerts_total{job=~"$job"}[$__rate_interval]))',
                    "{{severity}} {{name}}",
                ),
            ),
            width=12,
        ),
        Panel(
            "Books against exchange",
            "Differences that last, by kind, and halted symbols.",
            (
                Query('sum by (kind) (tradeengine_books_differences{job=~"$job"})', "{{kind}}"),
                Query('sum(tradeengine_halted_symbols{job=~"$job"})', "halted symbols"),
            ),
            alarm_at=1,
        ),
        Panel(
            "Differences found",
            "By kind and what was done; a kind appears with the first.",
            (
                Query(
                    "sum by (kind, action) "
                    '(increase(tradeengine_reconciliation_differences_total{job=~"$job"}[$__rate_interval]))',
                    "{{kind}} {{action}}",
                ),
            ),
        ),
        Panel(
            "Intake",
            "1 while signals are taken from NATS.",
            (Query('min by (instance) (tradeengine_intake_ready{job=~"$job"})', "{{instance}}"),),
            most=1,
        ),
    ),
)

ENGINE: Final = Board(
    "engine",
    "Trade engine: engine",
    "Throughput, latency, lag, leases and errors of the pods.",
    (_THROUGHPUT, _LATENCY, _LAG, _LEASES, _ERRORS),
)
