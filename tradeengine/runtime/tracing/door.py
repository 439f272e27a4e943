"""A venue's door that tells how long each request took, and how it ended."""

from collections.abc import Awaitable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeVar

from shared.tracing import Kind, Span
from tradeengine.domain.orders import ApprovedOrder, OrderName
from tradeengine.runtime.tracing.book import OrderNote, order_place
from tradeengine.runtime.tracing.harmless import Harmless
from tradeengine.runtime.tracing.ids import Place, derived_span_id
from tradeengine.venue.base import OrderDoor, Report

if TYPE_CHECKING:
    from tradeengine.runtime.tracing.tracing import Tracing

_FIRST: Final = "place"

T = TypeVar("T")


class TracedDoor:
    """An ``OrderDoor`` before another one.

    An order's first request to be placed is the order's span, whatever comes of it; everything else that is asked
    about the order is part of that.
    """

    def __init__(self, door: OrderDoor, tracing: "Tracing") -> None:
        self._door = door
        self._tracing = tracing
        self.settle_s = door.settle_s

    def mark_price(self, symbol: str) -> Decimal | None:
        """Newest price known, ``None`` while there is none."""
        return self._door.mark_price(symbol)

    async def place(self, order: ApprovedOrder) -> None:
        """Send an order; see ``OrderDoor.place``."""
        await self._told(_FIRST, order, self._door.place(order))

    async def cancel(self, order: ApprovedOrder | OrderName) -> None:
        """Ask for the end of an order; see ``OrderDoor.cancel``."""
        if isinstance(order, ApprovedOrder):
            await self._told("cancel", order, self._door.cancel(order))
        else:
            await self._door.cancel(order)

    async def query(self, order: ApprovedOrder) -> Sequence[Report] | None:
        """What the venue knows of an order; see ``OrderDoor.query``."""
        return await self._told("query", order, self._door.query(order))

    async def _told(self, what: str, order: ApprovedOrder, request: Awaitable[T]) -> T:
        note: OrderNote | None = None
        with Harmless("an order"):
            note = self._tracing.book.meet(order)
        if note is None or not note.planned_for.trace.sampled:
            return await request
        is_first, note.has_left = what == _FIRST and not note.has_left, note.has_left or what == _FIRST
        began, error = self._tracing.now_ms(), ""
        try:
            return await request
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            with Harmless("a request"):
                # Read here: which trace the order is part of may have been found out meanwhile.
                self._tell(what, order, note.planned_for, began, error, is_first=is_first)

    def _tell(
        self, what: str, order: ApprovedOrder, planned_for: Place, began_ms: int, error: str, *, is_first: bool
    ) -> None:
        own = order_place(planned_for.trace, order.client_order_id)
        trace_id = own.trace.trace_id
        span_id = own.span_id if is_first else derived_span_id(trace_id, what, order.client_order_id, began_ms)
        self._tracing.tell(
            Span(
                f"{what} {order.purpose.value}",
                Kind.CLIENT,
                trace_id,
                span_id,
                planned_for.span_id if is_first else own.span_id,
                began_ms,
                self._tracing.now_ms(),
                attributes_of(order),
                error,
            )
        )


def attributes_of(order: ApprovedOrder) -> dict[str, str | int]:
    """What a span says of an order."""
    return {
        "tradeengine.client_order_id": order.client_order_id,
        "tradeengine.strategy_id": order.strategy_id,
        "tradeengine.signal_id": order.signal_id,
        "tradeengine.symbol": order.symbol,
        "tradeengine.side": order.side.value,
        "tradeengine.position_side": order.position_side.value,
        "tradeengine.order.kind": order.kind.value,
        "tradeengine.order.purpose": order.purpose.value,
        "tradeengine.quantity": str(order.quantity),
    }
