"""Stops between the least distance that is configured and the farthest that the exchange takes."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.lessons.lesson import Lesson, begin, school
from tests.simulator.conformance.symbols import symbol as listed
from tests.support.protecting import QUICK, STOP, TARGET, changes, one, trigger
from tests.support.rig import Rig, rig

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

BAND, FLOOR = Decimal("0.05"), Decimal("0.02")
MARK = Decimal(100)
PRICES = {"minPrice": "0.01", "maxPrice": "100000", "tickSize": "0.01"}
NARROW = {
    "PRICE_FILTER": PRICES,
    "PERCENT_PRICE": {"multiplierDown": str(1 - BAND), "multiplierUp": str(1 + BAND)},
}
SYMBOLS = [listed(f"I{number}USDT", filters=NARROW) for number in ("13", "19", "19S", "21", "22")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    folder = tmp_path_factory.mktemp("bands")
    async with school(folder, (), more=SYMBOLS, MIN_STOP_DISTANCE_PCT=str(FLOOR)) as one_rig:
        yield one_rig


async def _row(lesson: Lesson) -> dict[str, Any]:
    (row,) = await lesson.rig.engine.until_rows(
        "/strategy-positions",
        lambda rows: [bool(row["stop_loss_price"]) for row in rows] == [True],
        symbol=lesson.symbol,
    )
    return row


async def _refused_start(folder: Path, **settings: Any) -> str:
    """Log of an engine that does not start with these settings, and sends no order."""
    entry = listed("BTCUSDT", filters=NARROW | {"PRICE_FILTER": {"tickSize": "0.1"}})
    setup = {"symbols": [entry], "marks": {"BTCUSDT": "50000"}}
    async with rig(folder, setup=setup, started=False, **QUICK, **settings) as wrong:
        wrong.engine.spawn()
        assert await wrong.engine.ended(60) != 0
        assert await changes(wrong.exchange) == []
        return wrong.engine.log()


async def test_i04_a_floor_beyond_the_exchange_s_band_never_leaves_a_position_naked(tmp_path: Path) -> None:
    """With a band of 5 % and a floor of 6 % the engine says so and does not start: no order ever leaves."""
    said = await _refused_start(tmp_path, MIN_STOP_DISTANCE_PCT="0.06", STOP_LOSS_PCT="0.08")
    assert "MIN_STOP_DISTANCE_PCT=0.06 is more than the exchange takes: BTCUSDT" in said


async def test_i13_a_stop_beyond_the_band_is_moved_to_its_edge_and_says_so(made: Rig) -> None:
    """It comes no nearer than the band asks for, stays outside the floor, and the position's row says so."""
    lesson = await begin(made, "I13USDT")
    await lesson.accepted(quantity="1", stop_loss_pct="0.1")
    stop = one(await lesson.until_stops(2))
    assert BAND * Decimal("0.9") < 1 - trigger(stop) / MARK <= BAND
    row = await _row(lesson)
    assert Decimal(row["stop_loss_price"]) == trigger(stop)
    assert (row["stop_clamped"], row["stop_widened"]) == (True, False)


@pytest.mark.parametrize(("symbol", "action"), [("I19USDT", "buy"), ("I19SUSDT", "sell")])
async def test_i19_every_trigger_lies_inside_the_exchange_s_band(made: Rig, symbol: str, action: str) -> None:
    """A stop 14.8 % and a target 10 % away are placed inside the band, or not before the market comes near."""
    lesson = await begin(made, symbol)
    await lesson.accepted(action, quantity="1", stop_loss_pct="0.148", take_profit_pct="0.1")
    await lesson.until_stops(1)
    mark = MARK * (1 + (1 if action == "buy" else -1) * Decimal("0.06"))
    await lesson.mark(mark)
    await lesson.until_stops(2)
    sent = [row for row in await lesson.changes() if row["parameters"]["type"] != "MARKET"]
    assert [row["status"] for row in sent] == [200] * len(sent)
    near = {STOP: MARK, TARGET: mark}
    for row in sent:
        at = near[row["parameters"]["type"]]
        assert at * (1 - BAND) <= Decimal(row["parameters"]["triggerprice"]) <= at * (1 + BAND)


async def test_i21_a_stop_nearer_than_the_floor_refuses_the_start(tmp_path: Path) -> None:
    """Stop and floor of the settings contradict each other: the engine names both and does not start."""
    said = await _refused_start(tmp_path, MIN_STOP_DISTANCE_PCT="0.06", STOP_LOSS_PCT="0.024")
    assert "STOP_LOSS_PCT=0.024 is nearer than MIN_STOP_DISTANCE_PCT=0.06 allows" in said


async def test_i21_every_accepted_signal_can_have_its_stop(made: Rig) -> None:
    """Whatever distance a signal asks for, its position gets a stop between floor and band."""
    lesson = await begin(made, "I21USDT")
    for number, distance in enumerate(("0", "0.0001", "0.02", "0.049", "0.5")):
        await lesson.opened(f"L{number}", "buy", stop_loss_pct=distance)
        await lesson.opened(f"S{number}", "sell", stop_loss_pct=distance)
    stops = [trigger(order) for order in await lesson.stops() if order["orderType"] == STOP]
    assert len(stops) == 10
    assert all(FLOOR - Decimal("0.001") <= abs(stop / MARK - 1) <= BAND for stop in stops)


async def test_i22_a_stop_nearer_than_the_floor_is_moved_out_and_says_so(made: Rig) -> None:
    """A stop 0.19 % away rests at the floor, and the position's row says so."""
    lesson = await begin(made, "I22USDT")
    await lesson.opened(stop_loss_pct="0.0019")
    row = await _row(lesson)
    assert 1 - trigger(one(await lesson.stops())) / Decimal(row["entry_price"]) >= FLOOR
    assert (row["stop_widened"], row["stop_clamped"]) == (True, False)
