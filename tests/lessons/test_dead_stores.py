"""Stores that hang or take nothing: stops rest at the exchange all the same."""

import asyncio
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.process import NO_ROOM, signal_document
from tests.support.protecting import QUICK, STOP, TARGET, changes, closed, flat, of, opened, resting
from tests.support.rig import rig

pytestmark = pytest.mark.process

LIVE_S = 1.0
"""How long a position may be without its stop after the fill."""


async def test_i15_while_the_journal_takes_nothing_positions_keep_their_stops(tmp_path: Path) -> None:
    """The disk is full while positions are open: their orders stay, work, and the books follow once there is room."""
    async with rig(tmp_path, **QUICK) as made:
        await opened(made, "buy", "A")
        await opened(made, "sell", "B")
        before = await changes(made.exchange)
        made.engine.limit_files(NO_ROOM)
        waiting = asyncio.create_task(made.engine.send(signal_document("hold", "C")))
        await made.engine.until_not_ready("the journal takes nothing")
        assert len(await resting(made, 4)) == 4
        assert await changes(made.exchange) == before
        await made.exchange.mark("BTCUSDT", 48_900)

        async def stopped_out() -> bool:
            return not await made.exchange.held(side="LONG")

        await made.until(stopped_out, "the stop to do its work")
        made.engine.limit_files()
        assert (await waiting).json()["outcome"] == "held"
        assert (await closed(made, "A"))["close_reason"] == "stop_loss"
        await flat(made)
        orders = await resting(made, 2)
        assert sorted(order["orderType"] for order in of(orders, side="SHORT")) == [STOP, TARGET]
        assert await made.exchange.held(side="SHORT") == Decimal("-0.01")


async def test_i28_a_table_store_that_hangs_delays_no_stop(tmp_path: Path) -> None:
    """Somebody holds the lock of the read model: stop and target are live within 1 s of the fill."""
    async with rig(tmp_path, **QUICK) as made:
        with closing(sqlite3.connect(made.engine.data / "readmodel.sqlite", isolation_level=None)) as store:
            store.execute("BEGIN EXCLUSIVE")
            await opened(made, seconds=LIVE_S)
            store.execute("ROLLBACK")
        await made.engine.until_rows("/strategy-positions", lambda rows: bool(rows) and bool(rows[0]["sl_order_id"]))
