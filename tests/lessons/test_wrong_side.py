"""Stops on the wrong side of entry or market are never sent, or never twice."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import signal_document
from tests.support.protecting import (
    ALGO_ORDER,
    QUICK,
    STOP,
    TARGET,
    alerts,
    changes,
    closed,
    flat,
    looks,
    of,
    one,
    opened,
    placed,
    trigger,
)
from tests.support.rig import Rig, rig

pytestmark = pytest.mark.process

MARK = Decimal(50_000)


@pytest.mark.parametrize("policy", ["close", "reprice"])
async def test_i01_a_stop_that_the_market_crossed_before_it_rests_moves_or_the_position_closes(
    tmp_path: Path, policy: str
) -> None:
    """Within 2 s a SHORT has a stop above the mark or is flat, after at most 3 identical refusals."""
    async with rig(tmp_path, CROSSED_STOP_POLICY=policy, MIN_STOP_DISTANCE_PCT="0.005", **QUICK) as made:
        exchange = made.exchange
        await exchange.fault({"delay_ms": 600}, method="POST", path=ALGO_ORDER, params={"type": STOP})
        await made.engine.accept(signal_document("sell", "A", quantity="0.01"))
        await made.until(lambda: _filled(made), "the entry's fill")
        beyond = MARK * Decimal("1.03")
        await exchange.mark("BTCUSDT", beyond)

        async def safe() -> bool:
            if not await exchange.held(side="SHORT"):
                return True
            return any(trigger(stop) > beyond for stop in of(await exchange.stops(), STOP, "SHORT"))

        await made.until(safe, "a live stop beyond the mark, or no position", 2.6)
        refusals = Counter(
            (row["parameters"]["type"], row["parameters"]["triggerprice"])
            for row in await placed(exchange)
            if row["status"] != 200
        )
        assert refusals, "the market did not come before the stop"
        assert all(times <= 3 for times in refusals.values())
        if policy == "close":
            await flat(made, side="SHORT")
            assert (await closed(made))["close_reason"] == "stop_loss"
        else:
            assert await exchange.held(side="SHORT") == Decimal("-0.01")


async def _filled(made: Rig) -> bool:
    return bool(await made.exchange.held(side="SHORT"))


async def test_i02_a_long_with_a_negative_amount_is_told_once_and_gets_no_order(tmp_path: Path) -> None:
    """The symbol is halted with one critical alert, nothing is sent for the leg, and that is the end of it."""

    def negative(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        amount = {"positionAmt": "-0.303", "positionSide": "LONG", "symbol": "BTCUSDT"}
        return [row | amount if row["symbol"] == "BTCUSDT" else row for row in rows]

    held = [{"symbol": "BTCUSDT", "positionSide": "LONG", "qty": "0.303", "entryPrice": "50000"}]
    lies = {"/positionRisk": negative}
    async with rig(tmp_path, setup={"positions": held}, lies=lies, **QUICK) as made:
        (halt,) = await made.engine.until_rows("/symbol-halts", bool)
        assert (halt["symbol"], halt["halted"]) == ("BTCUSDT", True)
        await looks(made, 2)
        assert await alerts(made, "difference_contradiction") == 1
        (found,) = await made.engine.rows("/differences")
        assert (found["kind"], found["action"], found["status"]) == ("contradiction", "halted", "open")
        assert await changes(made.exchange) == []
        refused = (await made.engine.send(signal_document("buy", "A", quantity="0.01"))).json()
        assert (refused["outcome"], refused["reason"]) == ("rejected", "symbol_halted")


async def test_i16_a_long_stop_above_its_entry_is_never_sent(tmp_path: Path) -> None:
    """The signal is refused with a reason; where only the fill shows it, the position is closed instead."""
    async with rig(tmp_path, **QUICK) as made:
        wrong = signal_document("buy", "A", quantity="0.01", stop_loss="50500")
        refused = (await made.engine.send(wrong)).json()
        assert (refused["outcome"], refused["reason"]) == ("rejected", "stop_wrong_side")
        assert await changes(made.exchange) == []

        stale = signal_document("buy", "B", quantity="0.01", price="51000", stop_loss="50500")
        answer = (await made.engine.send(stale)).json()
        if answer["outcome"] == "accepted":
            assert (await closed(made, "B"))["close_reason"] == "stop_loss"
            await flat(made)
            assert await alerts(made, "stop_crossed", "warning") == 1
        else:
            assert answer["reason"] == "stop_wrong_side"
        sent = await placed(made.exchange, STOP)
        assert all(Decimal(row["parameters"]["triggerprice"]) < MARK for row in sent)


async def test_i17_the_stop_of_a_short_lies_above_entry_and_mark(tmp_path: Path) -> None:
    """A SHORT with a stop in percent: its trigger is above the entry and above the mark."""
    async with rig(tmp_path, **QUICK) as made:
        stop = one(await opened(made, "sell", stop_loss_pct="0.01"))
        (row,) = await made.engine.until_rows("/strategy-positions", bool)
        assert trigger(stop) > Decimal(row["entry_price"])
        assert trigger(stop) > MARK
        assert (stop["side"], stop["positionSide"]) == ("BUY", "SHORT")
        target = one(await made.exchange.stops(), TARGET)
        assert trigger(target) < MARK


async def test_i18_a_stop_far_on_the_wrong_side_is_refused_and_not_mirrored(tmp_path: Path) -> None:
    """No order leaves for a stop on the wrong side, nor for one farther away than is configured."""
    async with rig(tmp_path, MAX_STOP_DISTANCE_PCT="0.2", **QUICK) as made:
        far = signal_document("sell", "A", quantity="0.01", stop_loss="25000", signal_id="mirror")
        refused = (await made.engine.send(far)).json()
        assert (refused["outcome"], refused["reason"]) == ("rejected", "stop_wrong_side")
        double = signal_document("sell", "A", quantity="0.01", stop_loss="100000", signal_id="double")
        refused = (await made.engine.send(double)).json()
        assert (refused["outcome"], refused["reason"]) == ("rejected", "stop_too_far")
        assert await changes(made.exchange) == []
        stop = one(await opened(made, "sell", stop_loss="54000"))
        assert trigger(stop) == 54_000
