"""State truth: what an engine knows after it was ended as by a power cut."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from tests.lessons.lesson import begin, school
from tests.support.rig import Rig
from tradeengine.runtime.files import journal_file, read_model_file

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

SYMBOL = "HELDUSDT"
OWNERS = {("LONG", "A"): "1", ("LONG", "B"): "0.5", ("SHORT", "C"): "0.7"}
TABLES = ("/positions", "/strategy-positions", "/contributions", "/orders", "/fills", "/decisions")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """Two strategies hold the long leg and one the short one, each with stop and target."""
    async with school(tmp_path_factory.mktemp("restarts"), [SYMBOL]) as one:
        lesson = await begin(one, SYMBOL)
        for (side, strategy), quantity in OWNERS.items():
            await lesson.opened(strategy, "buy" if side == "LONG" else "sell", quantity)
        await one.engine.until_projected()
        yield one


async def test_i48_a_restart_finds_its_orders_again(made: Rig) -> None:
    """After a restart with live stops and targets, none is placed and none is cancelled."""
    lesson = await begin(made, SYMBOL)
    resting = await lesson.stops()
    made.engine.kill()
    await made.engine.start()
    await lesson.until_protected("A", "B", "C")
    await lesson.looks(2)
    assert await lesson.changes() == []
    assert await lesson.stops() == resting
    assert len(resting) == 6


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_i99_twenty_restarts_change_nothing_at_the_exchange(made: Rig) -> None:
    """Twenty restarts with open positions: no order is placed or cancelled, and all positions stay counted."""
    lesson = await begin(made, SYMBOL)
    resting = await lesson.stops()
    for _ in range(20):
        made.engine.kill()
        await made.engine.start()
        await lesson.until_protected("A", "B", "C")
        assert await made.engine.metric("tradeengine_naked_positions") == 0
    await lesson.looks(2)
    assert await lesson.changes() == []
    assert await lesson.stops() == resting


async def test_i111_owners_are_known_after_a_restart(made: Rig) -> None:
    """After a restart each strategy has its own share, and closes that and no more."""
    lesson = await begin(made, SYMBOL)
    made.engine.kill()
    await made.engine.start()
    assert await _owners(made) == OWNERS
    await lesson.opened("D", "buy", "0.2")
    await lesson.accepted("close", "D")
    await lesson.until_held("1.5")
    await lesson.until_stops(6)
    assert await _owners(made) == OWNERS


async def test_i96_an_empty_host_with_the_same_storage_knows_the_same(made: Rig) -> None:
    """The journal alone is taken to an empty folder: every table and every position there is as it was."""
    lesson = await begin(made, SYMBOL)
    await made.engine.until_projected()
    known = await _tables(made)
    made.engine.kill()

    home = made.engine.data
    elsewhere = home.with_name("elsewhere")
    elsewhere.mkdir()
    with (
        closing(sqlite3.connect(journal_file(home))) as source,
        closing(sqlite3.connect(journal_file(elsewhere))) as to,
    ):
        source.backup(to)
    shutil.rmtree(home)
    elsewhere.rename(home)

    await made.engine.start()
    await lesson.until_protected("A", "B", "C")
    await lesson.looks(1)
    assert await _tables(made) == known
    assert await lesson.changes() == []


async def test_i108_a_read_model_of_an_earlier_version_is_made_anew(made: Rig) -> None:
    """A read model of an earlier version, which lacks a column, is made anew and says what it said before."""
    lesson = await begin(made, SYMBOL)
    await made.engine.until_projected()
    known = await _tables(made)
    await made.engine.stop()
    with closing(sqlite3.connect(read_model_file(made.engine.data))) as connection, connection:
        connection.execute("ALTER TABLE exchange_positions DROP COLUMN unrealized_pnl")
        connection.execute("UPDATE schema_version SET version = version - 1")

    await made.engine.start()
    await made.engine.until_projected()
    assert await _tables(made) == known
    await lesson.until_protected("A", "B", "C")


async def _owners(made: Rig) -> dict[tuple[str, str], str]:
    rows = await made.engine.rows("/strategy-positions", symbol=SYMBOL, sort="entry_time")
    return {
        (row["side"], row["strategy_id"]): row["current_quantity"] for row in rows if Decimal(row["current_quantity"])
    }


async def _tables(made: Rig) -> dict[str, list[dict[str, Any]]]:
    keys = {path: await made.engine.rows(path, symbol=SYMBOL) for path in TABLES}
    return {path: sorted(rows, key=repr) for path, rows in keys.items()}
