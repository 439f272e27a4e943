"""The real venue on the simulated wire keeps what every venue promises."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from unittest.mock import patch

import aiohttp
import pytest

from shared.clock import SystemClock
from tests.simulation import wire
from tests.simulation.exchange import SimExchange
from tests.simulation.process import Process
from tests.simulation.standing import inside, road_to
from tests.simulation.wire import SimConnector, SimSession
from tests.venue.binance.rig import settings
from tests.venue.test_contract import *  # noqa: F403 - the suite of the real ones
from tests.venue.test_contract import SYMBOL, Bench
from tradeengine.venue.base import Report
from tradeengine.venue.binance.build import trading_terms
from tradeengine.venue.binance.venue import BinanceVenue

_DEADLINE_S = 20.0


@pytest.fixture  # type: ignore[no-redef] # instead of the suite's own
async def bench() -> AsyncIterator[Bench]:
    clock, process = SystemClock(), Process("test")
    exchange = SimExchange(asyncio.get_running_loop(), clock, 0, {})
    wire.connect(process, road_to(exchange, process))
    told: list[Report] = []

    async def price(text: str) -> None:
        exchange.move(SYMBOL, Decimal(text))

    async def until(condition: Callable[[], object]) -> None:
        deadline = clock.monotonic() + _DEADLINE_S
        while not condition():
            assert clock.monotonic() < deadline, told[-5:]
            await clock.sleep(0.01)

    session, connector = (
        patch.object(aiohttp, "ClientSession", SimSession),
        patch.object(aiohttp, "TCPConnector", SimConnector),
    )
    with session, connector, inside(process):
        venue = BinanceVenue(replace(trading_terms(settings("http://127.0.0.1:1")), settle_s=0.5), clock)
        await venue.open(told.append)
        try:
            yield Bench(venue, told, price, until)
        finally:
            await venue.close()
            exchange.end()
            wire.disconnect_all()
