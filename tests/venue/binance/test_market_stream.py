"""Mark prices from the simulator: by stream, by requests while there is none, and never an old one."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.clock import ManualClock
from shared.errors import RetrySafe
from tests.venue.binance.live import QUICK, Live, live
from tests.venue.paper.makers import D
from tradeengine.venue.binance.market_stream import STALE_MS, MarketStream


@pytest.fixture
async def rig() -> AsyncIterator[Live]:
    async with live() as made:
        yield made


def stream(rig: Live, *symbols: str, **changes: Any) -> MarketStream:
    terms: dict[str, Any] = {"patience": QUICK, "silence_s": 3, "poll_s": 0.1}
    return MarketStream(rig.rest, rig.server.ws_url, rig.clock, symbols, **(terms | changes))


async def move(rig: Live, price: str, symbol: str = "BTCUSDT") -> None:
    await rig.control("mark", {"symbol": symbol, "price": price})


async def test_prices_follow_the_market(rig: Live) -> None:
    seen: list[tuple[str, Decimal]] = []
    market = stream(rig, "BTCUSDT", "ETHUSDT", on_price=lambda symbol, price: seen.append((symbol, price)))
    assert market.price("BTCUSDT") is None
    await market.start()
    await rig.until(lambda: market.price("BTCUSDT") == D(50_000), "the first price")
    await move(rig, "51000.5")
    await rig.until(lambda: market.price("BTCUSDT") == D("51000.5"), "the next price")
    assert market.price("ETHUSDT") == D(3000)
    assert ("BTCUSDT", D("51000.5")) in seen
    assert market.trouble is None
    assert market.price("DOGEUSDT") is None
    await market.stop()
    assert market.trouble == "market stream is stopped"


async def test_one_more_symbol_can_be_followed(rig: Live) -> None:
    market = stream(rig)
    await market.start()
    await market.follow("BTCUSDT")
    assert market.price("BTCUSDT") == D(50_000)
    await move(rig, "50500")
    await rig.until(lambda: market.price("BTCUSDT") == D(50_500), "the price by stream")
    await market.stop()


async def test_following_a_symbol_that_has_no_price_says_so(rig: Live) -> None:
    market = stream(rig)
    await rig.fault("html_503", {"path": "*/premiumIndex"}, times=None)
    with pytest.raises(RetrySafe, match="futures_mark_price"):
        await market.follow("BTCUSDT")
    await rig.clear_faults()
    await market.follow("BTCUSDT")
    assert market.price("BTCUSDT") == D(50_000)


async def test_a_cut_stream_comes_back(rig: Live) -> None:
    market = stream(rig, "BTCUSDT")
    await market.start()
    await rig.fault("drop_streams")
    await rig.until(lambda: market.rebuilds == 1 and market.trouble is None, "a new connection")
    await move(rig, "50700")
    await rig.until(lambda: market.price("BTCUSDT") == D(50_700), "the price")
    await market.stop()


async def test_while_there_is_no_stream_prices_are_asked_for(rig: Live) -> None:
    await rig.fault("html_503", {"path": "/market/*"}, times=None)
    market = stream(rig, "BTCUSDT", silence_s=0.2, patience=replace(QUICK, start_s=0.3))
    with pytest.raises(RetrySafe, match="did not come up"):
        await market.start()
    assert market.price("BTCUSDT") == D(50_000)


async def test_a_silent_stream_is_replaced_and_prices_are_asked_for_meanwhile() -> None:
    async with live() as rig:
        market = stream(rig, "BTCUSDT", silence_s=0.2)
        await market.start()
        # The stream speaks once a second, which is silence to one that waits a fifth of it.
        await rig.until(lambda: market.rebuilds >= 2, "new connections")
        await move(rig, "50900")
        await rig.until(lambda: market.price("BTCUSDT") == D(50_900), "the price")
        await market.stop()


async def test_an_old_price_is_none(rig: Live) -> None:
    clock = ManualClock(1_000_000)
    market = MarketStream(rig.rest, rig.server.ws_url, clock, ["BTCUSDT"])
    await market.follow("BTCUSDT")
    clock.set(1_000_000 + STALE_MS)
    assert market.price("BTCUSDT") == D(50_000)
    clock.set(1_000_001 + STALE_MS)
    assert market.price("BTCUSDT") is None


async def test_many_symbols_cost_one_request(rig: Live) -> None:
    symbols = [f"X{number}USDT" for number in range(30)]
    market = stream(rig, "BTCUSDT", *symbols)
    await market.start()
    await rig.until(lambda: market.price("BTCUSDT") is not None, "the price")
    asked = [each for each in await rig.requests() if each["path"].endswith("premiumIndex")]
    assert {each["parameters"].get("symbol") for each in asked} <= {None}
    await market.stop()
