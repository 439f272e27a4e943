"""Requests to the exchange's public routes: within the weight budget, patient, and without any key."""

from collections.abc import Awaitable, Callable, Iterable
from difflib import get_close_matches
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import aiohttp
from binance import AsyncClient
from binance.exceptions import BinanceAPIException, BinanceRequestException

from shared.clock import Clock
from shared.errors import Rejected, RetrySafe
from tradeengine.prices.budget import WeightBudget

PAGE = 1000
"""Most rows that one request is asked for; the exchange gives more klines for relatively more weight."""

_USED = "X-MBX-USED-WEIGHT-1M"
_TRIES = 6
_FIRST_PAUSE_S = 0.25
_LONGEST_WAIT_S = 300.0
_DEFAULT_WAIT_S = {429: 60.0, 418: 120.0}
_KLINES_WEIGHT = 5

OnWait = Callable[[str, float], None]
"""Told why nothing is asked for so many seconds."""


class PublicClient:
    """Asks through python-binance's ``AsyncClient``, which is given no key and so sends and signs none.

    An async context manager. Requests that only read may be repeated: after a transport failure or a 5xx answer that
    is done with growing pauses, after 429 and 418 when ``Retry-After`` has passed (Binance docs, General Info).

    Parameters
    ----------
    base_url
        Such as ``https://host``.
    clock
        What waiting waits on.
    on_wait
        Told of waits, for people.
    """

    def __init__(self, base_url: str, clock: Clock, on_wait: OnWait | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._clock = clock
        self._on_wait = on_wait or (lambda why, seconds: None)
        self.budget = WeightBudget(clock)
        # The library keeps one answer for all coroutines; a trace belongs to its request.
        tracing = aiohttp.TraceConfig()
        tracing.on_request_end.append(self._answered)
        self._client = AsyncClient(session_params={"trace_configs": [tracing]})
        self._client.FUTURES_URL = f"{self.base_url}/fapi"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close_connection()

    async def prepare(self, symbols: Iterable[str]) -> dict[str, Any]:
        """Learn the exchange's clock, limits and rules.

        Returns
        -------
        dict
            What :meth:`exchange_info` gives.

        Raises
        ------
        Rejected
            If the exchange lists one of the symbols nowhere.
        """
        answer = await self._ask(1, self._client.futures_time)
        self.budget.offset_ms = int(answer["serverTime"]) - self._clock.now_ms()
        info = await self.exchange_info()
        self.budget.adopt_limits(info["rateLimits"])
        listed = [str(entry["symbol"]) for entry in info["symbols"]]
        for symbol in symbols:
            if symbol not in listed:
                near = get_close_matches(symbol, listed)
                hint = f"; there are {', '.join(near)}" if near else ""
                raise Rejected(f"{symbol}: {self.base_url} lists no such symbol{hint}")
        return info

    def now_ms(self) -> int:
        """Time of the exchange, milliseconds since 1970 UTC; :meth:`prepare` comes first."""
        return self._clock.now_ms() + self.budget.offset_ms

    async def exchange_info(self) -> dict[str, Any]:
        """Limits and the trading rules of every symbol."""
        info: dict[str, Any] = await self._ask(1, self._client.futures_exchange_info)
        return info

    async def klines(
        self, symbol: str, interval: str, start_ms: int, end_ms: int, limit: int = PAGE
    ) -> list[list[Any]]:
        """Bars that start from one time to another, both included, oldest first.

        Returns
        -------
        list of list
            Start, open, high, low, close, volume, end, and more; prices are texts.
        """
        rows: list[list[Any]] = await self._ask(
            _KLINES_WEIGHT,
            self._client.futures_klines,
            symbol=symbol,
            interval=interval,
            startTime=start_ms,
            endTime=end_ms,
            limit=limit,
        )
        return rows

    async def funding_rates(self, symbol: str, start_ms: int, end_ms: int, limit: int = PAGE) -> list[dict[str, Any]]:
        """Settlements from one time to another, both included, oldest first; rates are texts.

        They have a limit of their own, 500 requests in five minutes, each of up to a year of settlements.
        """
        rows: list[dict[str, Any]] = await self._ask(
            0, self._client.futures_funding_rate, symbol=symbol, startTime=start_ms, endTime=end_ms, limit=limit
        )
        return rows

    async def mark_prices(self, **params: str | int) -> Any:
        """Mark price of the ``symbol``, or a list of all without one: ``premiumIndex`` as the exchange answers it."""
        return await self._ask(1 if params else 10, self._client.futures_mark_price, **params)

    async def _ask(self, weight: int, request: Callable[..., Awaitable[Any]], **params: Any) -> Any:
        """Make a request until it is answered.

        Raises
        ------
        Rejected
            If the exchange refused it: asking again would be refused again.
        RetrySafe
            If there was no answer in several tries, or the exchange wants a longer silence.
        """
        failures = 0
        while True:
            if wait_s := self.budget.wait_s(weight):
                await self._wait("the request weight of this minute is used", wait_s)
                continue
            try:
                return await request(**params)
            except BinanceAPIException as error:
                if error.status_code in _DEFAULT_WAIT_S:
                    await self._silence(error)
                    continue
                if error.status_code < 500:
                    raise Rejected(f"{self.base_url} refused: {_said(error)}", code=str(error.code)) from error
                reason = f"HTTP {error.status_code}"
            except (BinanceRequestException, aiohttp.ClientError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
            failures += 1
            if failures == _TRIES:
                raise RetrySafe(
                    f"{self.base_url} gave no answer in {_TRIES} tries ({reason[:200]}): check the network and the "
                    "address, and try again later"
                )
            await self._wait(f"{self.base_url} gave no answer ({reason[:200]})", _FIRST_PAUSE_S * 2**failures)

    async def _silence(self, error: BinanceAPIException) -> None:
        """Wait as long as the exchange asks for."""
        stated = error.response.headers.get("Retry-After", "")
        wait_s = float(stated) if stated.isdecimal() else _DEFAULT_WAIT_S[error.status_code]
        if wait_s > _LONGEST_WAIT_S:
            raise RetrySafe(
                f"{self.base_url} wants no requests from this address for {wait_s:.0f} s (HTTP {error.status_code}): "
                "try again after that"
            )
        await self._wait(f"the exchange asks for a pause (HTTP {error.status_code})", wait_s)

    async def _wait(self, why: str, seconds: float) -> None:
        self._on_wait(why, seconds)
        await self._clock.sleep(seconds)

    async def _answered(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        used = params.response.headers.get(_USED, "")
        if used.isdecimal():
            self.budget.adopt(int(used))


def _said(error: BinanceAPIException) -> str:
    return f"{error.message} (code {error.code}, HTTP {error.status_code})"[:300]
