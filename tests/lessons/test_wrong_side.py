"""Stops on the wrong side of entry or market are never sent, or never twice."""

from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.lessons.lesson import Lesson, begin, school
from tests.support.process import signal_document
from tests.support.protecting import ALGO_ORDER, QUICK, STOP, TARGET, alerts, changes, looks, of, one, trigger
from tests.support.rig import Rig, rig

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

MARK = Decimal(100)
SYMBOLS = tuple(f"I{number}USDT" for number in ("01", "16", "17", "18"))
LIMITS: dict[str, Any] = {"MIN_STOP_DISTANCE_PCT": "0.005", "MAX_STOP_DISTANCE_PCT": "0.2"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with school(tmp_path_factory.mktemp("sides"), SYMBOLS, **LIMITS) as one_rig:
        yield one_rig


async def _crossed(lesson: Lesson) -> Decimal:
    """Let the market cross the stop of a new SHORT before it rests; where the market stands then."""
    place = {"path": ALGO_ORDER, "params": {"type": STOP, "symbol": lesson.symbol}}
    await lesson.rig.exchange.fault({"delay_ms": 1_500}, 1, None, method="POST", **place)
    await lesson.accepted("sell", quantity="1")
    await lesson.until_held(-1, "SHORT")
    beyond = MARK * Decimal("1.03")
    await lesson.mark(beyond)

    async def safe() -> bool:
        stops = of(await lesson.stops(), STOP, "SHORT")
        return any(trigger(stop) > beyond for stop in stops) or not await lesson.held("SHORT")

    await lesson.rig.until(safe, "a live stop beyond the mark, or no position", 1.5 + 2)
    sent = [row for row in await lesson.sent("POST", ALGO_ORDER) if row["status"] != 200]
    refusals = Counter((row["parameters"]["type"], row["parameters"]["triggerprice"]) for row in sent)
    assert refusals, "the market did not come before the stop"
    assert all(times <= 3 for times in refusals.values())
    return beyond


async def _closed(lesson: Lesson, strategy: str = "A") -> dict[str, Any]:
    (row,) = await lesson.rig.engine.until_rows(
        "/strategy-positions",
        lambda rows: [row["status"] for row in rows] == ["closed"],
        symbol=lesson.symbol,
        strategy_id=strategy,
    )
    return row


async def test_i01_a_stop_that_the_market_crossed_before_it_rests_closes_the_position(made: Rig) -> None:
    """Within 2 s a SHORT whose stop lies on the wrong side of the mark is flat, after at most 3 equal refusals."""
    lesson = await begin(made, "I01USDT")
    await _crossed(lesson)
    await lesson.until_held(0, "SHORT")
    await lesson.until_stops(0)
    assert (await _closed(lesson))["close_reason"] == "stop_loss"


async def test_i01_or_the_stop_moves_beyond_the_market(tmp_path: Path) -> None:
    """By the other policy it has, within 2 s, a stop on the correct side of the mark."""
    async with school(tmp_path, SYMBOLS[:1], CROSSED_STOP_POLICY="reprice", **LIMITS) as repricing:
        lesson = await begin(repricing, "I01USDT")
        beyond = await _crossed(lesson)
        assert await lesson.held("SHORT") == -1
        assert trigger(one(await lesson.stops())) > beyond


async def test_i02_a_long_with_a_negative_amount_is_told_once_and_gets_no_order(tmp_path: Path) -> None:
    """The symbol is halted with one critical alert, nothing is sent for the leg, and that is the end of it."""

    def negative(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        amount = {"positionAmt": "-0.303", "positionSide": "LONG", "symbol": "BTCUSDT"}
        return [row | amount if row["symbol"] == "BTCUSDT" else row for row in rows]

    held = [{"symbol": "BTCUSDT", "positionSide": "LONG", "qty": "0.303", "entryPrice": "50000"}]
    lies = {"/positionRisk": negative}
    async with rig(tmp_path, setup={"positions": held}, lies=lies, **QUICK) as halted:
        (halt,) = await halted.engine.until_rows("/symbol-halts", bool)
        assert (halt["symbol"], halt["halted"]) == ("BTCUSDT", True)
        await looks(halted, 2)
        assert await alerts(halted, "difference_contradiction") == 1
        (found,) = await halted.engine.rows("/differences")
        assert (found["kind"], found["action"], found["status"]) == ("contradiction", "halted", "open")
        assert await changes(halted.exchange) == []
        refused = (await halted.engine.send(signal_document("buy", "A", quantity="0.01"))).json()
        assert (refused["outcome"], refused["reason"]) == ("rejected", "symbol_halted")


async def test_i16_a_long_stop_above_its_entry_is_never_sent(made: Rig) -> None:
    """The signal is refused with a reason, also where its own price would make the stop look right."""
    lesson = await begin(made, "I16USDT")
    assert await lesson.refused(quantity="1", stop_loss="101") == "stop_wrong_side"
    lying = {"quantity": "1", "price": "102", "stop_loss": "101"}
    assert await lesson.refused("buy", "B", **lying) == "stop_wrong_side"
    assert await lesson.changes() == []


async def test_i17_the_stop_of_a_short_lies_above_entry_and_mark(made: Rig) -> None:
    """A SHORT with a stop in percent: its trigger is above the entry and above the mark."""
    lesson = await begin(made, "I17USDT")
    await lesson.opened("A", "sell", stop_loss_pct="0.01")
    (fill,) = await lesson.fills()
    orders = await lesson.stops()
    stop = one(orders)
    assert trigger(stop) > max(Decimal(fill["price"]), MARK)
    assert (stop["side"], stop["positionSide"]) == ("BUY", "SHORT")
    assert trigger(one(orders, TARGET)) < MARK


async def test_i18_a_stop_far_on_the_wrong_side_is_refused_and_not_mirrored(made: Rig) -> None:
    """No order leaves for a stop on the wrong side, nor for one farther away than is configured."""
    lesson = await begin(made, "I18USDT")
    assert await lesson.refused("sell", quantity="1", stop_loss="50", signal_id="half") == "stop_wrong_side"
    assert await lesson.refused("sell", quantity="1", stop_loss="203", signal_id="double") == "stop_too_far"
    assert await lesson.changes() == []
    await lesson.opened("A", "sell", stop_loss="108")
    assert trigger(one(await lesson.stops())) == 108
