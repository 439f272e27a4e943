"""Stops and targets neither multiply nor outlive their positions, however often positions come and go."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.cycles import LEGS, Cycles, open_positions, resting_orders, watching
from tests.support.rig import Rig, rig

pytestmark = pytest.mark.process

CYCLES = 30


async def test_i44_cycles_leave_two_orders_for_each_open_position_and_no_orphan(tmp_path: Path) -> None:
    async with rig(tmp_path, RECONCILE_INTERVAL_SECONDS="1") as made, watching(made.exchange) as watch:
        cycles = Cycles(made.engine, watch)
        await cycles.run(LEGS, CYCLES, hurried_every=2)
        assert await _resting_when_quiet(made) == []
        assert await open_positions(made.exchange) == []

        kept = (LEGS[0], LEGS[3])
        for leg in kept:
            await cycles.open(leg)
        resting = await _resting_when_quiet(made)
        held = await open_positions(made.exchange)

    assert sorted(held) == sorted(leg.place for leg in kept)
    assert len(resting) == 2 * len(held)
    kinds = ("STOP_MARKET", "TAKE_PROFIT_MARKET")
    assert Counter((row["symbol"], row["positionSide"], row["orderType"]) for row in resting) == {
        (*leg.place, kind): 1 for leg in kept for kind in kinds
    }


async def _resting_when_quiet(made: Rig) -> list[dict[str, Any]]:
    """What rests once the engine has compared its books with the exchange and changed nothing in consequence."""

    async def looks_and_changes() -> tuple[int, int]:
        asked = await made.exchange.requests(path="/fapi/v1/")
        looks = sum(row["path"].endswith("/openAlgoOrders") and "symbol" in row["parameters"] for row in asked)
        return looks, sum(row["method"] != "GET" and "rder" in row["path"] for row in asked)

    looks, changes = await looks_and_changes()

    async def quiet() -> bool:
        nonlocal looks, changes
        now_looks, now_changes = await looks_and_changes()
        if now_changes != changes:
            looks, changes = now_looks, now_changes
        return now_looks >= looks + 2 * len({leg.symbol for leg in LEGS})

    await made.until(quiet, "two looks at the exchange that change nothing")
    return await resting_orders(made.exchange)
