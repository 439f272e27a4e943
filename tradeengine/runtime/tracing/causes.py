"""Causes: what in a record begins spans, and which span what is made of the record follows from."""

from collections.abc import Iterator
from typing import NamedTuple

from contracts.enums import Outcome
from tradeengine.domain.events import OrderPlanned, SignalDecided
from tradeengine.domain.inputs import FillReported, OrderReported, SignalReceived
from tradeengine.journal.record import Entry, Record
from tradeengine.runtime.tracing.book import TraceBook, order_place, signal_place
from tradeengine.runtime.tracing.ids import Place, Trace, derived_span_id


class Cause(NamedTuple):
    """An entry of a record that is part of a trace which is recorded.

    Parameters
    ----------
    number
        Of the entry in its record, from 0.
    first_event
        Number of its first event in the record, from 0.
    place
        Span that stands for it: the signal's, the fill's, or of an order's report the order's own.
    parent_id
        Span that this one is part of, 0 for the first of a trace.
    """

    number: int
    first_event: int
    entry: Entry
    place: Place
    parent_id: int


def causes_of(book: TraceBook, record: Record) -> tuple[Cause, ...]:
    """Causes in a record, in order; what its entries plan is noted in the book."""
    return tuple(_causes(book, record))


def _causes(book: TraceBook, record: Record) -> Iterator[Cause]:
    events = 0
    for number, entry in enumerate(record.entries):
        given = entry.input
        found: tuple[Place, int] | None = None
        if isinstance(given, SignalReceived):
            trace = book.received(given)
            if trace.sampled:
                found = _of_signal(trace, entry, given, f"{record.shard}-{record.sequence}-{number}")
        elif isinstance(given, FillReported):
            found = _of_fill(book, given)
        elif isinstance(given, OrderReported):
            order = book.order(given.client_order_id)
            found = None if order is None else (order, 0)
        for event in entry.events:
            if isinstance(event, OrderPlanned):
                book.plan(event.order, None if found is None else found[0])
        if found is not None and found[0].trace.sampled:
            yield Cause(number, events, entry, *found)
        events += len(entry.events)


def _of_signal(trace: Trace, entry: Entry, signal: SignalReceived, position: str) -> tuple[Place, int]:
    first = any(isinstance(e, SignalDecided) and e.outcome is not Outcome.DUPLICATE for e in entry.events)
    if first:
        return signal_place(trace, signal.key), trace.parent_id
    return Place(trace, derived_span_id(trace.trace_id, "copy", position)), trace.parent_id


def _of_fill(book: TraceBook, fill: FillReported) -> tuple[Place, int] | None:
    order = book.order(fill.client_order_id)
    if order is None:
        return None
    span_id = derived_span_id(order.trace.trace_id, "fill", fill.symbol, fill.trade_id)
    return Place(order.trace, span_id), order_place(order.trace, fill.client_order_id).span_id
