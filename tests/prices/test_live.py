"""Live prices from a simulated exchange's streams: they come, break, and come back."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from contracts.api import HealthStatus
from shared.clock import SystemClock
from tests.prices.market import SYMBOL, Market, market
from tests.support.deadline import PATIENCE_S, Deadline
from tradeengine.prices.live import LivePrices
from tradeengine.simulator.exchange import Exchange
from tradeengine.venue.binance.addresses import Addresses, AddressKind

D = Decimal
SYMBOLS = [SYMBOL, "ETHUSDT"]


class AheadClock(SystemClock):
    """The machine's clock, that a test can set ahead."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


class Heard:
    """Every price that came."""

    def __init__(self) -> None:
        self.prices: list[tuple[str, Decimal]] = []

    def __call__(self, symbol: str, price: Decimal) -> None:
        self.prices.append((symbol, price))

    async def until(self, *wanted: tuple[str, str]) -> None:
        await until(lambda: {(symbol, D(price)) for symbol, price in wanted} <= set(self.prices))


async def until(fits: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    deadline = Deadline(seconds, 0.01)
    while not fits():
        assert not deadline.passed(), f"waited {deadline}"
        await asyncio.sleep(0.01)


@pytest.fixture
def exchange() -> Iterator[Market]:
    with market(Exchange(now_ms=SystemClock().now_ms()), virtual_time=False) as made:
        yield made


@asynccontextmanager
async def running(job: Any) -> Any:
    task = asyncio.create_task(job)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def live(exchange: Market, heard: Heard, clock: SystemClock | None = None) -> LivePrices:
    return LivePrices(
        Addresses(exchange.url, exchange.ws_url, AddressKind.LOCAL), SYMBOLS, heard, clock or SystemClock()
    )


def mark(exchange: Market, price: str) -> None:
    exchange.control("POST", "mark", {"symbol": SYMBOL, "price": price})


async def test_the_first_prices_come_by_request_and_the_next_by_stream(exchange: Market) -> None:
    heard = Heard()
    feed = live(exchange, heard)
    assert feed.health().status is HealthStatus.UNHEALTHY
    async with running(feed.run()):
        await heard.until((SYMBOL, "50000"), ("ETHUSDT", "3000"))
        await until(lambda: len(heard.prices) > 4)
        mark(exchange, "50123.45678901")
        await heard.until((SYMBOL, "50123.45678901"))

        assert feed.health().status is HealthStatus.HEALTHY
        assert dict(feed.step()) == {SYMBOL: D("50123.45678901"), "ETHUSDT": D(3000)}
    assert {entry["path"] for entry in exchange.asked()} == {"/fapi/v1/premiumIndex", "/market/stream"}


async def test_news_are_told_once(exchange: Market) -> None:
    heard = Heard()
    feed = live(exchange, heard)
    async with running(feed.run()):
        await heard.until((SYMBOL, "50000"))
    feed.step()

    assert feed.step() == []


async def test_without_the_first_prices_the_stream_brings_them(exchange: Market) -> None:
    exchange.faults({"match": {"path": "/fapi/*"}, "effect": {"status": 451, "code": 0, "msg": "restricted location"}})
    heard = Heard()
    async with running(live(exchange, heard).run()):
        await heard.until((SYMBOL, "50000"), ("ETHUSDT", "3000"))


async def test_a_cut_connection_is_made_again_within_seconds(exchange: Market) -> None:
    heard = Heard()
    async with running(live(exchange, heard).run()):
        await heard.until((SYMBOL, "50000"))
        exchange.faults({"effect": "drop_streams"})
        mark(exchange, "51000")
        await until(lambda: (SYMBOL, D(51_000)) in heard.prices, seconds=4)


async def test_an_exchange_that_refuses_everything_at_first_is_tried_again(exchange: Market) -> None:
    for path in ("/fapi/*", "/market/stream"):
        exchange.faults({"match": {"path": path}, "times": 3, "effect": {"html_503": True}})
    heard = Heard()
    async with running(live(exchange, heard).run()):
        await heard.until((SYMBOL, "50000"), ("ETHUSDT", "3000"))


async def test_prices_come_by_request_while_there_is_no_stream(exchange: Market) -> None:
    exchange.faults({"match": {"path": "/market/stream"}, "times": None, "effect": {"delay_ms": 60_000}})
    heard = Heard()
    async with running(live(exchange, heard).run()):
        await heard.until((SYMBOL, "50000"), ("ETHUSDT", "3000"))


async def test_prices_that_stay_away_are_said_so_after_ten_seconds(exchange: Market) -> None:
    heard, clock = Heard(), AheadClock()
    feed = live(exchange, heard, clock)
    async with running(feed.run()):
        await heard.until((SYMBOL, "50000"), ("ETHUSDT", "3000"))
    clock.ahead_s = 9
    assert feed.health().status is HealthStatus.HEALTHY

    clock.ahead_s = 30
    health = feed.health()
    assert health.status is HealthStatus.UNHEALTHY
    assert health.reason is not None
    assert f"no price of BTCUSDT, ETHUSDT for 30 s from {exchange.ws_url}" in health.reason
