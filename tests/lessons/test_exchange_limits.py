"""Exchange API contract mistakes: limits of requests and orders, and who may still send when they are near."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.lessons.lesson import Lesson, begin, school
from tests.support.process import READ
from tests.support.protecting import ORDER

pytestmark = pytest.mark.process

POSITIONS = "/fapi/v3/positionRisk"
TOO_MANY = {"status": 429, "code": -1003, "msg": "Too many requests.", "retry_after": 2}
ORDERS_1M = 20


@pytest.mark.parametrize(("effect", "status"), [(TOO_MANY, 429), ({"ban": 2}, 418)])
async def test_429_and_418_stop_requests_until_they_may_go_on(
    tmp_path: Path, effect: dict[str, Any], status: int
) -> None:
    """After 429 or 418 nothing at all is sent for as long as the exchange asks; then the engine goes on by itself."""
    async with school(tmp_path, ["LIMITUSDT"]) as made:
        lesson = await begin(made, "LIMITUSDT")
        await lesson.opened()
        begun = await made.exchange.moment()
        await made.exchange.fault(effect, path=POSITIONS)

        async def gone_on() -> bool:
            rows = await made.exchange.requests("GET", POSITIONS, begun)
            return len(rows) >= 2 and rows[-1]["status"] == 200

        await made.until(gone_on, "the first look afterwards")
        rows = [row for row in await made.exchange.requests(since=begun) if row["path"].startswith("/fapi")]
        times = [row["time"] for row in rows]
        stop = next(row["time"] for row in rows if row["path"] == POSITIONS)
        # What was under way beside it had left already.
        later = [time for time in times if time > stop + 200]
        assert min(later) - stop >= 2_000
        assert not [row for row in rows if row["time"] in later and row["status"] in (418, 429)]
        await lesson.until_protected("A")


async def test_closing_goes_on_when_opening_has_used_its_share_of_the_orders(tmp_path: Path) -> None:
    """Openings use up their part of the orders of a minute and wait; a close still leaves at once."""
    limits = {"weight_1m": 10**9, "orders_10s": 10**9, "orders_1m": ORDERS_1M}
    async with school(tmp_path, ["LIMITUSDT"], setup={"options": limits}) as made:
        lesson = await begin(made, "LIMITUSDT")
        await _early_in_the_minute(lesson)
        minute = await _minute(lesson)
        for number in range(5):
            await lesson.opened(f"S{number}")
        await lesson.accepted("buy", "S5", quantity="1")
        await lesson.until_stops(12)
        await lesson.accepted("buy", "late", quantity="1")
        await lesson.accepted("close", "S0")
        await lesson.until_held(5)
        await lesson.until_stops(10)
        used = [row for row in await lesson.sent("POST") if row["status"] == 200]
        assert await _minute(lesson) == minute, "the minute passed: its limits began anew"
        assert len(used) == 19
        assert used[-1]["parameters"]["side"] == "SELL"
        (late,) = await lesson.orders(strategy_id="late")
        assert late["status"] == "planned"
        await _until_counted(lesson, 19)


async def test_orders_of_others_on_the_account_count_as_well(tmp_path: Path) -> None:
    """What somebody else sends uses up the same limits: the engine takes over the exchange's own count."""
    limits = {"weight_1m": 10**9, "orders_10s": 10**9, "orders_1m": 10**9}
    async with school(tmp_path, ["LIMITUSDT"], setup={"options": limits}) as made:
        lesson = await begin(made, "LIMITUSDT")
        await _early_in_the_minute(lesson)
        terms = {"symbol": lesson.symbol, "side": "BUY", "positionSide": "LONG", "type": "LIMIT", "timeInForce": "GTC"}
        for _ in range(10):
            await made.exchange.signed("POST", ORDER, **terms, quantity="1", price="90")
        await lesson.opened()
        await _until_counted(lesson, 13)


async def _until_counted(lesson: Lesson, orders: int) -> None:
    """Wait until the engine says that so many orders were sent in this minute."""

    async def counted() -> bool:
        health = (await lesson.rig.engine.request("GET", "/health", headers=READ)).json()
        return bool(health["components"]["venue"]["order_count_1m"] == orders)

    await lesson.rig.until(counted, f"{orders} orders to be counted", 5)


async def _exchange_seconds(lesson: Lesson) -> datetime:
    served = await lesson.rig.exchange.signed("GET", "/fapi/v1/time")
    return datetime.fromtimestamp(served["serverTime"] / 1000, UTC)


async def _minute(lesson: Lesson) -> int:
    return (await _exchange_seconds(lesson)).minute


async def _early_in_the_minute(lesson: Lesson) -> None:
    """Wait for a minute of the exchange of which most is left: its limits begin anew with each."""

    async def early() -> bool:
        return (await _exchange_seconds(lesson)).second < 45

    await lesson.rig.until(early, "the next minute", 20)
