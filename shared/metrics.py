"""Metrics of one process: a method for each fact, so that callers stay short and labels stay bounded."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
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
    Refusal,
    RejectionSource,
    Severity,
    Side,
)
from shared.gauges import MOST_STRATEGIES, Gauges
from shared.metric_declarations import BoundedLabel, Declarations, Declared, harmless

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

    strategy_id: str
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
        self._declare = Declarations(self.registry)
        self._declare.info("build", "The engine's version.").info({"version": version})
        self._make_signal_metrics()
        self._make_order_metrics()
        self._make_position_metrics()
        self._policies = self._declare.info("policies", "Policies in force.")
        self._alerts = self._counter("alerts", "Alerts told.", ("name", "severity"))
        self._alerts_dropped = self._counter("alerts_dropped", "Alerts that no broker took in time.")
        self._differences = self._counter(
            "reconciliation_differences", "Differences between books and exchange.", ("kind", "action")
        )
        self._naked = self._gauge("naked_positions", "Strategy positions that want a stop and have none live.")
        self._observed = self._gauge("reconciliation_age_seconds", "Age of the last complete look at the exchange.")
        self._make_journal_metrics()
        self._make_lease_metrics()
        self._make_trace_metrics()
        self._copy_records = self._gauge("copy_lag_records", "Records that a copy has not applied yet.", ("copy",))
        self._copy_seconds = self._gauge("copy_lag_seconds", "Age of what a copy shows.", ("copy",))
        self._oldest = self._gauge("oldest_position_seconds", "Age of the strategy position that is open longest.")
        self._http = self._histogram(
            "http_request_seconds", "HTTP requests.", _LATENCY_S, ("route", "method", "status")
        )
        self.gauges = Gauges(self._declare)
        """How things stand; set by each look of the service."""

    @property
    def declared(self) -> tuple[Declared, ...]:
        """Every metric of the engine's own."""
        return tuple(self._declare.all)

    def _make_signal_metrics(self) -> None:
        self._received = self._counter("signals_received", "Signals that reached a shard.")
        self._processed = self._counter("signals_processed", "Signals decided, by outcome.", ("status",))
        # Prometheus sees no increase in a counter that is born with its first count.
        for outcome in Outcome:
            self._processed.labels(outcome)
        self._duplicate = self._counter("signals_duplicate", "Signals that were decided before.")
        self._rejected = self._counter("signals_rejected", "Signals refused, by reason.", ("reason",))
        self._risk = self._counter("risk_rejections", "Signals that risk refused, by reason.", ("reason",))
        for reason in (Reason.DAILY_LOSS_LIMIT, Reason.DRAWDOWN_LIMIT):
            self._risk.labels(reason)
        self._checks = self._counter("risk_checks", "Checks of opening signals by risk.", ("check", "result"))
        self._age = self._histogram("signal_age_seconds", "From a signal's timestamp to its decision.", _LATENCY_S)
        self._unknown = self._counter("signals_unknown_fields", "Fields of signals that the contract does not name.")
        self._nats = self._counter("nats_messages_processed", "NATS messages, by what became of them.", ("status",))

    def _make_order_metrics(self) -> None:
        self._orders = self._counter("orders_executed", "Orders that ended.", ("symbol", "side", "status"))
        self._refused = self._counter("orders_refused", "Orders that the venue refused, by reason.", ("refusal",))
        for refusal in Refusal:
            self._refused.labels(refusal)
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
        by = ("strategy_id", *leg[:2])
        self._strategies = BoundedLabel(MOST_STRATEGIES)
        self._gains = self._counter("strategy_gains_usd", "Net P&L of a strategy's positions that won.", by)
        self._losses = self._counter("strategy_losses_usd", "Net loss of a strategy's other positions.", by)
        self._value = self._gauge("open_positions_value_usd", "Notional of open positions.", leg[:2])
        self._unrealized = self._gauge("unrealized_pnl_usd", "Unrealised P&L of open positions.", leg[:2])

    def _make_journal_metrics(self) -> None:
        self._journal_waiting = self._gauge("journal_waiting_records", "Records that the store has not confirmed yet.")
        self._commits = self._histogram("journal_commit_seconds", "How long an append took.", _LATENCY_S)
        self._committed = self._counter("journal_records", "Records that were committed.")

    def _make_lease_metrics(self) -> None:
        self._leases_held = self._gauge("leases_held", "Shards that this process holds.")
        self._renewals = self._counter("lease_renewals", "Renewals of single leases.")
        self._takeovers = self._counter("shard_takeovers", "Shards that this process began to work on.")
        self._kept_here = self._counter("fence_refusals", "Orders and cancels that a fence kept here.", ("reason",))
        self._counted: Counted = Counted(0, 0, {})

    def _make_trace_metrics(self) -> None:
        self._spans = self._counter("trace_spans_exported", "Spans of traces that the collector has taken.")
        self._lost_spans = self._counter("trace_spans_dropped", "Spans that were dropped, by reason.", ("reason",))
        self._traced: tuple[int, Mapping[str, int]] = (0, {})

    @harmless
    def policies_set(self, policies: Mapping[str, str]) -> None:
        """These policies are in force; a label for each."""
        self._policies.info(dict(policies))

    @harmless
    def signal_received(self) -> None:
        """A signal reached its shard."""
        self._received.inc()

    @harmless
    def signal_decided(self, outcome: Outcome, reason: Reason | None, source: RejectionSource | None) -> None:
        """A signal got its outcome."""
        self._processed.labels(outcome).inc()
        if outcome is Outcome.DUPLICATE:
            self._duplicate.inc()
        elif outcome is Outcome.REJECTED and reason is not None:
            self._rejected.labels(reason).inc()
            if source is RejectionSource.RISK:
                self._risk.labels(reason).inc()

    @harmless
    def signal_aged(self, seconds: float) -> None:
        """A signal was so old by its own timestamp when it was decided."""
        self._age.observe(max(0.0, seconds))

    @harmless
    def risk_checked(self, check: str, *, passed: bool) -> None:
        """Risk held an opening signal against one of its rules."""
        self._checks.labels(check, "passed" if passed else "failed").inc()

    @harmless
    def unknown_fields(self, count: int) -> None:
        """A signal brought fields that the contract does not name."""
        self._unknown.inc(count)

    @harmless
    def signal_invalid(self, count: int = 1) -> None:
        """Messages came that are no valid signals."""
        self._rejected.labels(INVALID_SIGNAL).inc(count)

    @harmless
    def nats_messages(self, status: str, count: int = 1) -> None:
        """NATS messages were received, parked, acknowledged…; the status is a word of the intake's own."""
        self._nats.labels(status).inc(count)

    @harmless
    def order_ended(self, symbol: str, side: Side, status: OrderStatus) -> None:
        """An order came to its end."""
        self._orders.labels(symbol, side, status).inc()

    @harmless
    def order_refused(self, refusal: Refusal) -> None:
        """The venue refused an order."""
        self._refused.labels(refusal).inc()

    @harmless
    def order_filled_after(self, seconds: float) -> None:
        """An order filled completely, so long after it was planned."""
        self._execution.observe(seconds)

    @harmless
    def position_opened(self, symbol: str, position_side: PositionSide, exchange: str) -> None:
        """A strategy opened a position."""
        self._opened.labels(symbol, position_side, exchange).inc()

    @harmless
    def position_closed(self, closed: ClosedPosition) -> None:
        """A strategy position ended."""
        leg = (closed.symbol, closed.position_side, closed.exchange)
        net = closed.pnl - closed.commission + closed.funding
        # From here on figures are drawn, not booked: a float is precise enough.
        roi = float(net / closed.entry_value) if closed.entry_value else 0.0
        self._closed.labels(*leg, closed.close_reason).inc()
        (self._winning if net > 0 else self._losing).labels(*leg).inc()
        by = (self._strategies.of(closed.strategy_id), closed.symbol, closed.position_side)
        (self._gains if net > 0 else self._losses).labels(*by).inc(float(abs(net)))
        self._pnl.labels(*leg).observe(float(net))
        self._pnl_pct.labels(*leg).observe(100 * roi)
        self._roi.labels(*leg).observe(roi)
        self._duration.labels(*leg).observe(closed.duration_s)
        self._commission.labels(*leg).observe(float(closed.commission))
        self._entry.labels(*leg).observe(float(closed.entry_price))
        self._exit.labels(*leg).observe(float(closed.exit_price))

    @harmless
    def positions_valued(self, valuations: Iterable[Valuation]) -> None:
        """Set the gauges of open positions; what is not among them is flat."""
        self._value.clear()
        self._unrealized.clear()
        for valuation in valuations:
            leg = (valuation.symbol, valuation.position_side)
            self._value.labels(*leg).set(float(valuation.value))
            self._unrealized.labels(*leg).set(float(valuation.unrealized_pnl))

    @harmless
    def alert_raised(self, name: str, severity: Severity) -> None:
        """Operators were told something."""
        self._alerts.labels(name, severity).inc()

    @harmless
    def alert_dropped(self) -> None:
        """An alert was given up because too many wait for the broker."""
        self._alerts_dropped.inc()

    @harmless
    def difference_found(self, kind: DifferenceKind, action: DifferenceAction) -> None:
        """Books and exchange differed."""
        self._differences.labels(kind, action).inc()

    @harmless
    def exchange_observed(self, age_s: float, naked: int) -> None:
        """How old the last complete look at the exchange is, and how many positions it showed without their stop."""
        self._observed.set(age_s)
        self._naked.set(naked)

    @harmless
    def ownership_observed(self, held: int, counted: "Counted") -> None:
        """How many shards are held now, and what has been counted about ownership since the start."""
        former, self._counted = self._counted, counted
        self._leases_held.set(held)
        self._renewals.inc(counted.renewals - former.renewals)
        self._takeovers.inc(counted.takeovers - former.takeovers)
        for reason, times in counted.refusals.items():
            self._kept_here.labels(reason).inc(times - former.refusals.get(reason, 0))

    @harmless
    def traces_observed(self, exported: int, dropped: Mapping[str, int]) -> None:
        """How many spans were exported since the start, and how many dropped, by reason."""
        (spans, lost), self._traced = self._traced, (exported, dict(dropped))
        self._spans.inc(exported - spans)
        for reason, number in dropped.items():
            self._lost_spans.labels(reason).inc(number - lost.get(reason, 0))

    @harmless
    def oldest_position(self, age_s: float) -> None:
        """How long the oldest strategy position has been open; 0 without any."""
        self._oldest.set(age_s)

    @harmless
    def journal_waits(self, records: int) -> None:
        """Set how many records the store has not confirmed yet."""
        self._journal_waiting.set(records)

    @harmless
    def journal_appended(self, seconds: float, records: int) -> None:
        """The store has confirmed so many records at once."""
        self._commits.observe(seconds)
        self._committed.inc(records)

    @harmless
    def copy_observed(self, copy: str, records: int, seconds: float) -> None:
        """How far a copy lies behind the journal."""
        self._copy_records.labels(copy).set(records)
        self._copy_seconds.labels(copy).set(seconds)

    @harmless
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

    def _counter(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Counter:
        return self._declare.counter(name, meaning, labels)

    def _gauge(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Gauge:
        return self._declare.gauge(name, meaning, labels)

    def _histogram(
        self, name: str, meaning: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
    ) -> Histogram:
        return self._declare.histogram(name, meaning, buckets, labels)
