"""The core at work: a signal becomes an order, its fill is attributed, its protection follows."""

from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal
from time import perf_counter_ns
from typing import NamedTuple

from contracts.enums import Action, OrderKind, OrderStatus
from tests.benchmarks.flow import FEE_RATE, QUANTITY, STEP, SYMBOLS, TICK, Trade, trades
from tradeengine.domain import events as ev
from tradeengine.domain import inputs
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.decide import step
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.domain.state import ShardState
from tradeengine.journal.record import Entry, Record, encode

_CONFIDENCE = Decimal("0.9")
_START_MS = 1_767_268_800_000


class CoreTimes(NamedTuple):
    """Nanoseconds of each order, in order: by the core, and by the journal's encoding of its record."""

    decided: list[int]
    encoded: list[int]


class Exchange:
    """A shard and the least of an exchange: it takes every order, fills market orders at once, cancels on demand.

    Everything it answers goes through the core, until the core asks for nothing more.
    """

    def __init__(self, config: TradingConfig, shard: int = 0) -> None:
        self.state = ShardState(shard=shard)
        self.entries: list[Entry] = []
        self.fills = 0
        self._orders: dict[str, ApprovedOrder] = {}
        self._asked: deque[ev.AnyEvent] = deque()
        rules = [Instrument(symbol, TICK, STEP, min_notional=Decimal(5)) for symbol in SYMBOLS]
        self._give(inputs.JournalOpened(time_ms=_START_MS, journal_id="bench"))
        self._give(inputs.ConfigChanged(time_ms=_START_MS, config=config))
        self._give(inputs.InstrumentsChanged(time_ms=_START_MS, instruments=tuple(rules)))

    def take(self, trade: Trade, number: int) -> None:
        """Decide a trade's signal and everything that follows from it; :attr:`entries` holds that, and nothing else."""
        self.entries = []
        now = _START_MS + number
        self._give(_signal(trade, number, now))
        while self._asked:
            event = self._asked.popleft()
            if isinstance(event, ev.CancelPlanned):
                self._report(event.client_order_id, OrderStatus.CANCELLED, now)
            elif isinstance(event, ev.OrderPlanned):
                self._report(event.order.client_order_id, OrderStatus.OPEN, now)
                if event.order.kind is OrderKind.MARKET:
                    self.fills += 1
                    self._give(_fill(event.order, trade.price, self.fills, now))

    def _report(self, client_order_id: str, status: OrderStatus, now: int) -> None:
        self._give(inputs.OrderReported(time_ms=now, client_order_id=client_order_id, status=status))

    def _give(self, given: inputs.AnyInput) -> None:
        events = step(self.state, given)
        self._asked += events
        self.entries.append(Entry(given, tuple(events)))


def measure(count: int, seed: int, protected: bool) -> CoreTimes:
    """Time every order by itself.

    What is in an order's time: the signal's input is made and decided, its order acknowledged and filled, the fill
    attributed to the strategy and the exchange position; with protection also that stop and target are planned and
    acknowledged, and those that they replace cancelled. Making the venue's reports is in it, too. The record's
    encoding is timed apart; reading the signal's JSON and committing the record are not in either.

    Parameters
    ----------
    count
        Number of orders.
    protected
        Whether every position has a stop and a target.

    Raises
    ------
    RuntimeError
        If the core did not fill exactly one order a signal: the times would say nothing.
    """
    flow = trades(count, seed)
    distance = Decimal("0.05") if protected else None
    venue = Exchange(TradingConfig(stop_loss_pct=distance, take_profit_pct=distance))
    decided, encoded = [], []
    for number, trade in enumerate(flow):
        begun = perf_counter_ns()
        venue.take(trade, number)
        done = perf_counter_ns()
        encode(Record(0, number + 1, tuple(venue.entries)))
        encoded.append(perf_counter_ns() - done)
        decided.append(done - begun)
    _check(venue, flow, protected)
    return CoreTimes(decided, encoded)


def _signal(trade: Trade, number: int, now: int) -> inputs.SignalReceived:
    opening = Action.BUY if trade.long else Action.SELL
    return inputs.SignalReceived(
        time_ms=now,
        timestamp_ms=now,
        strategy_id=trade.strategy,
        signal_id=str(number),
        symbol=trade.symbol,
        action=opening if trade.opening else Action.CLOSE,
        confidence=_CONFIDENCE,
        quantity=QUANTITY if trade.opening else None,
        context=inputs.Context(mark_price=trade.price),
    )


def _fill(order: ApprovedOrder, price: Decimal, number: int, now: int) -> inputs.FillReported:
    return inputs.FillReported(
        time_ms=now,
        client_order_id=order.client_order_id,
        trade_id=str(number),
        symbol=order.symbol,
        side=order.side,
        position_side=order.position_side,
        quantity=order.quantity,
        price=price,
        fee=price * order.quantity * FEE_RATE,
        fee_asset="USDT",
    )


def _check(venue: Exchange, flow: Sequence[Trade], protected: bool) -> None:
    held = {key: quantity for key, quantity in _expected(flow).items() if quantity}
    found = {
        (strategy, leg.symbol): position.books.quantity
        for leg in venue.state.legs.values()
        for strategy, position in leg.strategies.items()
    }
    resting = 2 * len(held) if protected else 0
    if venue.fills != len(flow) or found != held or len(venue.state.orders) != resting:
        raise RuntimeError(
            f"{venue.fills} fills of {len(flow)} orders; {len(found)} positions held, not {len(held)}; "
            f"{len(venue.state.orders)} orders rest, not {resting}"
        )


def _expected(flow: Iterable[Trade]) -> dict[tuple[str, str], Decimal]:
    held: dict[tuple[str, str], Decimal] = {}
    for trade in flow:
        key = (trade.strategy, trade.symbol)
        held[key] = held.get(key, Decimal(0)) + QUANTITY if trade.opening else Decimal(0)
    return held
