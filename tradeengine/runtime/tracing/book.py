"""The book of traces: which trace signals and orders are part of, as far as it does not follow from their names."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

from contracts.trace import TraceParent, parent_in
from tradeengine.domain.inputs import SignalReceived, signal_key
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.runtime.tracing.ids import Place, Trace, derived_span_id, derived_trace_id

MOST_REMEMBERED: Final = 20_000
"""Signals that brought a trace, and orders, that are remembered: of more, the oldest are forgotten."""

_MOST_DERIVED: Final = 2_000

T = TypeVar("T")


class OrderNote:
    """What is remembered of an order.

    Parameters
    ----------
    planned_for
        Span that it follows from.
    """

    __slots__ = ("has_left", "planned_for")

    def __init__(self, planned_for: Place) -> None:
        self.planned_for = planned_for
        self.has_left = False
        """Whether it was asked to be placed in this process."""


class TraceBook:
    """What is remembered of signals and orders, to know the spans that others follow from.

    A signal's trace follows from its name, unless it brought one; so only what was brought must be remembered, and is
    asked for when an order is met that was planned in another life of the process, or by another process.

    Parameters
    ----------
    samples
        Whether a trace is recorded.
    """

    def __init__(self, venue: str, samples: Callable[[int, TraceParent | None], bool]) -> None:
        self._venue = venue
        self._samples = samples
        self._brought: OrderedDict[str, Trace] = OrderedDict()
        # Derived again it would be the same; but an order asks for it several times.
        self._derived: OrderedDict[str, Trace] = OrderedDict()
        self._planned: OrderedDict[str, OrderNote] = OrderedDict()
        self.on_stranger: Callable[[ApprovedOrder], None] = _ignore
        """Called with each order that is met and was not seen planned."""

    def received(self, signal: SignalReceived) -> Trace:
        """Trace of a signal that was decided now; a copy may bring another one than the first."""
        parent = parent_in(signal.carried)
        if parent is None:
            return self.of_signal(signal.key)
        trace = self._brought_by(parent)
        if signal.key not in self._brought:
            _remember(self._brought, signal.key, trace, MOST_REMEMBERED)
        return trace

    def of_signal(self, key: str) -> Trace:
        """Trace of a signal that was decided before."""
        brought = self._brought.get(key)
        if brought is not None:
            return brought
        derived = self._derived.get(key)
        if derived is None:
            trace_id = derived_trace_id(self._venue, key)
            derived = Trace(trace_id, 0, self._samples(trace_id, None))
            _remember(self._derived, key, derived, _MOST_DERIVED)
        return derived

    def plan(self, order: ApprovedOrder, cause: Place | None) -> None:
        """Note what an order was planned for: the cause, if it is of the trace of the order's signal."""
        if order.client_order_id in self._planned:
            return
        place = self._signal_of(order)
        if cause is not None and cause.trace.trace_id == place.trace.trace_id:
            place = cause
        _remember(self._planned, order.client_order_id, OrderNote(place), MOST_REMEMBERED)

    def meet(self, order: ApprovedOrder) -> "OrderNote":
        """What is noted of an order; it may have been planned in another life of the process."""
        if order.client_order_id not in self._planned:
            self.plan(order, None)
            self.on_stranger(order)
        return self._planned[order.client_order_id]

    def recall(self, order: ApprovedOrder, parent: TraceParent) -> None:
        """Take over the trace that an order's signal brought, as was found out now."""
        key = signal_key(order.strategy_id, order.symbol, order.signal_id)
        if key not in self._brought:
            _remember(self._brought, key, self._brought_by(parent), MOST_REMEMBERED)
        note = self._planned.get(order.client_order_id)
        if note is not None:
            note.planned_for = self._signal_of(order)

    def order(self, order_id: str) -> Place | None:
        """The span of an order, ``None`` if nothing is known of it."""
        note = self._planned.get(order_id)
        return None if note is None else order_place(note.planned_for.trace, order_id)

    def _brought_by(self, parent: TraceParent) -> Trace:
        return Trace(parent.trace_id, parent.span_id, self._samples(parent.trace_id, parent))

    def _signal_of(self, order: ApprovedOrder) -> Place:
        if not order.signal_id:
            # The engine's own, such as the sale of what somebody else has bought: it begins a trace.
            return Place(self.of_signal(order.client_order_id), 0)
        key = signal_key(order.strategy_id, order.symbol, order.signal_id)
        return signal_place(self.of_signal(key), key)


def signal_place(trace: Trace, key: str) -> Place:
    """The span of a signal that was decided for the first time."""
    return Place(trace, derived_span_id(trace.trace_id, "signal", key))


def order_place(trace: Trace, order_id: str) -> Place:
    """The span of an order's first way to the venue."""
    return Place(trace, derived_span_id(trace.trace_id, "order", order_id))


def _ignore(order: ApprovedOrder) -> None:
    """Nobody is to be told."""


def _remember(memory: "OrderedDict[str, T]", key: str, value: T, most: int) -> None:
    memory[key] = value
    if len(memory) > most:
        memory.popitem(last=False)
