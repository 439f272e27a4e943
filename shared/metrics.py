"""Metrics of one process: a method for each fact, so that callers stay short and labels stay bounded."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import wraps
from typing import Final, NamedTuple, ParamSpec

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from contracts.enums import (
    CloseReason,
    DifferenceAction,
    DifferenceKind,
    OrderStatus,
    Outcome,
    PositionSide,
    Reason,
    RejectionSource,
    Severity,
    Side,
)

PREFIX: Final = "tradeengine"

_USD = (1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000)
# Losses share the bucket up to 0: the client leaves out a histogram's sum, which dashboards need, when a bound is
# negative.
_PNL_USD = (0, *_USD)
_PNL_PERCENT = (0, 0.5, 1, 2, 5, 10, 20, 50, 100)
_PNL_FRACTION = tuple(percent / 100 for percent in _PNL_PERCENT)
_PRICE = tuple(10**e for e in range(-6, 7))
_HOLDING_S = (1, 10, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, 259_200, 604_800)
_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)

INVALID_SIGNAL = "invalid_signal"
"""Reason of messages that were no signal at all, and so never reached a decision."""

P = ParamSpec("P")

log = structlog.get_logger(__name__)


def _harmless(record: Callable[P, None]) -> Callable[P, None]:
    """Let a method that records a fact never raise: who tells the fact may be on an order's way."""
    has_failed = False

    @wraps(record)
    def recorded(*given: P.args, **named: P.kwargs) -> None:
        nonlocal has_failed
        try:
            record(*given, **named)
        except Exception:
            # Supervised border: the figure is lost, and whoever told it goes on. Told once, it may fail every time.
            if not has_failed:
                has_failed = True
                log.exception("metric_failed", metric=record.__name__, action="its figures are wrong until a restart")

    return recorded


class Valuation(NamedTuple):
    """An open exchange position at the newest price; value and P&L in quote currency."""

    symbol: str
    position_side: PositionSide
    value: Decimal
    unrealized_pnl: Decimal


class Counted(NamedTuple):
    """What has been counted about ownership since the start of the process.

    Parameters
    ----------
    renewals
        Of single leases.
    takeovers
        Shards that the process began to work on.
    refusals
        Orders and cancels that a fence kept here, by reason.
    """

    renewals: int
    takeovers: int
    refusals: Mapping[str, int]


class ClosedPosition(NamedTuple):
    """A strategy position that ended.

    Parameters
    ----------
    pnl, commission
        Gross realised P&L and fees, in quote currency.
    entry_price, exit_price, entry_value
        Averages, and what the entries cost, in quote currency.
    duration_s
        From the first fill to the last, in seconds.
    """

    symbol: str
    position_side: PositionSide
    exchange: str
    close_reason: CloseReason
    pnl: Decimal
    commission: Decimal
    funding: Decimal
    entry_price: Decimal
    exit_price: Decimal
    entry_value: Decimal
    duration_s: float


