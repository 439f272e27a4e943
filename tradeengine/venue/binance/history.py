"""The exchange's own list of trades, joined to the orders that they belong to."""

from collections.abc import Sequence
from typing import Any

import msgspec

from shared.clock import Clock
from shared.errors import Rejected, RetrySafe
from tradeengine.domain.inputs import FillReported
from tradeengine.venue.base import ReportSink
from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.codes import NO_SUCH_ORDER
from tradeengine.venue.binance.concurrently import each
from tradeengine.venue.binance.endpoints import ALGO_ORDER, ORDER, USER_TRADES, CallKind, Endpoint
from tradeengine.venue.binance.events import EventReader
from tradeengine.venue.binance.failures import missing_path
from tradeengine.venue.binance.parts import Rest
from tradeengine.venue.binance.rows import Row, fill_of_trade, integer, leg, number, rows, side, text
from tradeengine.venue.binance.updates import origin_of

PAGE = 1_000
"""Most rows of an answer; Binance docs, "Account Trade List"."""
OVERLAP_MS = 60_000
"""Trades younger than this beside the newest are read again: they may become visible out of order."""
WINDOW_MS = 6 * 86_400_000
"""How far back trades are asked for by time; the exchange takes less than seven days."""
VISIBLE_MS = 5_000
"""How long the exchange may list a trade and not know its order: an order that was just placed may answer -2013."""
ALL_ALGO_ORDERS = Endpoint("futures_get_all_algo_orders", CallKind.READ, 5)


class NotKnownYet(RetrySafe):
    """The exchange lists something of a symbol, and does not know whose it is; of other symbols that says nothing."""

    def __init__(self, symbol: str, text: str) -> None:
        super().__init__(text)
        self.symbol = symbol


