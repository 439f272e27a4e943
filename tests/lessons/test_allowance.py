"""The exchange lets an account have so many conditional orders: what is opened finds room, and stops come first."""

from pathlib import Path

import pytest

from tests.support.process import signal_document
from tests.support.protecting import QUICK, STOP, alerts, one, opened, resting
from tests.support.rig import rig

pytestmark = pytest.mark.process


async def test_openings_that_find_no_room_for_their_stops_are_refused(tmp_path: Path) -> None:
    """Of 200 conditional orders 196 are kept in reserve: two positions open, a third is refused with the figures."""
    async with rig(tmp_path, CONDITIONAL_ORDER_RESERVE="196", **QUICK) as made:
        await opened(made, "buy", "A")
        await opened(made, "sell", "B")
        refused = (await made.engine.send(signal_document("buy", "C", quantity="0.01"))).json()
        assert (refused["outcome"], refused["reason"]) == ("rejected", "protection_limit")
        assert "4 conditional orders of 200 are in use" in refused["detail"]
        await made.engine.accept(signal_document("close", "A"))
        await resting(made, 2)
        await opened(made, "buy", "C")


async def test_where_the_exchange_has_no_room_the_stop_comes_first(tmp_path: Path) -> None:
    """With room for one order only the stop rests, the missing target is told, and it comes when there is room."""
    async with rig(tmp_path, setup={"options": {"max_conditional_orders": 3}}, **QUICK) as made:
        await opened(made, "sell", "A")
        (stop,) = [order for order in await opened(made, "buy", "B", orders=1) if order["positionSide"] == "LONG"]
        assert stop["orderType"] == STOP
        await made.until(lambda: alerts(made, "target_refused", "warning"), "the alert about the target")
        await made.engine.until_protection(
            lambda rows: [row["cover"] for row in rows] == ["protected"] * 2, "both positions protected"
        )
        await made.engine.accept(signal_document("close", "A"))

        async def complete() -> bool:
            return len(await made.exchange.stops()) == 2

        await made.until(complete, "the target, now that there is room")
        assert one(await made.exchange.stops())["algoId"] == stop["algoId"]
