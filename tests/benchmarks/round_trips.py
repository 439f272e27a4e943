"""A market order from its placing to its answer: through python-binance, and as a bare POST of the same body."""

import asyncio
from time import perf_counter_ns
from typing import NamedTuple

import aiohttp
from binance import AsyncClient

from shared.clock import SystemClock
from tests.benchmarks.bare_client import BareClient, market_order, signed
from tests.benchmarks.exchange_server import KEY, SECRET

_PATH = "/fapi/v1/order"
_WARM = 50
_TURNS = ("BUY", "SELL")


class RoundTrips(NamedTuple):
    """Nanoseconds of each order, the first ones left out."""

    library: list[int]
    bare: list[int]


def measure(url: str, count: int) -> RoundTrips:
    """Place so many orders each way, in turn; each second one closes what the one before it opened."""
    return asyncio.run(_measure(url, count))


async def _measure(url: str, count: int) -> RoundTrips:
    times = RoundTrips([], [])
    async with aiohttp.ClientSession() as session:
        client = AsyncClient(KEY, SECRET)
        client.FUTURES_URL = f"{url}/fapi"
        try:
            for number in range(count + _WARM):
                side = _TURNS[number % 2]
                times.library.append(await _through_library(client, market_order(f"library-{number}", side, "LONG")))
                times.bare.append(await _bare(BareClient(session, url), market_order(f"bare-{number}", side, "LONG")))
        finally:
            await client.close_connection()
    return RoundTrips(times.library[_WARM:], times.bare[_WARM:])


async def _through_library(client: AsyncClient, order: dict[str, str]) -> int:
    begun = perf_counter_ns()
    answer = await client.futures_create_order(**order)
    took = perf_counter_ns() - begun
    _check(answer, order)
    return took


async def _bare(client: BareClient, order: dict[str, str]) -> int:
    body = signed(order, now_ms=SystemClock().now_ms(), recv_window_ms=AsyncClient.REQUEST_RECVWINDOW)
    begun = perf_counter_ns()
    answer = await client.send("POST", _PATH, body)
    took = perf_counter_ns() - begun
    _check(answer, order)
    return took


def _check(answer: dict[str, str], order: dict[str, str]) -> None:
    if answer["clientOrderId"] != order["newClientOrderId"]:
        raise RuntimeError(f"the order {order} was answered with {answer}")
