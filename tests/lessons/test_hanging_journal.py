"""A journal that hangs between a fill and its stop: the stop is live all the same, once, and the record follows.

The journal's lock is held from outside, so that commits of a real engine wait for a real store.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.process.store import check_store
from tests.support.deadline import PATIENCE_S
from tests.support.process import signal_document
from tests.support.protecting import ALGO_ORDER, ORDER, QUICK, STOP, TARGET, alerts, looks, of, one, placed, resting
from tests.support.rig import Rig, rig
from tradeengine.runtime.files import journal_file

pytestmark = pytest.mark.process

LIVE_S = 1.0
"""How long a position may be without its stop after the fill."""
QUANTITY = "0.01"


@contextmanager
def held(made: Rig) -> Iterator[None]:
    """Hold the journal's lock: every commit waits."""
    with closing(sqlite3.connect(journal_file(made.engine.data), isolation_level=None, timeout=PATIENCE_S)) as store:
        store.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            store.execute("ROLLBACK")


async def entered(made: Rig) -> None:
    """Have an entry below the market accepted, and wait until it has left."""
    entry = signal_document("buy", "A", quantity=QUANTITY, order_type="limit", price="49000")
    await made.engine.accept(entry)


async def accepted(made: Rig) -> None:
    """Wait until the exchange has the entry, and the books know it."""
    await made.engine.until_rows("/orders", lambda rows: [row["status"] for row in rows] == ["open"])


async def filled(made: Rig) -> None:
    """Let the market come to the entry."""
    await made.exchange.mark("BTCUSDT", 49_000)
    assert await made.exchange.held() == Decimal(QUANTITY)


async def stopped(made: Rig) -> dict[str, Any]:
    """Insist that the stop, and nothing else, rests in time; it."""
    (stop,) = await resting(made, 1, seconds=LIVE_S)
    assert (stop["orderType"], Decimal(stop["quantity"])) == (STOP, Decimal(QUANTITY))
    return stop


async def settled(made: Rig, folder: Path, stop: dict[str, Any]) -> None:
    """Insist that the record has followed: one stop, one target, and books that say what the exchange says."""
    orders = await resting(made, 2)
    assert one(orders, STOP)["clientAlgoId"] == stop["clientAlgoId"]
    assert len(of(orders, TARGET)) == 1
    (row,) = await made.engine.until_rows(
        "/strategy-positions", lambda rows: bool(rows) and bool(rows[0]["tp_order_id"])
    )
    assert (Decimal(row["current_quantity"]), row["sl_order_id"]) == (Decimal(QUANTITY), stop["clientAlgoId"])
    assert await made.exchange.held() == Decimal(QUANTITY)
    await made.engine.stop()
    await check_store(made.engine.data, folder, "binance-testnet")


async def test_i28_a_journal_that_hangs_between_fill_and_stop_delays_no_stop(tmp_path: Path) -> None:
    async with rig(tmp_path, **QUICK) as made:
        await entered(made)
        await accepted(made)
        with held(made):
            await filled(made)
            stop = await stopped(made)
            # A commit is given up and begun anew meanwhile.
            await made.engine.until_not_ready("the journal takes nothing")
            assert len(await made.exchange.stops()) == 1
        assert len(await placed(made.exchange, STOP)) == 1
        assert await alerts(made, "stop_before_commit", "warning") == 1
        await settled(made, tmp_path, stop)


async def test_i28_a_journal_that_hangs_since_the_entry_was_accepted_delays_no_stop(tmp_path: Path) -> None:
    """The order's acceptance waits for the journal; its fill is decided behind it."""
    async with rig(tmp_path, **QUICK) as made:
        await made.exchange.fault({"delay_ms": 500}, 1, "before", method="POST", path=ORDER)
        await entered(made)
        with held(made):
            await made.until(lambda: made.exchange.signed("GET", "/fapi/v1/openOrders"), "the entry at the exchange")
            await filled(made)
            stop = await stopped(made)
        assert len(await placed(made.exchange, STOP)) == 1
        await settled(made, tmp_path, stop)


@asynccontextmanager
async def watched(made: Rig) -> AsyncIterator[None]:
    """Insist that a stop rests all the while."""
    naked: list[float] = []

    async def watch() -> None:
        while True:
            if not of(await made.exchange.stops(), STOP):
                naked.append(time.monotonic())
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert naked == []


async def test_a_stop_that_left_before_a_crash_is_found_again(tmp_path: Path) -> None:
    """The process is killed before the commit: its books know neither fill nor stop, the exchange has both."""
    async with rig(tmp_path, **QUICK) as made:
        await entered(made)
        await accepted(made)
        with held(made):
            await filled(made)
            stop = await stopped(made)
            made.engine.kill()
        async with watched(made):
            await made.engine.start()
            await resting(made, 2)
            await looks(made, 2)
        cancels = await made.exchange.requests("DELETE", ALGO_ORDER)
        assert cancels == []
        await settled(made, tmp_path, stop)
