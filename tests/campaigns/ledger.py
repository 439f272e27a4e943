"""The engine's journal, read as an auditor reads it: each trade once, each order id once, each signal one outcome."""

from collections import Counter, defaultdict
from collections.abc import Collection
from decimal import Decimal

from contracts.enums import DifferenceKind, Outcome, PositionSide
from tradeengine.domain import events as ev
from tradeengine.domain.inputs import signal_key
from tradeengine.journal.base import Journal
from tradeengine.runtime.gateway import NOT_AT_REST

HARMLESS = frozenset({DifferenceKind.UNHEDGED, DifferenceKind.LOST_ORDER})
"""Differences that others' cancels and lost messages make; any other means that the books were wrong."""

Leg = tuple[str, PositionSide]


class Ledger:
    """What the journal says so far.

    Parameters
    ----------
    fills
        By symbol and trade id, in the order in which they were booked.
    revalued
        By leg, what moved to its realised P&L when the books took over the exchange's average price.
    events
        How many there were of each kind.
    faults
        What must never be in a journal.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._read: Counter[int] = Counter()
        self._orders: dict[str, str] = {}
        self._leaving: set[str] = set()
        self._left_early: set[str] = set()
        self._outcomes: dict[str, str] = {}
        self._newest: dict[Leg, int] = {}
        self._disordered: set[Leg] = set()
        self.fills: dict[tuple[str, str], ev.OrderFilled] = {}
        self.revalued: defaultdict[Leg, Decimal] = defaultdict(Decimal)
        self.faults: list[str] = []
        self.events: Counter[str] = Counter()

    async def update(self) -> None:
        """Read what was committed since."""
        for shard in await self._journal.shards():
            while page := await self._journal.read(shard, self._read[shard]):
                for record in page:
                    self._read[shard] = record.sequence
                    for event in record.events():
                        self.events[type(event).__name__] += 1
                        self._take(event)

    def note_uncommitted(self, resting: Collection[str]) -> None:
        """Remember which of the orders that rest left before their record was committed, and lost it.

        An engine that ends before its journal has answered may leave stops behind. The next one plans other orders
        under these ids, or none; it tells of what it finds then, and is right to.
        """
        self._left_early |= set(resting) - self._orders.keys()

    def _take(self, event: ev.AnyEvent) -> None:
        if isinstance(event, ev.OrderFilled):
            self._fill(event)
        elif isinstance(event, ev.OrderPlanned):
            if event.order.client_order_id in self._orders:
                self.faults.append(f"order id {event.order.client_order_id} was used twice")
            self._orders[event.order.client_order_id] = event.order.strategy_id
        elif isinstance(event, ev.SignalDecided):
            self._decision(event)
        elif isinstance(event, ev.CancelPlanned):
            self._leaving.add(event.client_order_id)
        elif isinstance(event, ev.OrderEnded):
            given_up = (event.reason or "").startswith(NOT_AT_REST)
            (self._leaving.add if given_up else self._leaving.discard)(event.client_order_id)
        elif isinstance(event, ev.DifferenceFound):
            self.events[f"difference {event.kind} {event.action}"] += 1
            if event.kind is DifferenceKind.ENTRY_PRICE and (event.symbol, event.position_side) in self._disordered:
                return
            if event.kind not in HARMLESS and not self._is_of_the_order(event):
                self.faults.append(f"difference {event.kind} {event.action}: {event.text}")
        elif isinstance(event, ev.LegRevalued):
            self.revalued[event.symbol, event.position_side] += event.realized
        elif isinstance(event, ev.AlertRaised):
            self.events[f"alert {event.name}"] += 1

    def _is_of_the_order(self, event: ev.DifferenceFound) -> bool:
        """Whether a difference is what an order's own way leads to, and no fault of the books."""
        if event.kind not in (DifferenceKind.ORPHAN_ORDER, DifferenceKind.WRONG_ORDER):
            return False
        # A cancel whose answers are lost for long is told of, and so is a stop that was given up and came to rest.
        overdue = event.kind is DifferenceKind.ORPHAN_ORDER and event.client_order_id in self._leaving
        return overdue or event.client_order_id in self._left_early

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
        self._note_order(event)
        owner = self._orders.get(event.client_order_id)
        strangers = [share.strategy_id for share in event.shares if owner is not None and share.strategy_id != owner]
        if strangers:
            self.faults.append(f"trade {key} of {owner} moved the shares of {strangers}")

    def _note_order(self, event: ev.OrderFilled) -> None:
        if event.reconciled:
            return
        leg, trade = (event.symbol, event.position_side), int(event.trade_id)
        if trade < self._newest.get(leg, 0):
            self._disordered.add(leg)
        self._newest[leg] = max(trade, self._newest.get(leg, 0))

    def booked(self, symbol: str, side: PositionSide) -> list[ev.OrderFilled]:
        """Fills of a leg, in the order in which they were booked."""
        return [f for f in self.fills.values() if (f.symbol, f.position_side) == (symbol, side)]
