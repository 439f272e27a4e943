"""Tracing: the spans of this process, from what is committed and from those who carry it on."""

from collections import OrderedDict
from typing import Final

from shared.clock import Clock
from shared.tracing import Exporter, Kind, QueueLimits, Span, SpanQueue, configured_exporter
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import FillReported, SignalReceived
from tradeengine.journal.record import Record
from tradeengine.projection.base import ReadModel
from tradeengine.publication.outlet import Outlet
from tradeengine.runtime.desk import SignalDesk
from tradeengine.runtime.firsts import Tables
from tradeengine.runtime.tracing.book import TraceBook
from tradeengine.runtime.tracing.causes import Cause, causes_of
from tradeengine.runtime.tracing.copy import TracedReadModel
from tradeengine.runtime.tracing.desk import TracedDesk
from tradeengine.runtime.tracing.door import TracedDoor
from tradeengine.runtime.tracing.events import TracedOutlet
from tradeengine.runtime.tracing.harmless import Harmless
from tradeengine.runtime.tracing.ids import Place, derived_span_id
from tradeengine.runtime.tracing.recall import Recall
from tradeengine.venue.base import OrderDoor

_MOST_RECORDS: Final = 256
"""Records whose causes are kept for those who carry them on; of others they are found again."""


class Tracing:
    """Everything about traces that one process holds.

    It stands beside the engine: a listener of committed records, and a layer around the desk, the orders' door, the
    copies and the publication. Nothing that decides knows of it.

    Parameters
    ----------
    venue
        Name of the venue that the engine trades at.
    tables
        The read model, for the traces of orders that were planned in another life of the process, or by another one.
    """

    def __init__(self, exporter: Exporter, venue: str, clock: Clock, tables: Tables) -> None:
        self.book = TraceBook(venue, exporter.samples)
        self.queue = SpanQueue(exporter, QueueLimits.from_environment())
        self._recall = Recall(self.book, tables)
        self.book.on_stranger = self._recall.ask
        self._clock = clock
        self._arrived: dict[str, int] = {}
        self._causes: OrderedDict[tuple[int, int, int], tuple[Cause, ...]] = OrderedDict()

    def start(self) -> None:
        """Begin to export."""
        self.queue.start()
        self._recall.start()

    async def stop(self) -> None:
        """Export what waits, for at most two seconds."""
        await self._recall.stop()
        await self.queue.stop()

    # ---------------------------------------------------------------- layers

    def desk(self, desk: SignalDesk) -> SignalDesk:
        """Note when signals come to a desk."""
        return TracedDesk(desk, self._clock, self._arrived)

    def door(self, door: OrderDoor) -> OrderDoor:
        """Tell of requests about orders."""
        return TracedDoor(door, self)

    def read_model(self, name: str, read_model: ReadModel) -> ReadModel:
        """Tell of records that a copy applies."""
        return TracedReadModel(name, read_model, self)

    def outlet(self, outlet: Outlet) -> TracedOutlet:
        """Mark the events that leave, and tell of them."""
        return TracedOutlet(outlet, self)

    # ---------------------------------------------------------------- what is told

    def now_ms(self) -> int:
        """Wall-clock time, milliseconds since 1970 UTC."""
        return self._clock.now_ms()

    def tell(self, span: Span) -> None:
        """Hand a span over; never blocks."""
        self.queue.put(span)

    def tell_part(self, name: str, kind: Kind, whole: Place, key: str, times: tuple[int, int]) -> int:
        """Tell of a part of a span, from when to when in milliseconds since 1970 UTC; the part's span id."""
        trace_id = whole.trace.trace_id
        span_id = derived_span_id(trace_id, name, key)
        self.tell(Span(name, kind, trace_id, span_id, whole.span_id, *times, {}))
        return span_id

    def causes(self, record: Record) -> tuple[Cause, ...]:
        """What in a record is part of traces that are recorded."""
        key = (record.shard, record.sequence, record.epoch)
        found = self._causes.get(key)
        if found is None:
            found = self._causes[key] = causes_of(self.book, record)
            if len(self._causes) > _MOST_RECORDS:
                self._causes.popitem(last=False)
        return found

    def observe(self, record: Record) -> None:
        """Take one committed record in; never raises."""
        with Harmless("a commit"):
            causes = self.causes(record)
            if causes:
                now = self._clock.now_ms()
                decided_ms = record.entries[-1].input.time_ms
                for cause in causes:
                    self._tell_cause(record, cause, decided_ms, now)

    def _tell_cause(self, record: Record, cause: Cause, decided_ms: int, now: int) -> None:
        given, trace_id = cause.entry.input, cause.place.trace.trace_id
        position = f"{record.shard}-{record.sequence}-{cause.number}"
        if isinstance(given, SignalReceived):
            began = self._arrived.get(given.key, given.time_ms)
            name, kind, attributes = "receive signal", Kind.CONSUMER, _of_signal(cause, given)
            self.tell_part("decide", Kind.INTERNAL, cause.place, position, (given.time_ms, decided_ms))
        elif isinstance(given, FillReported):
            began = given.time_ms
            name, kind, attributes = "book fill", Kind.INTERNAL, _of_fill(given)
        else:
            # An order's own span tells of it already.
            return
        attributes |= {
            "tradeengine.shard": record.shard,
            "tradeengine.record": record.sequence,
            "tradeengine.epoch": record.epoch,
            "tradeengine.record.entries": len(record.entries),
        }
        self.tell(Span(name, kind, trace_id, cause.place.span_id, cause.parent_id, began, now, attributes))
        self.tell_part("commit", Kind.CLIENT, cause.place, position, (decided_ms, now))


def configured_tracing(version: str, instance: str, venue: str, clock: Clock, tables: Tables) -> Tracing | None:
    """Make what traces, if the environment names a collector; see :func:`shared.tracing.configured_exporter`."""
    exporter = configured_exporter(version, instance)
    return None if exporter is None else Tracing(exporter, venue, clock, tables)


def _of_signal(cause: Cause, signal: SignalReceived) -> dict[str, str | int]:
    decided = next((event for event in cause.entry.events if isinstance(event, SignalDecided)), None)
    attributes: dict[str, str | int] = {
        "tradeengine.strategy_id": signal.strategy_id,
        "tradeengine.signal_id": signal.signal_id,
        "tradeengine.symbol": signal.symbol,
        "tradeengine.action": signal.action.value,
    }
    if decided is not None:
        attributes["tradeengine.outcome"] = decided.outcome.value
        if decided.reason is not None:
            attributes["tradeengine.reason"] = decided.reason.value
    return attributes


def _of_fill(fill: FillReported) -> dict[str, str | int]:
    return {
        "tradeengine.client_order_id": fill.client_order_id,
        "tradeengine.trade_id": fill.trade_id,
        "tradeengine.symbol": fill.symbol,
        "tradeengine.side": fill.side.value,
        "tradeengine.quantity": str(fill.quantity),
        "tradeengine.price": str(fill.price),
    }
