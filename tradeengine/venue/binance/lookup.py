"""Asking for one order: its state and all that it executed."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from contracts.enums import OrderStatus
from shared.clock import Clock
from shared.errors import Rejected
from tradeengine.domain.inputs import FillReported, OrderReported
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import ApprovedOrder, OrderName
from tradeengine.venue.base import Report
from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.codes import NO_SUCH_ORDER
from tradeengine.venue.binance.endpoints import ORDER, USER_TRADES
from tradeengine.venue.binance.links import OrderLinks
from tradeengine.venue.binance.parts import Rest
from tradeengine.venue.binance.requests import OrderRequest, RequestBuilder
from tradeengine.venue.binance.rows import STATUSES, Row, Unreadable, fill_of_trade, integer, number, rows, text
from tradeengine.venue.binance.updates import ALGO_STATUSES, refusal_of

Named = ApprovedOrder | OrderName
_DAY_MS = 86_400_000
# Without times the exchange lists the trades of the last 7 days; with times at most 7 days at once.
_WINDOW_MS = 6 * _DAY_MS
_MOST_ROWS = 1_000


class Found(NamedTuple):
    """An order as the exchange knows it.

    Parameters
    ----------
    reports
        Its acceptance, its fills, and its end if it came to one.
    matching_id
        Its id in the matching engine; ``None`` for a conditional order that has not triggered.
    """

    reports: Sequence[Report]
    matching_id: int | None

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen to it."""
        last = self.reports[-1]
        return isinstance(last, OrderReported) and last.status.terminal


class OrderLookup:
    """Asks the exchange what it knows of orders of the engine.

    A conditional order that triggered became another order, with another id: what that one did is the conditional
    order's own.
    """

    def __init__(self, rest: Rest, builder: RequestBuilder, links: OrderLinks, clock: Clock) -> None:
        self._rest = rest
        self._builder = builder
        self._links = links
        self._clock = clock

    async def find(self, order: Named, priority: Priority = Priority.QUERY) -> Found | None:
        """Ask for an order.

        Returns
        -------
        Found or None
            ``None`` if the exchange does not know it: it never arrived, or not yet, or is long forgotten.

        Raises
        ------
        RetrySafe
            If the exchange did not answer in full.
        """
        row = await self._row(self._builder.query(order), priority)
        if row is None:
            return None
        if not order.kind.conditional:
            return await self._of_order(order, row, priority)
        return await self._of_algo(order, row, priority)

    async def _row(self, request: OrderRequest, priority: Priority) -> Row | None:
        try:
            answer = await self._rest.call(request.endpoint, priority, **request.params)
        except Rejected as error:
            if error.code == NO_SUCH_ORDER:
                return None
            raise
        if not isinstance(answer, dict):
            raise Unreadable(f"{request.endpoint.method}: expected an object, got {str(answer)[:200]!r}")
        return answer

    async def _of_algo(self, order: Named, row: Row, priority: Priority) -> Found:
        state, algo_id = text(row, "algoStatus"), str(integer(row, "algoId"))
        if row.get("actualOrderId"):
            matching_id = integer(row, "actualOrderId")
            self._links.remember(order.symbol, matching_id, order.client_order_id)
            spawned = await self._row(
                OrderRequest(ORDER, {"symbol": order.symbol, "orderId": str(matching_id)}), priority
            )
            if spawned is not None:
                return await self._of_order(order, spawned, priority)
            if state != "FINISHED" or (row.get("actualQty") and number(row, "actualQty")):
                raise Unreadable(f"order {order.client_order_id} became order {matching_id}, which is not listed yet")
            # Orders that end without an execution are forgotten after three days.
            return Found(self._told(order, OrderStatus.CANCELLED, algo_id), matching_id)
        status = ALGO_STATUSES.get(state, OrderStatus.OPEN)
        return Found(self._told(order, status, algo_id, reason=state.lower()), None)

    async def _of_order(self, order: Named, row: Row, priority: Priority) -> Found:
        matching_id = integer(row, "orderId")
        stated = text(row, "status")
        status = STATUSES.get(stated)
        if status is None:
            raise Unreadable(f"order {order.client_order_id} has the status {stated}, which is none that is documented")
        self._links.remember(order.symbol, matching_id, order.client_order_id)
        executed = number(row, "executedQty")
        fills = await self._fills(order, matching_id, row, priority) if executed else []
        booked = sum((fill.quantity for fill in fills), ZERO)
        if booked != executed:
            # Trades are listed a moment after the order states them, or it went on trading while it was asked for.
            raise Unreadable(f"order {order.client_order_id} executed {executed}, and its trades listed are {booked}")
        return Found(self._told(order, status, str(matching_id), executed, fills, stated.lower()), matching_id)

    async def _fills(self, order: Named, matching_id: int, row: Row, priority: Priority) -> list[FillReported]:
        found: dict[int, Row] = {}
        for window in self._windows(row):
            asked: dict[str, str | int] = {"symbol": order.symbol, "orderId": matching_id, "limit": _MOST_ROWS}
            query = asked | window
            while True:
                listed = rows(await self._rest.call(USER_TRADES, priority, **query), "userTrades")
                found |= {integer(each, "id"): each for each in listed if integer(each, "orderId") == matching_id}
                if len(listed) < _MOST_ROWS:
                    break
                # A page by id cannot be bounded by times as well.
                query = asked | {"fromId": integer(listed[-1], "id") + 1}
        now_ms = self._clock.now_ms()
        return [
            fill_of_trade(found[trade], order.client_order_id, order.position_side, now_ms) for trade in sorted(found)
        ]

    def _windows(self, row: Row) -> list[dict[str, int]]:
        placed_ms, updated_ms = integer(row, "time"), integer(row, "updateTime")
        if self._clock.now_ms() - placed_ms < _WINDOW_MS:
            return [{}]
        starts = range(placed_ms, updated_ms + _DAY_MS, _WINDOW_MS)
        return [{"startTime": start, "endTime": start + _WINDOW_MS} for start in starts]

    def _told(
        self,
        order: Named,
        status: OrderStatus,
        venue_order_id: str,
        executed: Decimal = ZERO,
        fills: Sequence[FillReported] = (),
        reason: str | None = None,
    ) -> Sequence[Report]:
        now_ms = self._clock.now_ms()
        opened = OrderReported(
            time_ms=now_ms,
            client_order_id=order.client_order_id,
            status=OrderStatus.OPEN,
            venue_order_id=venue_order_id,
        )
        if not status.terminal:
            return [opened, *fills]
        ended = OrderReported(
            time_ms=now_ms,
            client_order_id=order.client_order_id,
            status=status,
            venue_order_id=venue_order_id,
            executed=executed,
            reason=None if status is OrderStatus.FILLED else reason,
            refusal=refusal_of(reason) if status is OrderStatus.REJECTED else None,
        )
        return [*([] if status is OrderStatus.REJECTED else [opened]), *fills, ended]
