"""Mark prices of the symbols that are traded."""

import asyncio
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

import structlog

from shared.clock import Clock
from shared.errors import EngineError, RetrySafe
from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.endpoints import MARK_PRICE
from tradeengine.venue.binance.parts import Rest
from tradeengine.venue.binance.rows import Row, Unreadable, integer, number, text
from tradeengine.venue.binance.watched import Broken, Patience, WatchedStream, until_one_fails

MOST_STREAMS = 200
"""Symbols of one connection: the exchange takes 1024, and the address must not grow too long."""
STALE_MS = 30_000
"""A price that is older than this is not known any more."""

log = structlog.get_logger(__name__)


class _Mark(NamedTuple):
    price: Decimal
    served_ms: int
    heard_ms: int


class MarketStream(WatchedStream):
    """Follows mark prices: by stream once a second, by requests while the stream is silent.

    Parameters
    ----------
    url
        Address of the streams, without a path.
    symbols
        Symbols to follow from the start.
    on_price
        Told every new price.
    silence_s
        How long the stream may say nothing, seconds; then it is built anew.
    poll_s
        Between requests for prices that the stream does not bring, seconds.
    """

    def __init__(
        self,
        rest: Rest,
        url: str,
        clock: Clock,
        symbols: Iterable[str] = (),
        *,
        on_price: Callable[[str, Decimal], None] = lambda _symbol, _price: None,
        patience: Patience | None = None,
        silence_s: float = 5,
        poll_s: float = 3,
    ) -> None:
        super().__init__("market stream", clock, patience or Patience())
        self._rest = rest
        self._url = url
        self._on_price = on_price
        self._silence_s = silence_s
        self._poll_s = poll_s
        self._symbols = dict.fromkeys(symbols)
        self._marks: dict[str, _Mark] = {}
        self._changed = asyncio.Event()

    def price(self, symbol: str) -> Decimal | None:
        """Newest mark price in quote currency, ``None`` while none is known that is new enough."""
        mark = self._marks.get(symbol)
        return mark.price if mark is not None and self._age_ms(mark) <= STALE_MS else None

    async def follow(self, symbol: str) -> None:
        """Follow one more symbol; returns when its price is known.

        Raises
        ------
        RetrySafe
            If the exchange does not say its price.
        """
        if symbol not in self._symbols:
            self._symbols[symbol] = None
            self._changed.set()
        if self.price(symbol) is None:
            await self._ask(symbol)
        if self.price(symbol) is None:
            raise RetrySafe(f"mark price of {symbol}: the exchange answered, and did not name it")

    async def _run(self) -> None:
        # Asking goes on however often connections fail.
        await until_one_fails(super()._run(), self._watch())

    async def _live(self) -> None:
        self._changed.clear()
        symbols = list(self._symbols)
        if not symbols:
            self._sees()
            await self._changed.wait()
            return
        groups = [symbols[start : start + MOST_STREAMS] for start in range(0, len(symbols), MOST_STREAMS)]
        await until_one_fails(*map(self._hear, groups), self._grow_old(), self._rejoin())

    async def _hear(self, symbols: list[str]) -> None:
        names = "/".join(f"{symbol.lower()}@markPrice@1s" for symbol in symbols)
        socket = await self._connect(f"{self._url}/market/stream?streams={names}")
        try:
            messages = self._messages(socket)
            while True:
                async with asyncio.timeout(self._silence_s):
                    payload = await anext(messages)
                self._take(payload.get("data", payload))
                self._sees()
        except TimeoutError:
            raise Broken(f"silent for {self._silence_s:g} s") from None
        finally:
            await socket.close()

    async def _rejoin(self) -> None:
        await self._changed.wait()
        raise Broken("more symbols are followed")

    async def _watch(self) -> None:
        while True:
            try:
                await self._poll_old()
            except Exception:
                # The border of the asking: whatever fails once must not end it for good.
                log.exception("mark_prices_failed")
            await self._clock.sleep(self._poll_s)

    async def _poll_old(self) -> None:
        """Ask for prices that the stream does not bring."""
        old = [symbol for symbol in self._symbols if self._is_old(symbol)]
        try:
            if len(old) > MARK_PRICE.cost(symbol=False):
                await self._ask(None)
            else:
                for symbol in old:
                    await self._ask(symbol)
        except EngineError as error:
            log.warning("mark_price_not_known", symbols=old[:10], reason=str(error))

    async def _ask(self, symbol: str | None) -> None:
        """Ask for one price, or all."""
        answer: Any = await self._rest.call(MARK_PRICE, Priority.QUERY, **({"symbol": symbol} if symbol else {}))
        for row in answer if isinstance(answer, list) else [answer]:
            if not isinstance(row, dict):
                raise Unreadable(f"premiumIndex: expected objects, got {str(row)[:200]!r}")
            if row.get("symbol") in self._symbols:
                self._note(text(row, "symbol"), number(row, "markPrice"), integer(row, "time"))

    def _take(self, payload: Row) -> None:
        if payload.get("e") == "markPriceUpdate":
            self._note(text(payload, "s"), number(payload, "p"), integer(payload, "E"))

    def _note(self, symbol: str, price: Decimal, served_ms: int) -> None:
        known = self._marks.get(symbol)
        # Zero is what the exchange says of a symbol that has no price yet.
        if price <= 0 or (known is not None and known.served_ms > served_ms):
            return
        self._marks[symbol] = _Mark(price, served_ms, self._clock.now_ms())
        self._on_price(symbol, price)

    def _is_old(self, symbol: str) -> bool:
        mark = self._marks.get(symbol)
        return mark is None or self._age_ms(mark) > self._silence_s * 1000

    def _age_ms(self, mark: _Mark) -> int:
        return self._clock.now_ms() - mark.heard_ms
