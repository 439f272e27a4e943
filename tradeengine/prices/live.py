"""Prices of the real market as they come, and what is to be said when they do not."""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import structlog
from pydantic import JsonValue

from shared.clock import Clock
from shared.errors import RetrySafe
from shared.health import ComponentHealth
from tradeengine.prices.client import PublicClient
from tradeengine.venue.binance.addresses import Addresses
from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.endpoints import MARK_PRICE, Endpoint
from tradeengine.venue.binance.market_stream import MarketStream

MAX_AGE_S = 10.0
"""A price that is older than that is none."""

OnPrice = Callable[[str, Decimal], None]

log = structlog.get_logger(__name__)


class LivePrices:
    """Follows the mark prices of symbols: the first by request, the next by stream, by request while that is silent.

    Parameters
    ----------
    addresses
        Where the exchange serves public data.
    symbols
        At least one.
    on_price
        Told every price; must not block.
    clock
        What ages are measured by.
    """

    def __init__(self, addresses: Addresses, symbols: Sequence[str], on_price: OnPrice, clock: Clock) -> None:
        self._addresses = addresses
        self._symbols = tuple(symbols)
        self._on_price = on_price
        self._clock = clock
        self._started = clock.monotonic()
        # No key is ever added or removed, so that health may read it from its own thread.
        self._heard: dict[str, float | None] = dict.fromkeys(self._symbols)
        self._news: dict[str, Decimal] = {}

    async def run(self) -> None:
        """Follow until cancelled."""
        async with PublicClient(self._addresses.rest, self._clock) as client:
            stream = MarketStream(
                _PublicRest(client), self._addresses.stream, self._clock, self._symbols, on_price=self._take
            )
            try:
                while not await self._up(stream):
                    pass
                await asyncio.Event().wait()
            finally:
                await stream.stop()

    def step(self) -> list[tuple[str, Decimal]]:
        """Newest price of each symbol that had any since the last call."""
        news, self._news = self._news, {}
        return list(news.items())

    def silent_s(self, symbol: str) -> float:
        """Seconds since a symbol's price was last heard, or since the start while there was none."""
        heard = self._heard[symbol]
        return self._clock.monotonic() - (self._started if heard is None else heard)

    def health(self) -> ComponentHealth:
        """Unhealthy while the price of a symbol is missing or older than :data:`MAX_AGE_S`."""
        details: dict[str, JsonValue] = {"address": self._addresses.stream}
        ages = {symbol: round(self.silent_s(symbol), 1) for symbol in self._symbols}
        missing = [symbol for symbol in self._symbols if self._heard[symbol] is None]
        silent = [symbol for symbol, age in ages.items() if age > MAX_AGE_S and symbol not in missing]
        if silent:
            oldest = max(ages[symbol] for symbol in silent)
            return ComponentHealth.unhealthy(
                f"no price of {', '.join(silent)} for {oldest:.0f} s from {self._addresses.stream}: openings have no "
                "reference price; check the network, it is connected again by itself",
                **details,
            )
        if missing:
            return ComponentHealth.unhealthy(
                f"no price of {', '.join(missing)} from {self._addresses.stream} yet: check the network", **details
            )
        return ComponentHealth(details={**details, "oldest_s": max(ages.values())})

    async def _up(self, stream: MarketStream) -> bool:
        """Bring the stream up; once it is, it looks after itself."""
        try:
            await stream.start()
        except RetrySafe as error:
            log.warning("live_prices_unavailable", reason=str(error), action="it is tried again")
            return False
        return True

    def _take(self, symbol: str, price: Decimal) -> None:
        self._heard[symbol] = self._clock.monotonic()
        self._news[symbol] = price
        self._on_price(symbol, price)


class _PublicRest:
    """The one request that the stream makes, without a key."""

    def __init__(self, client: PublicClient) -> None:
        self._client = client

    async def call(self, endpoint: Endpoint, priority: Priority = Priority.READ, **params: str | int) -> Any:
        """Ask for mark prices.

        Raises
        ------
        ValueError
            For any other request.
        RetrySafe, Rejected
            As :class:`PublicClient` does.
        """
        if endpoint is not MARK_PRICE:
            raise ValueError(f"{endpoint} is no public price")
        return await self._client.mark_prices(**params)
