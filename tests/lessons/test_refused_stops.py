"""Stops that the exchange refuses: the position is closed or told as naked, again and again, and never as closed."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import signal_document
from tests.support.protecting import (
    ALGO_ORDER,
    ORDER,
    QUICK,
    REFUSED,
    STOP,
    TARGET,
    alerts,
    cancel_by_hand,
    closed,
    flat,
    one,
    opened,
    placed,
)
from tests.support.rig import Rig, rig

pytestmark = pytest.mark.process

STOPS: dict[str, Any] = {"method": "POST", "path": ALGO_ORDER, "params": {"type": STOP}}


async def test_i11_without_a_stop_the_position_is_closed_within_5_s(tmp_path: Path) -> None:
    """Stops are always refused: the position is closed at market, with a critical alert."""
    async with rig(tmp_path, **QUICK) as made:
        await made.exchange.fault(REFUSED, times=None, **STOPS)
        await made.engine.accept(signal_document("buy", "A", quantity="0.01"))
        row = await closed(made, seconds=5)
        await flat(made, seconds=3)
        assert row["close_reason"] == "emergency"
        assert await alerts(made, "stop_refused") == 1
        (told,) = await made.engine.until_rows("/alerts", bool, name="stop_refused")
        assert "closed at market" in told["text"]
        tries = Counter(row["parameters"]["triggerprice"] for row in await placed(made.exchange, STOP))
        assert max(tries.values()) <= 3


@pytest.mark.slow
async def test_i11_while_the_close_fails_too_the_alert_repeats(tmp_path: Path) -> None:
    """Stops and closing orders are refused: alerts come again and again, and the close succeeds as soon as it can."""
    async with rig(tmp_path, **QUICK) as made:
        await made.exchange.fault(REFUSED, times=None, **STOPS)
        await made.exchange.fault(REFUSED, times=None, method="POST", path=ORDER, params={"side": "SELL"})
        await made.engine.accept(signal_document("buy", "A", quantity="0.01"))

        async def repeated() -> bool:
            return await alerts(made, "close_refused") >= 2

        await made.until(repeated, "a second alert about the close")
        (row,) = await made.engine.protection()
        assert row["cover"] == "naked"
        assert await alerts(made, "naked_position") == 1
        await made.exchange.heal()
        assert (await closed(made))["close_reason"] == "emergency"
        await flat(made)


async def _naked(made: Rig) -> None:
    (row,) = await made.engine.until_protection(
        lambda rows: [r["cover"] for r in rows] == ["naked"], "a naked position"
    )
    assert row["stop"] is None
    (position,) = await made.engine.rows("/strategy-positions")
    assert position["status"] == "open"


async def test_i29_a_position_whose_stop_is_refused_is_naked_and_not_closed(tmp_path: Path) -> None:
    """While stops are refused and the policy holds the position, it is told as naked and open."""
    async with rig(tmp_path, UNPROTECTED_POLICY="hold", **QUICK) as made:
        await made.exchange.fault(REFUSED, times=None, **STOPS)
        await opened(made, orders=1)
        await _naked(made)
        assert str(await made.exchange.held()) == "0.010"
        await made.engine.until_metric("tradeengine_naked_positions", 1, seconds=5)
        assert await alerts(made, "stop_refused") >= 1


async def test_i39_a_refused_new_stop_is_counted_as_refused_and_not_as_armed(tmp_path: Path) -> None:
    """The stop is cancelled by hand and its successor refused: counted as rejected, the position stays naked."""
    async with rig(tmp_path, UNPROTECTED_POLICY="hold", **QUICK) as made:
        orders = await opened(made)
        await made.exchange.fault(REFUSED, times=None, **STOPS)
        await cancel_by_hand(made.exchange, one(orders))
        counted: dict[str, Any] = {"symbol": "BTCUSDT", "side": "SELL", "status": "rejected"}
        await made.engine.until_metric("tradeengine_orders_executed_total", 1, **counted)
        await _naked(made)
        assert [order["orderType"] for order in await made.exchange.stops()] == [TARGET]
        assert await alerts(made, "stop_refused") == 1
