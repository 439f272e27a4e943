"""The exchange's side of the history: orders that it took, and trades that it made of them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from shared.clock import Clock
from shared.errors import RetrySafe
from tradeengine.audit.history_file import HistoryFile, amount
from tradeengine.audit.history_journal import JournalReader
from tradeengine.venue.binance.budget import Budget, Priority
from tradeengine.venue.binance.client import BinanceClient
from tradeengine.venue.binance.endpoints import ALL_ORDERS, USER_TRADES, Endpoint
from tradeengine.venue.binance.history import ALL_ALGO_ORDERS, WINDOW_MS
from tradeengine.venue.binance.history import PAGE as MOST_ROWS
from tradeengine.venue.binance.rest import RestCaller
from tradeengine.venue.binance.rows import Row, integer, number, rows, text
from tradeengine.venue.binance.session import Terms, connect
from tradeengine.venue.binance.startup import Startup
from tradeengine.venue.binance.symbols import SymbolSetup

TRADES_KEPT_MS: Final = 180 * 86_400_000
"""How far back trades can be asked for; Binance docs, "Account Trade List": the past six months."""

T = TypeVar("T")

_TRIES: Final = 15
_PAUSE_S: Final = 5.0
_TAKEN: Final = "INSERT OR IGNORE INTO taken VALUES (?, ?, ?, ?, ?, ?, ?)"
_TRADED: Final = "INSERT OR IGNORE INTO traded VALUES (?, ?, ?, ?, ?, ?)"


class ExchangeReader:
    """Reads an account's own history into the file; nothing is heard, sent or set.

    Parameters
    ----------
    terms
        Which account, and where.
    tell
        Told how many rows were read.
    """

    def __init__(self, terms: Terms, clock: Clock, file: HistoryFile, tell: Callable[[int], None]) -> None:
        self._terms = terms
        self._clock = clock
        self._file = file
        self._tell = tell

    async def read(self, journal: JournalReader) -> int:
        """Read what the exchange has of the journal's symbols since the journal began.

        Returns
        -------
        int
            Oldest moment that could be asked for, milliseconds since 1970 UTC.

        Raises
        ------
        RetrySafe
            If the exchange does not answer in full.
        Rejected
            If it refuses to tell.
        """
        client = connect(self._terms)
        try:
            rest = await self._patiently(partial(self._opened, client))
            now_ms = self._clock.now_ms() + rest.time.offset_ms
            since_ms = max(journal.first_ms, now_ms - TRADES_KEPT_MS)
            for symbol in sorted(journal.symbols):
                await self._trades(rest, symbol, since_ms, now_ms)
                for conditional, endpoint, name in (
                    (False, ALL_ORDERS, "orderId"),
                    (True, ALL_ALGO_ORDERS, "algoId"),
                ):
                    first = journal.first_orders.get((symbol, conditional))
                    if first is not None:
                        await self._orders(rest, endpoint, symbol, name, first, conditional=conditional)
            return since_ms
        finally:
            await client.close_connection()

    async def _opened(self, client: BinanceClient) -> RestCaller:
        terms, budget = self._terms, Budget(self._clock)
        rest = RestCaller(client, budget, self._clock)
        await rest.measure_clock()
        setup = SymbolSetup(rest, terms.symbol_terms)
        # Nothing of the rules is needed but the limits, which the budget takes over here.
        await Startup(rest, budget, terms.addresses, setup, terms.mode, terms.symbols).read_rules()
        return rest

    async def _trades(self, rest: RestCaller, symbol: str, since_ms: int, now_ms: int) -> None:
        start_ms = since_ms
        while start_ms <= now_ms:
            end_ms = min(start_ms + WINDOW_MS, now_ms + 1)
            page = await self._page(rest, USER_TRADES, symbol=symbol, startTime=start_ms, endTime=end_ms)
            await self._file.put(_TRADED, [_trade(symbol, row) for row in page])
            # A page that is full ends somewhere in its last millisecond, which is read again.
            start_ms = integer(page[-1], "time") if len(page) == MOST_ROWS else end_ms + 1

    async def _orders(
        self, rest: RestCaller, endpoint: Endpoint, symbol: str, name: str, first: int, *, conditional: bool
    ) -> None:
        async for page in self._numbered(rest, endpoint, symbol, name, first):
            taken = [_conditional(symbol, row) if conditional else _order(symbol, row) for row in page]
            await self._file.put(_TAKEN, taken)

    async def _numbered(
        self, rest: RestCaller, endpoint: Endpoint, symbol: str, name: str, first: int
    ) -> AsyncIterator[list[Row]]:
        page: list[Row] = [{}]
        while page:
            page = await self._page(rest, endpoint, symbol=symbol, **{name: first})
            yield page
            if len(page) < MOST_ROWS:
                return
            first = integer(page[-1], name) + 1

    async def _page(self, rest: RestCaller, endpoint: Endpoint, **asked: str | int) -> list[Row]:
        answer = await self._patiently(lambda: rest.call(endpoint, Priority.READ, limit=MOST_ROWS, **asked))
        page = rows(answer, endpoint.method)
        self._tell(len(page))
        return list(page)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask; an answer that is lost, or a limit that others have used up, is waited for."""
        for _ in range(_TRIES - 1):
            with suppress(RetrySafe):
                return await ask()
            await self._clock.sleep(_PAUSE_S)
        return await ask()


def _trade(symbol: str, row: Row) -> tuple[object, ...]:
    quantity, price = amount(number(row, "qty")), amount(number(row, "price"))
    return symbol, str(integer(row, "id")), integer(row, "orderId"), quantity, price, integer(row, "time")


def _order(symbol: str, row: Row) -> tuple[object, ...]:
    quantity, executed = amount(number(row, "origQty")), amount(number(row, "executedQty"))
    return symbol, 0, integer(row, "orderId"), text(row, "clientOrderId"), quantity, executed, integer(row, "time")


def _conditional(symbol: str, row: Row) -> tuple[object, ...]:
    """What a conditional order executed, it did as the ordinary order that it became."""
    quantity = amount(number(row, "quantity"))
    return symbol, 1, integer(row, "algoId"), text(row, "clientAlgoId"), quantity, "0", integer(row, "createTime")
