"""Gauges: how things stand, shown anew at each look of the service."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from prometheus_client import Gauge

from contracts.enums import DifferenceKind, PositionSide
from shared.metric_declarations import BoundedLabel, Declarations, harmless

MOST_STRATEGIES: Final = 100
"""Strategies that metrics tell apart; the rest are one."""
CONDITIONAL: Final = "conditional_orders"
"""Name of the account's limit of conditional orders that rest."""


class StreamFigures(NamedTuple):
    """How one of the exchange's streams is heard.

    Parameters
    ----------
    is_heard
        Whether it is connected and answers.
    silent_s
        Seconds since its last message, ``None`` before the first. A quiet account's user stream has little to say.
    rebuilds
        Connections that were replaced since the start.
    """

    is_heard: bool
    silent_s: float | None
    rebuilds: int


class ExchangeFigures(NamedTuple):
    """What is measured of the connection to an exchange.

    Parameters
    ----------
    used
        Of each limit what was used in the interval under way, and how much there is.
    order_share
        Part of the order counts that openings of this process may use, 0 to 1.
    stopped_s
        How long the exchange wants no requests yet, seconds.
    clock_offset_s, clock_error_s
        What the exchange's clock is ahead of the machine's, and most by which that is wrong, seconds; ``None`` before
        it was measured.
    streams
        By name.
    """

    used: Mapping[str, tuple[int, int]]
    order_share: float
    stopped_s: float
    clock_offset_s: float
    clock_error_s: float | None
    streams: Mapping[str, StreamFigures]


class Holding(NamedTuple):
    """What a strategy holds on a leg, in quote currency at the newest price."""

    strategy_id: str
    symbol: str
    position_side: PositionSide
    value: Decimal
    unrealized_pnl: Decimal


class ShardFigures(NamedTuple):
    """How the shards are shared out, as this process sees it.

    Parameters
    ----------
    total, working, ownerless
        Shards that there are, that this process decides, and that no living process holds.
    view_age_s
        Seconds since the leases were read.
    """

    total: int
    working: int
    ownerless: int
    view_age_s: float


