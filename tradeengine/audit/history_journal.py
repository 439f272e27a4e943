"""The journal's side of the history: decisions, how they ended, orders that were planned, fills that were booked."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from contracts.enums import Outcome
from tradeengine.audit.history_file import HistoryFile, amount
from tradeengine.audit.reference import Source
from tradeengine.domain import events as ev
from tradeengine.domain.inputs import SignalReceived, signal_key
from tradeengine.domain.money import ZERO
from tradeengine.journal.record import Entry, Record

_PAGE: Final = 200
_DECISION: Final = "INSERT INTO decision VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_COPY: Final = "INSERT INTO copy VALUES (?, ?, ?)"
_PLANNED: Final = (
    "INSERT INTO planned (order_id, symbol, quantity, time_ms, shard, sequence) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET times = times + 1"
)
_AMENDED: Final = "UPDATE planned SET quantity = ? WHERE order_id = ?"
_BOOKED: Final = (
    "INSERT INTO booked VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET times = times + excluded.times"
)


class _Order:
    """An order that is alive, and what its end said."""

    __slots__ = ("executed", "filled", "has_ended", "quantity")

    def __init__(self, quantity: Decimal) -> None:
        self.quantity = quantity
        self.filled = ZERO
        self.executed = ZERO
        self.has_ended = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come of it, by what the venue has said."""
        return self.filled >= self.quantity or (self.has_ended and self.filled >= self.executed)


class _Waiting:
    """A decision whose orders are not all over."""

    __slots__ = ("orders", "row")

    def __init__(self, row: tuple[object, ...], orders: set[str]) -> None:
        self.row = row
        self.orders = orders


class JournalReader:
    """Reads a journal into the file; memory holds what is alive, and nothing else.

    Attributes
    ----------
    ends
        Sequence of the newest record that was read, by shard.
    journal_id
        Name of the journal, which its orders' ids carry.
    first_orders
        By symbol and whether it is conditional, the lowest number that the exchange gave to an order.
    first_ms
        Time of the first record, milliseconds since 1970 UTC.
    """

    def __init__(self, source: Source, file: HistoryFile, tell: Callable[[int], None]) -> None:
        self._source = source
        self._file = file
        self._tell = tell
        self._orders: dict[str, _Order] = {}
        self._symbols: dict[str, tuple[str, bool]] = {}
        self._waiting: dict[str, _Waiting] = {}
        self.ends: dict[int, int] = {}
        self.journal_id = ""
        self.first_orders: dict[tuple[str, bool], int] = {}
        self.symbols: set[str] = set()
        self.first_ms = 2**63

    async def read(self) -> None:
        """Read all of it."""
        for shard in await self._source.shards():
            self.ends[shard] = 0
            while page := await self._source.read(shard, after=self.ends[shard], limit=_PAGE):
                batch = _Batch(self._file)
                for record in page:
                    self._take(record, batch)
                await batch.write()
                self.ends[shard] = page[-1].sequence
                self._tell(len(page))
        waiting = {id(each): each for each in self._waiting.values()}
        await self._file.put(_DECISION, [(*each.row, None, None) for each in waiting.values()])

    def _take(self, record: Record, batch: "_Batch") -> None:
        for entry in record.entries:
            self.first_ms = min(self.first_ms, entry.input.time_ms)
            for event in entry.events:
                self._event(record, entry, event, batch)

    def _event(self, record: Record, entry: Entry, event: ev.AnyEvent, batch: "_Batch") -> None:
        where = record.shard, record.sequence
        if isinstance(event, ev.JournalNamed):
            self.journal_id = event.journal_id
        elif isinstance(event, ev.SignalDecided):
            self._decided(where, entry, event, batch)
        elif isinstance(event, ev.OrderPlanned):
            order = event.order
            batch.planned.append((order.client_order_id, order.symbol, amount(order.quantity), event.time_ms, *where))
            self._orders[order.client_order_id] = _Order(order.quantity)
            self._symbols[order.client_order_id] = order.symbol, order.kind.conditional
            self.symbols.add(order.symbol)
        elif isinstance(event, ev.OrderAmended):
            batch.amended.append((amount(event.quantity), event.client_order_id))
            if (live := self._orders.get(event.client_order_id)) is not None:
                live.quantity = event.quantity
        elif isinstance(event, ev.OrderOpened):
            self._note_number(event)
        elif isinstance(event, ev.OrderFilled):
            self._filled(where, event, batch)
        elif isinstance(event, ev.FillIgnored):
            batch.booked.append((event.symbol, event.trade_id, event.client_order_id, "", "", event.time_ms, *where, 0))
        elif isinstance(event, ev.OrderEnded) and (live := self._orders.get(event.client_order_id)) is not None:
            live.has_ended, live.executed = True, event.executed or ZERO
            self._settle(where, event.client_order_id, event.time_ms, batch)

    def _decided(self, where: tuple[int, int], entry: Entry, event: ev.SignalDecided, batch: "_Batch") -> None:
        key = signal_key(event.strategy_id, event.symbol, event.signal_id)
        if event.outcome is Outcome.DUPLICATE:
            batch.copies.append((key, *where))
            return
        given = entry.input
        sent_ms = given.timestamp_ms if isinstance(given, SignalReceived) else event.time_ms
        row = key, *where, event.time_ms, sent_ms, event.outcome.value
        if not event.orders:
            batch.decisions.append((*row, event.time_ms, where[1]))
            return
        waiting = _Waiting(row, set(event.orders))
        self._waiting |= dict.fromkeys(event.orders, waiting)

    def _note_number(self, event: ev.OrderOpened) -> None:
        found, number = self._symbols.get(event.client_order_id), event.venue_order_id or ""
        if found is not None and number.isascii() and number.isdigit():
            self.first_orders[found] = min(int(number), self.first_orders.get(found, int(number)))

    def _filled(self, where: tuple[int, int], event: ev.OrderFilled, batch: "_Batch") -> None:
        if not event.reconciled:
            of = event.symbol, event.trade_id, event.client_order_id
            batch.booked.append((*of, amount(event.quantity), amount(event.price), event.time_ms, *where, 1))
            self.symbols.add(event.symbol)
        if (live := self._orders.get(event.client_order_id)) is not None:
            live.filled += event.quantity
            self._settle(where, event.client_order_id, event.time_ms, batch)

    def _settle(self, where: tuple[int, int], order_id: str, time_ms: int, batch: "_Batch") -> None:
        """Let an order go that is over, and the decision whose last one it was."""
        if not self._orders[order_id].is_over:
            return
        del self._orders[order_id]
        self._symbols.pop(order_id, None)
        waiting = self._waiting.pop(order_id, None)
        if waiting is None:
            return
        waiting.orders.discard(order_id)
        if not waiting.orders:
            batch.decisions.append((*waiting.row, time_ms, where[1]))


class _Batch:
    """Rows of one page of records."""

    def __init__(self, file: HistoryFile) -> None:
        self._file = file
        self.decisions: list[tuple[object, ...]] = []
        self.copies: list[tuple[object, ...]] = []
        self.planned: list[tuple[object, ...]] = []
        self.amended: list[tuple[object, ...]] = []
        self.booked: list[tuple[object, ...]] = []

    async def write(self) -> None:
        """Put them into the file."""
        await self._file.put(_DECISION, self.decisions)
        await self._file.put(_COPY, self.copies)
        await self._file.put(_PLANNED, self.planned)
        await self._file.put(_AMENDED, self.amended)
        await self._file.put(_BOOKED, self.booked)
