"""Exchange API contract mistakes: limits of requests and orders, and who may still send when they are near."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from tests.lessons.lesson import Lesson, begin, school
from tests.support.process import READ
from tests.support.protecting import ORDER
from tests.support.rig import Rig

pytestmark = pytest.mark.process

POSITIONS = "/fapi/v3/positionRisk"
PAUSE_S = 4
TOO_MANY = {"status": 429, "code": -1003, "msg": "Too many requests.", "retry_after": PAUSE_S}
ORDERS_1M = 20
MINUTE_MS = 60_000


async def test_429_and_418_stop_requests_until_they_may_go_on(tmp_path: Path) -> None:
    """After 429 or 418 nothing at all is sent for as long as the exchange asks; then the engine goes on by itself."""
    async with school(tmp_path, ["LIMITUSDT"]) as made:
        lesson = await begin(made, "LIMITUSDT")
        await lesson.opened()
        for effect in (TOO_MANY, {"ban": PAUSE_S}):
            begun = await made.exchange.moment()
            await made.exchange.fault(effect, path=POSITIONS)
            await made.until(partial(_gone_on, lesson, begun), f"the first look after {effect}")
            rows = [row for row in await made.exchange.requests(since=begun) if row["path"].startswith("/fapi")]
            stop = next(row["time"] for row in rows if row["path"] == POSITIONS)
            # What was under way beside it had left already.
            later = [row for row in rows if row["time"] > stop + 1_000 * PAUSE_S / 2]
            assert later[0]["time"] - stop >= 1_000 * PAUSE_S
            assert {row["status"] for row in later} == {200}
        await lesson.until_protected("A")


async def test_closing_goes_on_when_opening_has_used_its_share_of_the_orders(tmp_path: Path) -> None:
    """Others and openings use up their part of the orders of a minute: openings wait, a close leaves at once."""
    limits = {"weight_1m": 10**9, "orders_10s": 10**9, "orders_1m": ORDERS_1M}
    async with school(tmp_path, ["LIMITUSDT"], setup={"options": limits}) as made:
        lesson = await begin(made, "LIMITUSDT")
        await _minute_begun(made)
        minute = await _minute(lesson)
        terms = {"symbol": lesson.symbol, "side": "BUY", "positionSide": "LONG", "type": "LIMIT", "timeInForce": "GTC"}
        for _ in range(6):
            await made.exchange.signed("POST", ORDER, **terms, quantity="1", price="90")
        for number in range(4):
            await lesson.opened(f"S{number}")
        await lesson.accepted("buy", "late", quantity="1")
        await lesson.accepted("close", "S0")
        await lesson.until_held(3)
        await lesson.until_stops(6)
        placed = [row for row in await lesson.own_changes() if row["method"] == "POST"]
        (late,) = await lesson.orders(strategy_id="late")
        await _until_counted(lesson, 19)
        assert await _minute(lesson) == minute, "the minute passed: its limits began anew"
        assert len(placed) == 13
        assert [(row["parameters"]["side"], row["status"]) for row in placed[-1:]] == [("SELL", 200)]
        assert late["status"] == "planned"


async def _until_counted(lesson: Lesson, orders: int) -> None:
    """Wait until the engine says that so many orders were sent in this minute."""

    async def counted() -> bool:
        health = (await lesson.rig.engine.request("GET", "/health", headers=READ)).json()
        return bool(health["components"]["venue"]["order_count_1m"] == orders)

    await lesson.rig.until(counted, f"{orders} orders to be counted")


async def _gone_on(lesson: Lesson, since: int) -> bool:
    """Whether positions were read again after they could not be."""
    rows = await lesson.rig.exchange.requests("GET", POSITIONS, since)
    return len(rows) >= 2 and bool(rows[-1]["status"] == 200)


async def _exchange_seconds(lesson: Lesson) -> datetime:
    served = await lesson.rig.exchange.signed("GET", "/fapi/v1/time")
    return datetime.fromtimestamp(served["serverTime"] / 1000, UTC)


async def _minute(lesson: Lesson) -> int:
    return (await _exchange_seconds(lesson)).minute


async def _minute_begun(made: Rig) -> None:
    """Let a minute of the exchange begin, for its limits begin anew with each; the engine does not see time leap."""
    await made.engine.stop()
    now_ms = (await made.exchange.signed("GET", "/fapi/v1/time"))["serverTime"]
    await made.exchange.post("clock", {"advance_ms": MINUTE_MS - now_ms % MINUTE_MS})
    await made.engine.start()
