"""Ends of orders that the user stream should have told."""

from collections.abc import Collection
from decimal import Decimal

from contracts.enums import OrderStatus
from shared.clock import Clock
from shared.errors import Rejected
from tradeengine.domain.money import ZERO
from tradeengine.venue.base import ReportSink
from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.codes import NO_SUCH_ORDER
from tradeengine.venue.binance.concurrently import each
from tradeengine.venue.binance.endpoints import ALGO_ORDER, OPEN_ALGO_ORDERS, OPEN_ORDERS, ORDER, Endpoint
from tradeengine.venue.binance.events import EventReader
from tradeengine.venue.binance.failures import missing_path
from tradeengine.venue.binance.links import OpenLink
from tradeengine.venue.binance.parts import Rest
from tradeengine.venue.binance.rows import STATUSES, Row, Unreadable, integer, number, rows, text
from tradeengine.venue.binance.updates import ALGO_STATUSES

FORGET_S = 60.0
"""An order that the exchange has not known for this long after it was sent never arrived."""


class OrderOutcomes:
    """Asks about own orders that the exchange lists no more, though no end of them was told."""

    def __init__(self, rest: Rest, clock: Clock, events: EventReader, sink: ReportSink) -> None:
        self._rest = rest
        self._clock = clock
        self._links = events.links
        self._events = events
        self._sink = sink

    async def read(self, symbols: Collection[str] | None) -> None:
        """Ask which orders rest, and about those that should and do not.

        Parameters
        ----------
        symbols
            ``None`` for all.

        Raises
        ------
        RetrySafe
            If the exchange did not answer.
        """
        of = {link.symbol for link in self._links.open()}
        wanted = sorted(of if symbols is None else of.intersection(symbols))
        listed: dict[str, str] = {}

        async def read_one(symbol: str) -> None:
            for row in rows(await self._rest.call(OPEN_ORDERS, Priority.QUERY, symbol=symbol), "openOrders"):
                order_id = integer(row, "orderId")
                owner = self._links.client_order_id(symbol, order_id) or text(row, "clientOrderId")
                listed[owner] = str(order_id)
            try:
                algos = await self._rest.call(OPEN_ALGO_ORDERS, Priority.QUERY, symbol=symbol)
            except Rejected as error:
                if missing_path(error):
                    return
                raise
            for row in rows(algos, "openAlgoOrders"):
                listed[text(row, "clientAlgoId")] = str(integer(row, "algoId"))

        await each(wanted, read_one)
        await self.settle(wanted, listed)

    async def settle(
        self, symbols: Collection[str], listed: dict[str, str], asked_s: float | None = None
    ) -> frozenset[str]:
        """Tell what became of own orders, given which rest.

        Parameters
        ----------
        listed
            Client order id to the exchange's id of all orders of the symbols that rest, conditional ones included.
        asked_s
            When the lists were asked for, on the monotonic clock, seconds.

        Returns
        -------
        frozenset of str
            Symbols of orders that live, were sent before the lists were asked for, and are in none: a stop that
            triggers just now, or a list that lags. What the lists lack of these symbols proves nothing.

        Raises
        ------
        RetrySafe
            If the exchange did not answer.
        """
        doubtful = []
        for link in self._links.open():
            if link.symbol not in symbols:
                continue
            venue_order_id = listed.get(link.client_order_id)
            if venue_order_id is None:
                doubtful.append(link)
            elif not link.heard:
                self._links.heard(link.client_order_id, link.symbol, link.noted_s, conditional=link.conditional)
                self._tell(link, venue_order_id, OrderStatus.OPEN, ZERO)
        unlisted: set[str] = set()

        async def ask(link: OpenLink) -> None:
            alive = await self._ask(link) and not self._links.has_ended(link.client_order_id)
            if alive and asked_s is not None and link.noted_s < asked_s:
                unlisted.add(link.symbol)

        await each(doubtful, ask)
        return frozenset(unlisted)

    async def _ask(self, link: OpenLink) -> bool:
        row = await (self._ask_algo(link) if link.conditional else self._ask_order(link))
        if row is None and self._clock.monotonic() - link.noted_s > FORGET_S:
            self._links.drop(link.client_order_id)
        return row is not None

    async def _ask_order(self, link: OpenLink, order_id: int | None = None) -> Row | None:
        name: dict[str, str | int] = (
            {"origClientOrderId": link.client_order_id} if order_id is None else {"orderId": order_id}
        )
        row = await self._found(ORDER, symbol=link.symbol, **name)
        if row is None:
            return None
        found_id, executed = integer(row, "orderId"), number(row, "executedQty")
        self._links.remember(link.symbol, found_id, link.client_order_id)
        self._events.tally.claim(link.symbol, found_id, executed, self._clock.monotonic())
        status = STATUSES.get(text(row, "status"))
        if status is None:
            raise Unreadable(f"order {found_id} of {link.symbol} is {row['status']!r}, a state that is not known")
        self._tell(link, str(found_id), status, executed)
        return row

    async def _ask_algo(self, link: OpenLink) -> Row | None:
        row = await self._found(ALGO_ORDER, clientAlgoId=link.client_order_id)
        if row is None:
            return None
        if row.get("actualOrderId"):
            spawned = await self._ask_order(link, integer(row, "actualOrderId"))
            if spawned is not None:
                return spawned
        status = ALGO_STATUSES.get(text(row, "algoStatus"))
        if status is not None:
            self._tell(link, str(integer(row, "algoId")), status, ZERO)
        return row

    async def _found(self, endpoint: Endpoint, **params: str | int) -> Row | None:
        try:
            row: Row = await self._rest.call(endpoint, Priority.QUERY, **params)
        except Rejected as error:
            if error.code == NO_SUCH_ORDER or missing_path(error):
                return None
            raise
        return row

    def _tell(self, link: OpenLink, venue_order_id: str, status: OrderStatus, executed: Decimal) -> None:
        self._events.tell(self._events.state(link.client_order_id, venue_order_id, status, executed), self._sink)
