"""The queue of spans never holds anybody up, and counts what nobody will see."""

import threading
from collections.abc import Sequence

from contracts.trace import TraceParent
from shared.tracing import Kind, QueueLimits, Span, SpanQueue
from tests.support.deadline import Deadline, eventually


def span(number: int) -> Span:
    return Span("decide", Kind.INTERNAL, 1, number, 0, 1_000, 1_001, {"number": number})


class Gate:
    """An exporter that waits until it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.seen: list[int] = []
        self.batches = 0
        self.closed = False

    def samples(self, trace_id: int, parent: TraceParent | None) -> bool:
        return True

    def export(self, spans: Sequence[Span]) -> bool:
        self.batches += 1
        self.open.wait()
        self.seen += [each.span_id for each in spans]
        return True

    def close(self) -> None:
        self.closed = True


async def test_what_has_no_room_is_counted_while_the_collector_hangs() -> None:
    gate = Gate()
    queue = SpanQueue(gate, QueueLimits(waiting=10, batch=5, pause_ms=10))
    queue.start()
    queue.put(span(0))
    await eventually(lambda: gate.batches, "the first export")
    for number in range(1, 31):
        queue.put(span(number))
    assert queue.dropped == {"queue_full": 20, "not_taken": 0, "stopped": 0}

    gate.open.set()
    await eventually(lambda: queue.exported == 11, "the rest")
    await queue.stop()
    assert gate.seen == list(range(11))


async def test_a_stop_exports_what_waits_and_takes_nothing_more() -> None:
    gate = Gate()
    gate.open.set()
    queue = SpanQueue(gate, QueueLimits(pause_ms=60_000))
    queue.start()
    for number in range(3):
        queue.put(span(number))
    await queue.stop()
    queue.put(span(3))
    assert (queue.exported, queue.dropped["stopped"], gate.closed) == (3, 1, True)


async def test_a_stop_does_not_wait_for_a_collector_that_hangs() -> None:
    gate = Gate()
    queue = SpanQueue(gate, QueueLimits(pause_ms=10))
    queue.start()
    queue.put(span(0))
    await eventually(lambda: gate.batches, "the first export")
    queue.put(span(1))
    soon = Deadline(4)
    await queue.stop()
    assert not soon.passed()
    assert queue.dropped["stopped"] == 1
    gate.open.set()


def test_limits_are_those_of_the_environment() -> None:
    given = {"OTEL_BSP_MAX_QUEUE_SIZE": "7", "OTEL_BSP_SCHEDULE_DELAY": "0", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "x"}
    assert QueueLimits.from_environment(given) == QueueLimits(waiting=7)