class Gauges:
    """Everything that is set rather than counted and is not in :class:`shared.metrics.Metrics` itself."""

    def __init__(self, declare: Declarations) -> None:
        gauge = declare.gauge
        self._strategies = BoundedLabel(MOST_STRATEGIES)
        self._rebuilt: dict[str, int] = {}
        self._account = {
            "equity": gauge("account_equity_usd", "Equity of the account, of all processes; take the maximum."),
            "day_pnl": gauge("account_day_pnl_usd", "Realised P&L less fees plus funding since 00:00 UTC."),
            "exposure": gauge("account_exposure_usd", "Notional of all positions and entries under way."),
        }
        self._limits = gauge("account_limit_usd", "Configured limits; absent where none is set.", ("limit",))
        held = ("strategy_id", "symbol", "position_side")
        self._held = gauge("strategy_position_value_usd", "Notional that a strategy contributes to a position.", held)
        self._held_pnl = gauge("strategy_unrealized_pnl_usd", "Unrealised P&L of a strategy's contribution.", held)
        self._cover = gauge("strategy_positions", "Open strategy positions, by how they are protected.", ("cover",))
        self._naked_s = gauge("naked_position_seconds", "How long the longest naked position has been so; 0 if none.")
        self._differing = gauge("books_differences", "Differences from the exchange that last, by kind.", ("kind",))
        self._halted = gauge("halted_symbols", "Symbols that are halted: they open nothing.")
        self._standing = gauge("alert_standing", "1 while an alert of the engine stands, else 0.", ("name",))
        self._make_work(gauge)
        self._make_exchange(gauge)
        self._rebuilds = declare.counter("stream_rebuilds", "Connections of a stream that were replaced.", ("stream",))

    def _make_work(self, gauge: Callable[..., Gauge]) -> None:
        self._shards = gauge("shards", "Shards that there are.")
        self._working = gauge("shards_working", "Shards that this process decides.")
        self._ownerless = gauge("shards_ownerless", "Shards that no living process holds, as this process sees it.")
        self._view_age = gauge("lease_view_age_seconds", "Age of what this process knows of the leases.")
        self._signals = gauge("signals_waiting", "Messages of NATS that are for the shards here and not decided yet.")
        self._orders = gauge("orders_under_way", "Orders that have not reached the venue, or whose fill is on its way.")
        self._intake = gauge("intake_ready", "1 while signals are taken from NATS, or none is used; else 0.")

    def _make_exchange(self, gauge: Callable[..., Gauge]) -> None:
        self._used = gauge("exchange_limit_used", "Used of the exchange's limits now.", ("limit",))
        self._most = gauge("exchange_limit", "What the exchange allows in the interval.", ("limit",))
        self._share = gauge("exchange_order_share", "Part of the order counts that openings here may use; 0 on paper.")
        self._stopped = gauge("exchange_stopped_seconds", "How long the exchange wants no requests yet.")
        self._offset = gauge("exchange_clock_offset_seconds", "What the exchange's clock is ahead of the machine's.")
        self._error = gauge("exchange_clock_error_seconds", "Most by which the exchange's time may be wrong here.")
        self._heard = gauge("stream_up", "1 while a stream of the exchange is heard, else 0.", ("stream",))
        self._silent = gauge("stream_silent_seconds", "Time since the last message of a stream.", ("stream",))

    @harmless
    def account_valued(self, equity: Decimal, day_pnl: Decimal, exposure: Decimal) -> None:
        """The account at the newest prices, in quote currency."""
        for name, value in (("equity", equity), ("day_pnl", day_pnl), ("exposure", exposure)):
            self._account[name].set(float(value))

    @harmless
    def limits_set(self, limits: Mapping[str, Decimal | None]) -> None:
        """Limits in force, in quote currency; ``None`` is no limit."""
        for name, value in limits.items():
            if value is not None:
                self._limits.labels(name).set(float(value))

    @harmless
    def strategies_hold(self, holdings: Iterable[Holding]) -> None:
        """What strategies hold; what is not among it is flat. Beyond :data:`MOST_STRATEGIES` they are added up."""
        sums: dict[tuple[str, str, PositionSide], tuple[Decimal, Decimal]] = {}
        for holding in holdings:
            key = (self._strategies.of(holding.strategy_id), holding.symbol, holding.position_side)
            value, pnl = sums.get(key, (Decimal(0), Decimal(0)))
            sums[key] = (value + holding.value, pnl + holding.unrealized_pnl)
        self._held.clear()
        self._held_pnl.clear()
        for key, (value, pnl) in sums.items():
            self._held.labels(*key).set(float(value))
            self._held_pnl.labels(*key).set(float(pnl))

    @harmless
    def protection_seen(self, covers: Mapping[str, int], longest_naked_s: float) -> None:
        """How many strategy positions are covered how, and for how long one has been naked."""
        for cover, number in covers.items():
            self._cover.labels(cover).set(number)
        self._naked_s.set(longest_naked_s)

    @harmless
    def differences_stand(self, kinds: Mapping[DifferenceKind, int], halted: int) -> None:
        """What books and exchange differ in, and how many symbols are halted."""
        for kind in DifferenceKind:
            self._differing.labels(kind).set(kinds.get(kind, 0))
        self._halted.set(halted)

    @harmless
    def conditional_orders(self, used: int, most: int | None) -> None:
        """How many conditional orders of the account there are, and how many the venue allows, if it limits them."""
        self._used.labels(CONDITIONAL).set(used)
        if most is not None:
            self._most.labels(CONDITIONAL).set(most)

    @harmless
    def alert_stands(self, name: str, *, stands: bool) -> None:
        """An alert begins, lasts, ends, or was looked at and does not stand."""
        self._standing.labels(name).set(stands)

    @harmless
    def shards_seen(self, figures: ShardFigures) -> None:
        """How the shards are shared out."""
        self._shards.set(figures.total)
        self._working.set(figures.working)
        self._ownerless.set(figures.ownerless)
        self._view_age.set(figures.view_age_s)

    @harmless
    def work_waits(self, signals: int, orders: int) -> None:
        """How many signals wait for their decision, and how many orders for the venue."""
        self._signals.set(signals)
        self._orders.set(orders)

    @harmless
    def intake_seen(self, *, ready: bool) -> None:
        """Whether signals are taken from the broker, where there is to be one."""
        self._intake.set(ready)

    @harmless
    def exchange_measured(self, figures: ExchangeFigures) -> None:
        """What is used of the exchange's limits, and how well it is heard."""
        for name, (used, most) in figures.used.items():
            self._used.labels(name).set(used)
            self._most.labels(name).set(most)
        self._share.set(figures.order_share)
        self._stopped.set(figures.stopped_s)
        self._offset.set(figures.clock_offset_s)
        if figures.clock_error_s is not None:
            self._error.set(figures.clock_error_s)
        for name, stream in figures.streams.items():
            self._stream(name, stream)

    def _stream(self, name: str, stream: StreamFigures) -> None:
        self._heard.labels(name).set(stream.is_heard)
        if stream.silent_s is not None:
            self._silent.labels(name).set(stream.silent_s)
        # A venue that was opened again counts from zero.
        former = self._rebuilt.get(name, 0)
        self._rebuilt[name] = stream.rebuilds
        self._rebuilds.labels(name).inc(stream.rebuilds - former if stream.rebuilds >= former else stream.rebuilds)
