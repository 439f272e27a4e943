"""Exchange API contract mistakes: whatever becomes of the user stream, no fill is lost and none is booked twice."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.lessons.lesson import Lesson, begin, school
from tests.support.process import READ
from tests.support.protecting import traded_by_hand
from tests.support.rig import Rig

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with school(tmp_path_factory.mktemp("streams"), ["ENDUSDT", "MUTEUSDT"]) as one:
        yield one


@pytest.mark.parametrize("effect", ["expire_listen_key", "drop_streams"])
async def test_i63_a_stream_that_ends_is_resumed_and_the_gap_read_back(made: Rig, effect: str) -> None:
    """The listen key expires, or the connection ends: what was traded meanwhile is read back, and the key is kept."""
    lesson = await begin(made, "ENDUSDT")
    await lesson.opened(effect)
    before = await _rebuilds(lesson)
    await made.exchange.fault({effect: True})
    # Nobody listens, or somebody does again already: booked they must be.
    for quantity in ("0.1", "0.2", "0.3"):
        await traded_by_hand(made.exchange, "BUY", quantity, "LONG", lesson.symbol)
    await lesson.until_booked("1.6")
    await made.until(lambda: _rebuilt(lesson, before), "a new connection")
    await made.engine.until_ready()

    await lesson.accepted("close", effect)
    await traded_by_hand(made.exchange, "SELL", "0.6", "LONG", lesson.symbol)
    await lesson.until_booked(0)
    await lesson.until_stops(0)
    await assert_no_fill_is_lost(lesson)
    listening = await made.exchange.requests(path="/fapi/v1/listenKey")
    assert {row["method"] for row in listening} <= {"POST", "PUT"}


async def test_i63_a_stream_that_is_silent_is_replaced(made: Rig) -> None:
    """The stream stays open and tells nothing of an order that the exchange took: it is read back, then replaced."""
    lesson = await begin(made, "MUTEUSDT")
    before = await _rebuilds(lesson)
    for event in ("ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE", "ALGO_UPDATE"):
        await made.exchange.fault({"swallow_event": True}, None, event=event)
    await lesson.accepted(quantity="1")
    await lesson.until_booked(1)
    await lesson.until_stops(2)
    await made.until(lambda: _rebuilt(lesson, before), "a new connection")
    await made.exchange.heal()
    await lesson.opened("B", quantity="0.5")
    await assert_no_fill_is_lost(lesson)


async def test_i63_the_end_that_the_exchange_sets_to_connections_loses_no_fill(tmp_path: Path) -> None:
    """Connections end by their age, as each does after 24 h, while strategies trade: every fill is booked once."""
    async with school(tmp_path, ["I63USDT"], setup={"options": {"connection_life_ms": 700}}) as made:
        lesson = await begin(made, "I63USDT")
        for number in range(8):
            await lesson.accepted("buy", f"S{number}", quantity="1")
            await lesson.until_held(number + 1)
            await lesson.mark(100 + number % 2)
        await lesson.until_booked(8)
        await made.until(lambda: _rebuilt(lesson, 1), "several connections")
        await assert_no_fill_is_lost(lesson)
        await lesson.until_stops(16)


async def assert_no_fill_is_lost(lesson: Lesson) -> None:
    """Check that the books have every trade that the exchange lists, once each, and the same quantity."""
    trades = await lesson.rig.exchange.signed("GET", "/fapi/v1/userTrades", symbol=lesson.symbol)
    listed = sorted((str(row["id"]), row["price"], row["qty"].rstrip("0").rstrip(".")) for row in trades)
    booked = sorted((row["trade_id"], row["price"], row["quantity"]) for row in await lesson.fills())
    assert booked == listed
    assert await lesson.booked() == await lesson.held()


async def _rebuilds(lesson: Lesson) -> int:
    health = (await lesson.rig.engine.request("GET", "/health", headers=READ)).json()
    return int(health["components"]["venue"]["user_stream_rebuilds"])


async def _rebuilt(lesson: Lesson, before: int) -> bool:
    return await _rebuilds(lesson) > before
