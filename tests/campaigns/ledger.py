"""The engine's journal, read as an auditor reads it: each trade once, each order id once, each signal one outcome."""

from collections import Counter
from decimal import Context, Decimal, Inexact

from contracts.enums import DifferenceKind, Outcome
from tradeengine.domain import events as ev
from tradeengine.domain.inputs import signal_key
from tradeengine.journal.memory import MemoryJournal

HARMLESS = frozenset({DifferenceKind.UNHEDGED, DifferenceKind.LOST_ORDER})
"""Differences that others' cancels and lost messages make; any other means that the books were wrong."""
_ENTRY_DIGITS = 13
"""Significant digits of the exchange's average prices, as recorded answers show them; the rest is cut."""


class Ledger:
    """What the journal says so far.

    Parameters
    ----------
    fills
        By symbol and trade id.
    inexact
        Fills, of these, that met a leg whose average price the exchange had to cut.
    faults
        What must never be in a journal.
    """

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal
        self._read: Counter[int] = Counter()
        self._cut: Counter[str] = Counter()
        self._orders: set[str] = set()
        self._outcomes: dict[str, str] = {}
        self.fills: dict[tuple[str, str], ev.OrderFilled] = {}
        self.inexact: dict[tuple[str, str], int] = {}
        self.faults: list[str] = []
        self.events: Counter[str] = Counter()

    async def update(self) -> None:
        """Read what was committed since."""
        for shard in await self._journal.shards():
            for record in await self._journal.read(shard, self._read[shard], 1_000_000):
                self._read[shard] = record.sequence
                for event in record.events():
                    self.events[type(event).__name__] += 1
                    self._take(event)

    def _take(self, event: ev.AnyEvent) -> None:
        if isinstance(event, ev.OrderFilled):
            self._fill(event)
        elif isinstance(event, ev.OrderPlanned):
            if event.order.client_order_id in self._orders:
                self.faults.append(f"order id {event.order.client_order_id} was used twice")
            self._orders.add(event.order.client_order_id)
        elif isinstance(event, ev.SignalDecided):
            self._decision(event)
        elif isinstance(event, ev.DifferenceFound):
            self.events[f"difference {event.kind} {event.action}"] += 1
            if event.kind not in HARMLESS:
                self.faults.append(f"difference {event.kind} {event.action}: {event.text}")
        elif isinstance(event, ev.AlertRaised):
            self.events[f"alert {event.name}"] += 1

    def _decision(self, event: ev.SignalDecided) -> None:
        if event.outcome is Outcome.DUPLICATE:
            return
        key = signal_key(event.strategy_id, event.symbol, event.signal_id)
        if key in self._outcomes:
            self.faults.append(f"signal {event.signal_id} was decided twice: {self._outcomes[key]}, {event.outcome}")
        self._outcomes[key] = event.outcome
        if event.reason is not None:
            self.events[f"refused: {event.reason}"] += 1
            if event.reason == "internal_error":
                self.faults.append(f"signal {event.signal_id}: {event.detail}")

    def _fill(self, event: ev.OrderFilled) -> None:
        key = (event.symbol, event.trade_id)
        if key in self.fills:
            self.faults.append(f"trade {key} was booked twice")
        self.fills[key] = event
        leg = f"{event.symbol}_{event.position_side}"
        if event.opening:
            exact = Context(prec=_ENTRY_DIGITS, traps=[])
            exact.divide(event.after.cost, event.after.quantity)
            # An average that was cut once stays cut until the leg is flat.
            if self._cut[leg] or exact.flags[Inexact]:
                self._cut[leg] += 1
        self.inexact[key] = self._cut[leg]
        if not event.after.quantity:
            self._cut[leg] = 0


def cut_bound(event: ev.OrderFilled, cuts: int) -> Decimal:
    """How far the exchange's P&L of a fill may lie from the exact one: what it cuts off, and nothing else.

    Parameters
    ----------
    cuts
        How many average prices were cut since the leg was flat, each by less than one in the last of 13 digits.
    """
    exponent = event.realized.normalize().as_tuple().exponent
    bound = Decimal("1e-8") if cuts or (isinstance(exponent, int) and exponent < -8) else Decimal(0)
    return bound + cuts * event.quantity * (event.price + abs(event.realized / event.quantity)) * Decimal("1e-12")
