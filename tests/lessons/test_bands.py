"""Stops between the least distance that is configured and the farthest that the exchange takes."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.conformance.symbols import symbol
from tests.support.protecting import QUICK, STOP, TARGET, changes, one, opened, placed, trigger
from tests.support.rig import rig

pytestmark = pytest.mark.process

BAND = Decimal("0.05")
NARROW = {"PERCENT_PRICE": {"multiplierDown": "0.9500", "multiplierUp": "1.0500"}}
SETUP: dict[str, Any] = {
    "symbols": [symbol("BTCUSDT", filters=NARROW)],
    "marks": {"BTCUSDT": "50000"},
}
MARK = Decimal(50_000)


async def test_i04_a_floor_beyond_the_exchange_s_band_never_leaves_a_position_naked(tmp_path: Path) -> None:
    """With a band of 5 % and a floor of 6 % the engine says so and does not start: no order ever leaves."""
    wide: dict[str, Any] = {"MIN_STOP_DISTANCE_PCT": "0.06", "STOP_LOSS_PCT": "0.08"}
    async with rig(tmp_path, setup=SETUP, started=False, **QUICK | wide) as made:
        made.engine.spawn()
        assert await made.engine.ended() != 0
        said = made.engine.log()
        assert "MIN_STOP_DISTANCE_PCT=0.06 is more than the exchange takes: BTCUSDT" in said
        assert await changes(made.exchange) == []


async def test_i13_a_stop_beyond_the_band_is_moved_to_its_edge_and_says_so(tmp_path: Path) -> None:
    """It comes no nearer than the band asks for, stays outside the floor, and the position's row says so."""
    async with rig(tmp_path, setup=SETUP, MIN_STOP_DISTANCE_PCT="0.04", **QUICK | {"STOP_LOSS_PCT": "0.1"}) as made:
        stop = one(await opened(made))
        distance = 1 - trigger(stop) / MARK
        assert Decimal("0.04") < distance <= BAND
        assert distance > BAND * Decimal("0.9")
        (row,) = await made.engine.until_rows("/strategy-positions", lambda rows: bool(rows[0]["stop_loss_price"]))
        assert Decimal(row["stop_loss_price"]) == trigger(stop)
        assert (row["stop_clamped"], row["stop_widened"]) == (True, False)


@pytest.mark.parametrize("action", ["buy", "sell"])
async def test_i19_every_trigger_lies_inside_the_exchange_s_band(tmp_path: Path, action: str) -> None:
    """A stop 14.8 % and a target 10 % away are placed inside the band, or not before the market comes near."""
    async with rig(tmp_path, setup=SETUP, **QUICK) as made:
        await opened(made, action, orders=1, stop_loss_pct="0.148", take_profit_pct="0.1")
        sign = 1 if action == "buy" else -1
        mark = MARK * (1 + sign * Decimal("0.06"))
        await made.exchange.mark("BTCUSDT", mark)

        async def with_target() -> bool:
            return len(await made.exchange.stops()) == 2

        await made.until(with_target, "the target to rest once the market is near")
        sent = await placed(made.exchange)
        assert [row["status"] for row in sent] == [200] * len(sent)
        marks = {STOP: MARK, TARGET: mark}
        for row in sent:
            near = marks[row["parameters"]["type"]]
            assert near * (1 - BAND) <= Decimal(row["parameters"]["triggerprice"]) <= near * (1 + BAND)


async def test_i21_every_accepted_signal_can_have_its_stop(tmp_path: Path) -> None:
    """Stop and floor that contradict each other refuse the start; a nearer stop of a signal is moved out."""
    (tmp_path / "wrong").mkdir()
    contradiction: dict[str, Any] = {"MIN_STOP_DISTANCE_PCT": "0.06", "STOP_LOSS_PCT": "0.024"}
    async with rig(tmp_path / "wrong", started=False, **QUICK, **contradiction) as made:
        made.engine.spawn()
        assert await made.engine.ended() != 0
        assert "STOP_LOSS_PCT=0.024 is nearer than MIN_STOP_DISTANCE_PCT=0.06 allows" in made.engine.log()

    (tmp_path / "right").mkdir()
    async with rig(tmp_path / "right", setup=SETUP, MIN_STOP_DISTANCE_PCT="0.02", **QUICK) as made:
        for action, side in (("buy", "LONG"), ("sell", "SHORT")):
            stop = one(await opened(made, action, side, stop_loss_pct="0.002"), side=side)
            assert Decimal("0.0199") < abs(trigger(stop) / MARK - 1) <= BAND


async def test_i22_a_stop_nearer_than_the_floor_is_moved_out_and_says_so(tmp_path: Path) -> None:
    """A stop 0.19 % away with a floor of 1 % rests 1 % away, and the position's row says so."""
    async with rig(tmp_path, MIN_STOP_DISTANCE_PCT="0.01", **QUICK) as made:
        stop = one(await opened(made, stop_loss_pct="0.0019"))
        (row,) = await made.engine.until_rows("/strategy-positions", lambda rows: bool(rows[0]["stop_loss_price"]))
        assert 1 - trigger(stop) / Decimal(row["entry_price"]) >= Decimal("0.01")
        assert (row["stop_widened"], row["stop_clamped"]) == (True, False)
