"""Orders that the exchange keeps waiting: what protects and closes leaves all the same, and so does the engine."""

from functools import partial
from pathlib import Path

import pytest

from tests.support.process import signal_document
from tests.support.protecting import ALGO_ORDER, ORDER, STOP, TARGET, UNAVAILABLE, alerts, closed, flat, of, opened
from tests.support.rig import rig

pytestmark = pytest.mark.process

one_shard = partial(rig, SHARDS="1", RECONCILE_INTERVAL_SECONDS="1")


async def test_a_position_is_closed_though_its_target_cannot_be_placed(tmp_path: Path) -> None:
    async with one_shard(tmp_path) as made:
        await made.exchange.fault(UNAVAILABLE, times=None, method="POST", path=ALGO_ORDER, params={"type": TARGET})
        await opened(made, orders=1)
        await made.engine.accept(signal_document("close"))
        await flat(made, seconds=5)


async def test_a_symbol_whose_stops_cannot_be_placed_keeps_no_stop_of_another_waiting(tmp_path: Path) -> None:
    """More of them than requests leave at once: the other symbol's position is protected and closed as ever."""
    async with one_shard(tmp_path, UNPROTECTED_POLICY="hold") as made:
        await made.exchange.fault(UNAVAILABLE, times=None, method="POST", path=ALGO_ORDER, params={"symbol": "BTCUSDT"})
        for number in range(10):
            await made.engine.accept(signal_document(strategy=f"S{number}", quantity="0.01"))
        await made.until(made.exchange.held, "a position")
        await opened(made, strategy="other", symbol="ETHUSDT")
        await made.engine.accept(signal_document("close", "other", symbol="ETHUSDT"))
        await flat(made, "ETHUSDT", seconds=5)


async def test_i11_a_position_whose_stop_is_never_taken_is_closed_within_5_s(tmp_path: Path) -> None:
    """Every attempt is answered with another time, not with a refusal: that is no protection either."""
    async with one_shard(tmp_path) as made:
        await made.exchange.fault(UNAVAILABLE, times=None, method="POST", path=ALGO_ORDER, params={"type": STOP})
        await made.engine.accept(signal_document(quantity="0.01"))
        await made.until(made.exchange.held, "the position")

        async def gone() -> bool:
            return not await made.exchange.held()

        await made.until(gone, "the position to be closed", 5)
        await closed(made)
        assert await alerts(made, "stop_refused") == 1


async def test_a_stop_whose_request_is_lost_rests_at_once_and_only_once(tmp_path: Path) -> None:
    async with one_shard(tmp_path) as made:
        await made.exchange.fault(
            "drop_connection", when="before", method="POST", path=ALGO_ORDER, params={"type": STOP}
        )
        (stop,) = of(await opened(made), STOP)
        asked = [row["parameters"] for row in await made.exchange.requests("POST", ALGO_ORDER)]
        assert [row["clientalgoid"] for row in asked if row["type"] == STOP] == [stop["clientAlgoId"]] * 2
        assert await alerts(made, "stop_refused") == 0


async def test_an_order_that_nobody_can_tell_of_keeps_nothing_from_leaving_after_a_restart(tmp_path: Path) -> None:
    async with one_shard(tmp_path) as made:
        (stop,) = of(await opened(made), STOP)
        made.engine.kill()
        unknown = {"status": 400, "code": -1121, "msg": "Invalid symbol."}
        name = {"clientAlgoId": stop["clientAlgoId"]}
        await made.exchange.fault(unknown, times=None, method="GET", path=ALGO_ORDER, params=name)
        made.engine.spawn()
        await made.engine.until_not_ready("still resolving orders")
        await opened(made, strategy="other", symbol="ETHUSDT")
        await made.engine.accept(signal_document("close"))
        await flat(made)


async def test_a_stop_of_the_engine_leaves_no_position_without_its_own(tmp_path: Path) -> None:
    """The opening is on its way when the engine is asked to end: it sees the fill through, and then ends."""
    async with one_shard(tmp_path) as made:
        await made.exchange.fault({"delay_ms": 300}, when="before", method="POST", path=ORDER)
        await made.engine.accept(signal_document(quantity="0.01"))
        await made.engine.stop()
        assert await made.exchange.held()
        assert {order["orderType"] for order in await made.exchange.stops()} == {STOP, TARGET}
