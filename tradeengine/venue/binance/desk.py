"""Placing and cancelling orders."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import structlog

from contracts.enums import OrderStatus
from shared.clock import Clock
from shared.errors import Fenced, OutcomeUnknown, Rejected, RetrySafe
from tradeengine.domain.inputs import FillReported
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.base import ReportSink
from tradeengine.venue.binance.budget import Priority, priority_of
from tradeengine.venue.binance.codes import UNKNOWN_ORDER
from tradeengine.venue.binance.endpoints import CANCEL
from tradeengine.venue.binance.events import EventReader
from tradeengine.venue.binance.links import OrderLinks
from tradeengine.venue.binance.lookup import Found, Named, OrderLookup
from tradeengine.venue.binance.parts import Rest
from tradeengine.venue.binance.requests import RequestBuilder
from tradeengine.venue.binance.rows import STATUSES, Unreadable, integer, number
from tradeengine.venue.binance.symbols import SymbolSetup

_PAUSE_S = 0.5
# What rests in vain may open a position.
_CANCELLING = Priority.CLOSE

log = structlog.get_logger(__name__)


class OrderDesk:
    """Sends orders and cancels, and tells at once what the exchange answers; what follows the stream tells.

    Parameters
    ----------
    sink
        Where reports go.
    mark_price
        Newest mark price of a symbol.
    settle_s
        How long the exchange may deny to know an order that it has taken, seconds.
    """

    def __init__(
        self,
        rest: Rest,
        builder: RequestBuilder,
        lookup: OrderLookup,
        setup: SymbolSetup,
        links: OrderLinks,
        events: EventReader,
        clock: Clock,
        sink: ReportSink,
        mark_price: Callable[[str], Decimal | None],
        settle_s: float,
    ) -> None:
        self._rest = rest
        self._builder = builder
        self._lookup = lookup
        self._setup = setup
        self._links = links
        self._events = events
        self._clock = clock
        self._sink = sink
        self._mark_price = mark_price
        self._settle_s = settle_s

    async def place(self, order: ApprovedOrder, rules: Instrument) -> None:
        """Send an order; see :meth:`tradeengine.venue.base.Venue.place`.

        An id is unique among open orders only: the exchange would take a second market order under the same one. So
        one that was heard of is not sent again.
        """
        if self._links.is_heard(order.client_order_id):
            raise OutcomeUnknown(f"order {order.client_order_id} reached the exchange before; ask for it")
        if order.purpose.opening:
            await self._setup.ensure(order.symbol)
        request = self._builder.place(order, rules, self._mark_price(order.symbol))
        self._links.sent(order, self._clock.monotonic())
        try:
            answer = await self._rest.call(request.endpoint, priority_of(order.purpose), **request.params)
        except (Fenced, Rejected, RetrySafe):
            self._links.drop(order.client_order_id)
            raise
        self._acknowledged(order, answer)

    def _acknowledged(self, order: ApprovedOrder, answer: Any) -> None:
        """Tell what the answer says; of executions it says nothing that counts."""
        try:
            if order.kind.conditional:
                venue_id, status = integer(answer, "algoId"), OrderStatus.OPEN
            else:
                venue_id = integer(answer, "orderId")
                self._links.remember(order.symbol, venue_id, order.client_order_id)
                status = STATUSES.get(str(answer.get("status")), OrderStatus.OPEN)
            executed = number(answer, "executedQty") if status.terminal else ZERO
        except (Unreadable, AttributeError) as error:
            raise OutcomeUnknown(f"order {order.client_order_id}: success, and an answer without an id") from error
        self._events.expect(order)
        self._tell(order, str(venue_id), status, executed)

    async def cancel(self, order: Named) -> None:
        """Ask for the end of an order; see :meth:`tradeengine.venue.base.Venue.cancel`."""
        request = self._builder.cancel(order)
        try:
            answer = await self._rest.call(request.endpoint, _CANCELLING, **request.params)
        except Rejected as error:
            if error.code != UNKNOWN_ORDER:
                raise
            await self._cancel_unknown(order)
            return
        self._cancelled(order, answer)

    def _cancelled(self, order: Named, answer: Any) -> None:
        try:
            venue_id = integer(answer, "algoId" if order.kind.conditional else "orderId")
            # A conditional order that can be cancelled has not triggered.
            executed = ZERO if order.kind.conditional else number(answer, "executedQty")
        except (Unreadable, AttributeError) as error:
            raise OutcomeUnknown(f"cancel of {order.client_order_id}: success, and an answer without an id") from error
        self._tell(order, str(venue_id), OrderStatus.CANCELLED, executed)

    async def _cancel_unknown(self, order: Named) -> None:
        """The exchange cannot cancel it: it has ended, has triggered, or is not known, be it for a moment only."""
        deadline = self._clock.monotonic() + self._settle_s
        while (found := await self._lookup.find(order, _CANCELLING)) is None:
            if self._clock.monotonic() >= deadline:
                log.warning("cancel_of_unknown_order", client_order_id=order.client_order_id, symbol=order.symbol)
                self._tell(order, "", OrderStatus.CANCELLED, ZERO, "the exchange does not know it")
                return
            await self._clock.sleep(_PAUSE_S)
        if not found.ended:
            found = await self._cancel_spawned(order, found)
        fresh = self._links.end(order.client_order_id)
        for report in found.reports:
            # Books take each trade once; of orders whose end was told there is nothing else to say.
            if fresh or isinstance(report, FillReported):
                self._sink(report)

    async def _cancel_spawned(self, order: Named, found: Found) -> Found:
        """Cancel what a conditional order became, and ask again."""
        if not order.kind.conditional or found.matching_id is None:
            raise RetrySafe(f"order {order.client_order_id} rests, and the exchange does not know it for cancelling")
        try:
            await self._rest.call(CANCEL, _CANCELLING, symbol=order.symbol, orderId=found.matching_id)
        except Rejected as error:
            if error.code != UNKNOWN_ORDER:
                raise
        again = await self._lookup.find(order, _CANCELLING)
        if again is None or not again.ended:
            raise RetrySafe(f"order {order.client_order_id} triggered, and what it became is not cancelled yet")
        return again

    def _tell(
        self,
        order: Named,
        venue_order_id: str,
        status: OrderStatus,
        executed: Decimal,
        reason: str | None = None,
    ) -> None:
        told = self._events.state(order.client_order_id, venue_order_id, status, executed, reason)
        for report in told:
            self._sink(report)