class TradeHistory:
    """Reads trades back by their ids, and tells those that were not told.

    Parameters
    ----------
    sink
        Where they go, oldest first of each symbol.
    """

    def __init__(self, rest: Rest, clock: Clock, events: EventReader, sink: ReportSink) -> None:
        self._rest = rest
        self._clock = clock
        self._links = events.links
        self._trades = events.trades
        self._events = events
        self._sink = sink
        self._since_ms: dict[str, int] = {}
        self._started_ms: int | None = None
        self._unknown_since: dict[tuple[str, int], float] = {}

    async def read(self, symbols: Sequence[str], served_ms: int, priority: Priority) -> list[tuple[str, int]]:
        """Read on where everything before is known, and tell what is new.

        Of a symbol of which no trade is known only what happens from the first reading on counts: what it held before
        is adopted as a position.

        Parameters
        ----------
        served_ms
            Exchange's clock, read just now.

        Returns
        -------
        list of (str, int)
            Symbol and time of the trades that nobody had told, exchange's clock.

        Raises
        ------
        RetrySafe
            If the exchange did not answer in full.
        """
        if self._started_ms is None:
            self._started_ms = served_ms
        started_ms = self._started_ms
        missed: list[tuple[str, int]] = []

        async def read_one(symbol: str) -> None:
            since_ms = self._since_ms.get(symbol, started_ms)
            told = await self._read(symbol, max(since_ms, served_ms - WINDOW_MS), served_ms, priority)
            missed.extend([(symbol, happened_ms) for happened_ms in told])
            self._since_ms[symbol] = max(since_ms, served_ms - OVERLAP_MS)
            for order_id in self._events.unexplained(symbol):
                await self.owner(symbol, order_id)

        await each(symbols, read_one)
        return missed

    async def owner(self, symbol: str, order_id: int, *, settled: bool = False) -> str:
        """Client order id that an order's executions are reported under.

        Asks the exchange for orders that are not known: orders of an earlier life of the process, what a conditional
        order became if that has an id of its own, and what was never ours.

        Parameters
        ----------
        settled
            Whether the exchange has had time to know it: then one that it does not know is nobody's.

        Raises
        ------
        RetrySafe
            If the exchange did not answer, or does not know the order yet: it may be ours.
        """
        known = self._links.client_order_id(symbol, order_id)
        if known is not None:
            return known
        client_id = await self._named(symbol, order_id)
        if client_id is None or not self._links.is_own(client_id):
            client_id = await self._conditional(symbol, order_id) or client_id
        # The stream may have told meanwhile, and knows it first hand.
        found = self._links.client_order_id(symbol, order_id) or client_id or self._foreign(symbol, order_id, settled)
        self._unknown_since.pop((symbol, order_id), None)
        self._links.remember(symbol, order_id, found)
        return found

    def _foreign(self, symbol: str, order_id: int, settled: bool) -> str:
        """Name of an order that the exchange does not know, once that is its last word."""
        now = self._clock.monotonic()
        waited_s = now - self._unknown_since.setdefault((symbol, order_id), now)
        if not settled and waited_s * 1000 < VISIBLE_MS:
            raise NotKnownYet(
                symbol, f"{symbol} order {order_id} is not known to the exchange yet; it is asked for again"
            )
        return f"foreign-{order_id}"

    async def _read(self, symbol: str, since_ms: int, served_ms: int, priority: Priority) -> list[int]:
        told: list[int] = []
        read: list[Row] = []
        complete = self._trades.complete_to(symbol)
        where = {"startTime": since_ms} if complete is None else {"fromId": complete + 1}
        while True:
            page = rows(await self._rest.call(USER_TRADES, priority, symbol=symbol, limit=PAGE, **where), "userTrades")
            told += [integer(row, "time") for row in page if await self._tell(symbol, row, served_ms)]
            read += page
            if len(page) < PAGE:
                break
            where = {"fromId": integer(page[-1], "id") + 1}
        if read:
            settled_ms = max(integer(row, "time") for row in read) - OVERLAP_MS
            ids = [integer(row, "id") for row in read if integer(row, "time") <= settled_ms]
            if ids:
                self._trades.confirm(symbol, max(ids))
        return told

    async def _tell(self, symbol: str, row: Row, served_ms: int) -> bool:
        order_id, trade_id = integer(row, "orderId"), integer(row, "id")
        self._events.tally.add(symbol, order_id, trade_id, number(row, "qty"))
        if self._trades.knows(symbol, trade_id):
            return False
        owner = await self.owner(symbol, order_id, settled=integer(row, "time") < served_ms - VISIBLE_MS)
        fill = self._fill(row, owner)
        if not self._trades.first(symbol, trade_id):
            return False
        self._events.tell([fill], self._sink)
        return True

    def _fill(self, row: Row, owner: str) -> FillReported:
        known = self._links.position_side(owner)
        reducing = bool(number(row, "realizedPnl"))
        position_side = known or leg(text(row, "positionSide"), side(row), reducing=reducing)
        fill = fill_of_trade(row, owner, position_side, self._clock.now_ms())
        return msgspec.structs.replace(fill, origin=origin_of(owner))

    async def _named(self, symbol: str, order_id: int) -> str | None:
        try:
            row = await self._rest.call(ORDER, Priority.QUERY, symbol=symbol, orderId=order_id)
        except Rejected as error:
            if error.code != NO_SUCH_ORDER:
                raise
            return None
        return text(row, "clientOrderId")

    async def _conditional(self, symbol: str, order_id: int) -> str | None:
        """Client algo id of the conditional order that became an order, ``None`` if none did."""
        listed = await self._algos(symbol)
        names = {text(row, "clientAlgoId") for row in listed}
        # The list reaches back a week only, and not every exchange has it.
        for link in self._links.open():
            if link.symbol == symbol and link.conditional and link.client_order_id not in names:
                listed += await self._algo(link.client_order_id)
        became = [row for row in listed if str(row.get("actualOrderId") or "") == str(order_id)]
        return text(became[0], "clientAlgoId") if became else None

    async def _algos(self, symbol: str) -> list[dict[str, Any]]:
        try:
            answer = await self._rest.call(ALL_ALGO_ORDERS, Priority.QUERY, symbol=symbol, limit=PAGE)
        except Rejected as error:
            if not missing_path(error):
                raise
            return []
        return rows(answer, "allAlgoOrders")

    async def _algo(self, client_id: str) -> list[dict[str, Any]]:
        try:
            row = await self._rest.call(ALGO_ORDER, Priority.QUERY, clientAlgoId=client_id)
        except Rejected as error:
            if error.code != NO_SUCH_ORDER and not missing_path(error):
                raise
            return []
        return rows([row], "algoOrder")