class Metrics:
    """All metrics of the process, on a registry of their own; to record a fact never raises.

    Parameters
    ----------
    version
        Version of the engine, for ``tradeengine_build_info``.
    """

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        Info("build", "The engine's version.", namespace=PREFIX, registry=self.registry).info({"version": version})
        self._make_signal_metrics()
        self._make_order_metrics()
        self._make_position_metrics()
        self._policies = Info("policies", "Policies in force.", namespace=PREFIX, registry=self.registry)
        self._alerts = self._counter("alerts", "Alerts told.", ("name", "severity"))
        self._alerts_dropped = self._counter("alerts_dropped", "Alerts that no broker took in time.")
        self._differences = self._counter(
            "reconciliation_differences", "Differences between books and exchange.", ("kind", "action")
        )
        self._naked = self._gauge("naked_positions", "Strategy positions that want a stop and have none live.")
        self._observed = self._gauge("reconciliation_age_seconds", "Age of the last complete look at the exchange.")
        self._journal_waiting = self._gauge("journal_waiting_records", "Records that the store has not confirmed yet.")
        self._make_lease_metrics()
        self._copy_records = self._gauge("copy_lag_records", "Records that a copy has not applied yet.", ("copy",))
        self._copy_seconds = self._gauge("copy_lag_seconds", "Age of what a copy shows.", ("copy",))
        self._oldest = self._gauge("oldest_position_seconds", "Age of the strategy position that is open longest.")
        self._http = self._histogram(
            "http_request_seconds", "HTTP requests.", _LATENCY_S, ("route", "method", "status")
        )

    def _make_signal_metrics(self) -> None:
        self._received = self._counter("signals_received", "Signals that reached a shard.")
        self._processed = self._counter("signals_processed", "Signals decided, by outcome.", ("status",))
        self._duplicate = self._counter("signals_duplicate", "Signals that were decided before.")
        self._rejected = self._counter("signals_rejected", "Signals refused, by reason.", ("reason",))
        self._risk = self._counter("risk_rejections", "Signals that risk refused, by reason.", ("reason",))
        self._checks = self._counter("risk_checks", "Checks of opening signals by risk.", ("check", "result"))
        self._unknown = self._counter("signals_unknown_fields", "Fields of signals that the contract does not name.")
        self._nats = self._counter("nats_messages_processed", "NATS messages, by what became of them.", ("status",))

    def _make_order_metrics(self) -> None:
        self._orders = self._counter("orders_executed", "Orders that ended.", ("symbol", "side", "status"))
        self._execution = self._histogram("order_execution_seconds", "From plan to last fill.", _LATENCY_S)

    def _make_position_metrics(self) -> None:
        leg = ("symbol", "position_side", "exchange")
        self._opened = self._counter("positions_opened", "Strategy positions opened.", leg)
        self._closed = self._counter("positions_closed", "Strategy positions closed.", (*leg, "close_reason"))
        self._winning = self._counter("positions_winning", "Positions closed with a net gain.", leg)
        self._losing = self._counter("positions_losing", "Positions closed with a net loss.", leg)
        self._pnl = self._histogram("position_pnl_usd", "Net P&L of a closed position.", _PNL_USD, leg)
        self._pnl_pct = self._histogram("position_pnl_percentage", "Net P&L, % of entry value.", _PNL_PERCENT, leg)
        self._roi = self._histogram("position_roi", "Net P&L as a fraction of entry value.", _PNL_FRACTION, leg)
        self._duration = self._histogram("position_duration_seconds", "Holding time.", _HOLDING_S, leg)
        self._commission = self._histogram("position_commission_usd", "Fees of a closed position.", _USD, leg)
        self._entry = self._histogram("position_entry_price_usd", "Average entry price.", _PRICE, leg)
        self._exit = self._histogram("position_exit_price_usd", "Average exit price.", _PRICE, leg)
        self._value = self._gauge("open_positions_value_usd", "Notional of open positions.", leg[:2])
        self._unrealized = self._gauge("unrealized_pnl_usd", "Unrealised P&L of open positions.", leg[:2])

    def _make_lease_metrics(self) -> None:
        self._leases_held = self._gauge("leases_held", "Shards that this process holds.")
        self._renewals = self._counter("lease_renewals", "Renewals of single leases.")
        self._takeovers = self._counter("shard_takeovers", "Shards that this process began to work on.")
        self._kept_here = self._counter("fence_refusals", "Orders and cancels that a fence kept here.", ("reason",))
        self._counted: Counted = Counted(0, 0, {})

    @_harmless
    def policies_set(self, policies: Mapping[str, str]) -> None:
        """These policies are in force; a label for each."""
        self._policies.info(dict(policies))

    @_harmless
    def signal_received(self) -> None:
        """A signal reached its shard."""
        self._received.inc()

    @_harmless
    def signal_decided(self, outcome: Outcome, reason: Reason | None, source: RejectionSource | None) -> None:
        """A signal got its outcome."""
        self._processed.labels(outcome).inc()
        if outcome is Outcome.DUPLICATE:
            self._duplicate.inc()
        elif outcome is Outcome.REJECTED and reason is not None:
            self._rejected.labels(reason).inc()
            if source is RejectionSource.RISK:
                self._risk.labels(reason).inc()

    @_harmless
    def risk_checked(self, check: str, *, passed: bool) -> None:
        """Risk held an opening signal against one of its rules."""
        self._checks.labels(check, "passed" if passed else "failed").inc()

    @_harmless
    def unknown_fields(self, count: int) -> None:
        """A signal brought fields that the contract does not name."""
        self._unknown.inc(count)

    @_harmless
    def signal_invalid(self, count: int = 1) -> None:
        """Messages came that are no valid signals."""
        self._rejected.labels(INVALID_SIGNAL).inc(count)

    @_harmless
    def nats_messages(self, status: str, count: int = 1) -> None:
        """NATS messages were received, parked, acknowledged…; the status is a word of the intake's own."""
        self._nats.labels(status).inc(count)

    @_harmless
    def order_ended(self, symbol: str, side: Side, status: OrderStatus) -> None:
        """An order came to its end."""
        self._orders.labels(symbol, side, status).inc()

    @_harmless
    def order_filled_after(self, seconds: float) -> None:
        """An order filled completely, so long after it was planned."""
        self._execution.observe(seconds)

    @_harmless
    def position_opened(self, symbol: str, position_side: PositionSide, exchange: str) -> None:
        """A strategy opened a position."""
        self._opened.labels(symbol, position_side, exchange).inc()

    @_harmless
    def position_closed(self, closed: ClosedPosition) -> None:
        """A strategy position ended."""
        leg = (closed.symbol, closed.position_side, closed.exchange)
        net = closed.pnl - closed.commission + closed.funding
        # From here on figures are drawn, not booked: a float is precise enough.
        roi = float(net / closed.entry_value) if closed.entry_value else 0.0
        self._closed.labels(*leg, closed.close_reason).inc()
        (self._winning if net > 0 else self._losing).labels(*leg).inc()
        self._pnl.labels(*leg).observe(float(net))
        self._pnl_pct.labels(*leg).observe(100 * roi)
        self._roi.labels(*leg).observe(roi)
        self._duration.labels(*leg).observe(closed.duration_s)
        self._commission.labels(*leg).observe(float(closed.commission))
        self._entry.labels(*leg).observe(float(closed.entry_price))
        self._exit.labels(*leg).observe(float(closed.exit_price))

    @_harmless
    def positions_valued(self, valuations: Iterable[Valuation]) -> None:
        """Set the gauges of open positions; what is not among them is flat."""
        self._value.clear()
        self._unrealized.clear()
        for valuation in valuations:
            leg = (valuation.symbol, valuation.position_side)
            self._value.labels(*leg).set(float(valuation.value))
            self._unrealized.labels(*leg).set(float(valuation.unrealized_pnl))

    @_harmless
    def alert_raised(self, name: str, severity: Severity) -> None:
        """Operators were told something."""
        self._alerts.labels(name, severity).inc()

    @_harmless
    def alert_dropped(self) -> None:
        """An alert was given up because too many wait for the broker."""
        self._alerts_dropped.inc()

    @_harmless
    def difference_found(self, kind: DifferenceKind, action: DifferenceAction) -> None:
        """Books and exchange differed."""
        self._differences.labels(kind, action).inc()

    @_harmless
    def exchange_observed(self, age_s: float, naked: int) -> None:
        """How old the last complete look at the exchange is, and how many positions it showed without their stop."""
        self._observed.set(age_s)
        self._naked.set(naked)

    @_harmless
    def ownership_observed(self, held: int, counted: "Counted") -> None:
        """How many shards are held now, and what has been counted about ownership since the start."""
        former, self._counted = self._counted, counted
        self._leases_held.set(held)
        self._renewals.inc(counted.renewals - former.renewals)
        self._takeovers.inc(counted.takeovers - former.takeovers)
        for reason, times in counted.refusals.items():
            self._kept_here.labels(reason).inc(times - former.refusals.get(reason, 0))

    @_harmless
    def oldest_position(self, age_s: float) -> None:
        """How long the oldest strategy position has been open; 0 without any."""
        self._oldest.set(age_s)

    @_harmless
    def journal_waits(self, records: int) -> None:
        """Set how many records the store has not confirmed yet."""
        self._journal_waiting.set(records)

    @_harmless
    def copy_observed(self, copy: str, records: int, seconds: float) -> None:
        """How far a copy lies behind the journal."""
        self._copy_records.labels(copy).set(records)
        self._copy_seconds.labels(copy).set(seconds)

    @_harmless
    def http_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """An HTTP request was answered; the route is its template, never the path."""
        self._http.labels(route, method, str(status)).observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def samples(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        """All samples (labels and value) by name."""
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for family in self.registry.collect():
            for sample in family.samples:
                found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
        return found

    def _counter(self, name: str, documentation: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, documentation, labels, namespace=PREFIX, registry=self.registry)

    def _gauge(self, name: str, documentation: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, documentation, labels, namespace=PREFIX, registry=self.registry)

    def _histogram(
        self, name: str, documentation: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
    ) -> Histogram:
        return Histogram(name, documentation, labels, namespace=PREFIX, buckets=buckets, registry=self.registry)
