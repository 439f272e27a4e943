"""Spans of committed records: a function of the records, whoever reads them and whenever."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from contracts.enums import OrderPurpose, OrderStatus, Side
from contracts.trace import TRACE_CONTEXT, TraceParent
from shared.clock import ManualClock
from tests.support.builders import LONG, T0, instrument
from tests.support.records import RecordedWorld
from tests.tracing.kept import Kept, NoRows
from tradeengine.domain.inputs import SignalReceived
from tradeengine.journal.record import Record, decode, encode
from tradeengine.runtime.tracing import book as books
from tradeengine.runtime.tracing.book import TraceBook
from tradeengine.runtime.tracing.causes import Cause, causes_of
from tradeengine.runtime.tracing.tracing import Tracing

Samples = Callable[[int, TraceParent | None], bool]


def everything(_trace_id: int, _parent: TraceParent | None) -> bool:
    return True


def as_the_publisher(_trace_id: int, parent: TraceParent | None) -> bool:
    return parent is not None and parent.sampled


def brought(number: int, *, sampled: bool = True) -> dict[str, Any]:
    """What a signal carries that came with a trace."""
    return {TRACE_CONTEXT: {"traceparent": TraceParent(number, number, sampled).header()}}


def causes(records: Sequence[Record], samples: Samples = everything, venue: str = "paper") -> list[list[Cause]]:
    book = TraceBook(venue, samples)
    return [list(causes_of(book, decode(encode(record)))) for record in records]


def world() -> RecordedWorld:
    return RecordedWorld(instrument(), stop_loss_pct="0.02")


def protected_trade() -> RecordedWorld:
    """A trade with its stop, each step a record of its own."""
    made = world()
    made.cut()
    order = made.order("buy", "A", quantity="1", signal_id="s1", carried=brought(7))
    made.cut()
    made.report(order, OrderStatus.OPEN)
    made.cut()
    made.fill(order, "100")
    made.cut()
    stop = made.resting(OrderPurpose.STOP_LOSS)
    made.take(stop)
    made.cut()
    made.fill(stop, "98")
    made.cut()
    return made


def test_each_step_follows_from_the_one_that_led_to_it() -> None:
    made = protected_trade()
    book = TraceBook("paper", everything)
    signal, opened, filled, taken, closed = [causes_of(book, record)[0] for record in made.records[1:]]
    entry = signal.entry.events
    assert signal.parent_id == 7
    assert {cause.place.trace.trace_id for cause in (signal, opened, filled, taken, closed)} == {7}
    assert filled.parent_id == opened.place.span_id, "a fill is part of its order"
    assert closed.parent_id == taken.place.span_id
    orders = [getattr(event, "order", None) for event in (*entry, *filled.entry.events)]
    first, stop, *_ = [order for order in orders if order is not None]
    assert book.meet(first).planned_for == signal.place, "an order follows from its signal"
    assert book.meet(stop).planned_for == filled.place, "a stop from the fill that it protects"


def test_whoever_reads_the_records_finds_the_same_spans() -> None:
    records = protected_trade().records
    assert causes(records) == causes(records)
    by_name = [cause.place.span_id for found in causes(records) for cause in found]
    assert len(set(by_name)) == 5, "order reports stand for their order's span"


def test_signals_of_one_record_are_in_traces_of_their_own() -> None:
    made = world()
    for number in range(1, 4):
        made.order("buy", "A", quantity="1", signal_id=f"s{number}", carried=brought(number))
    made.signal("hold", "A", signal_id="s4")
    (found,) = causes([made.cut()])
    assert [cause.place.trace.trace_id for cause in found][:3] == [1, 2, 3]
    assert [cause.entry.input.signal_id for cause in found if isinstance(cause.entry.input, SignalReceived)] == [
        "s1",
        "s2",
        "s3",
        "s4",
    ]
    assert len({cause.place.trace.trace_id for cause in found}) == 4


def test_a_copy_of_a_signal_is_a_span_beside_the_firsts() -> None:
    made = world()
    for _ in range(3):
        made.signal("hold", "A", signal_id="s1")
    (found,) = causes([made.cut()])
    assert len({cause.place.trace for cause in found}) == 1
    assert len({cause.place.span_id for cause in found}) == 3


def test_a_signal_of_two_engines_is_two_traces() -> None:
    made = world()
    made.signal("hold", "A", signal_id="s1")
    records = [made.cut()]
    assert causes(records)[0][0].place.trace.trace_id != causes(records, venue="binance")[0][0].place.trace.trace_id


@pytest.mark.parametrize(("sampled", "expected"), [(True, 5), (False, 0)])
def test_what_the_publisher_does_not_record_has_no_spans(sampled: bool, expected: int) -> None:
    made = world()
    order = made.order("buy", "A", quantity="1", signal_id="s1", carried=brought(7, sampled=sampled))
    made.fill(order, "100")
    stop = made.resting(OrderPurpose.STOP_LOSS)
    made.take(stop)
    made.fill(stop, "98")
    made.signal("hold", "A", signal_id="s1")
    (found,) = causes([made.cut()], as_the_publisher)
    # Not the copy: it brought no trace, and is part of the first's.
    assert len(found) == expected


def test_nothing_is_known_of_fills_that_no_order_of_ours_made() -> None:
    made = world()
    made.foreign(Side.BUY, LONG, "1", "100")
    (found,) = causes([made.cut()])
    assert found == []


def test_the_book_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "MOST_REMEMBERED", 10)
    made = world()
    orders = [made.order("buy", "A", quantity="1", signal_id=f"s{n}", carried=brought(n)) for n in range(1, 31)]
    book = TraceBook("paper", everything)
    causes_of(book, made.cut())
    known = [order.client_order_id for order in orders if book.order(order.client_order_id) is not None]
    assert known == [order.client_order_id for order in orders[-10:]]


async def test_a_listener_tells_each_span_once_with_its_times() -> None:
    kept = Kept()
    tracing = Tracing(kept, "paper", ManualClock(T0 + 60_000), NoRows())
    tracing.start()
    for record in protected_trade().records:
        tracing.observe(record)
    await tracing.stop()
    names = ["book fill", "book fill", "commit", "commit", "commit", "decide", "receive signal"]
    assert sorted(span.name for span in kept.spans) == names
    assert len({span.span_id for span in kept.spans}) == len(names)
    assert all(span.end_ms == T0 + 60_000 for span in kept.spans if span.name != "decide")
    assert [span.attributes["tradeengine.price"] for span in kept.spans if span.name == "book fill"] == ["100", "98"]
