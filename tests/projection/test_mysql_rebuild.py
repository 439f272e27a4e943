"""The copy in MySQL is made anew beside the old one, while an engine goes on to write."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.errors import ConfigError, RetrySafe
from tests.projection.mysql_place import MySqlPlace, mysql_rows
from tests.projection.tables import dump
from tests.projection.targets import SqlitePlace, prepared
from tests.support.deadline import PATIENCE_S
from tests.support.records import Move, RecordedWorld, play
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.projection.catch_up import catch_up, heads_of
from tradeengine.projection.mysql import MySqlReadModel
from tradeengine.projection.mysql_rebuild import PREFIX, Rebuild
from tradeengine.projection.projector import Projector


def history(count: int = 30) -> list[Record]:
    moves: list[Move] = []
    for number in range(count):
        moves += [("buy", number, 1, number), ("fill", 0, 1, 3), ("fund", 1, 1, number), ("cut", 0, 0, 0)]
    return play(RecordedWorld(), moves)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[MySqlPlace]:
    async with prepared("mysql", tmp_path) as made:
        assert isinstance(made, MySqlPlace)
        yield made


@pytest.fixture
async def journal() -> MemoryJournal:
    made = MemoryJournal()
    await made.append(history())
    return made


def anew(place: MySqlPlace) -> MySqlReadModel:
    return MySqlReadModel(place.address, venue="paper", clock=SystemClock(), prefix=PREFIX)


async def rebuild(place: MySqlPlace, journal: MemoryJournal) -> None:
    async with Rebuild(place.address) as attempt:
        model = anew(place)
        await model.open()
        await catch_up(journal, model, await heads_of(journal), SystemClock())
        await model.close()
        await attempt.exchange()


async def interrupted(place: MySqlPlace, records: list[Record]) -> None:
    async with Rebuild(place.address):
        model = anew(place)
        await model.open()
        await model.apply(records)
        await model.close()
        raise InterruptedError


async def leftovers(place: MySqlPlace) -> list[str]:
    rows = await mysql_rows(
        place.address,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
        " AND (table_name LIKE 'rebuild%%' OR table_name LIKE 'retired%%')",
    )
    return [name for (name,) in rows]


async def assert_equal(place: MySqlPlace, journal: MemoryJournal, folder: Path) -> None:
    sqlite, mysql = SqlitePlace(folder).model(), place.model()
    await sqlite.open()
    await mysql.open()
    await sqlite.apply(await journal.read(0))
    assert await dump(mysql) == await dump(sqlite)
    await sqlite.close()
    await mysql.close()


async def test_what_was_spoiled_is_whole_again(place: MySqlPlace, journal: MemoryJournal, tmp_path: Path) -> None:
    model = place.model()
    await model.open()
    await model.apply(await journal.read(0))
    await model.close()
    await mysql_rows(place.address, "UPDATE positions SET pnl = 1")
    await mysql_rows(place.address, "DELETE FROM fills LIMIT 3")
    await mysql_rows(
        place.address,
        "INSERT INTO parked_rows (table_name, row_key, reason, shard, sequence, row_values, parked_at)"
        " VALUES ('fills', 'x', 'too large', 0, 1, '{}', UTC_TIMESTAMP(3))",
    )

    await rebuild(place, journal)

    await assert_equal(place, journal, tmp_path)
    assert await mysql_rows(place.address, "SELECT * FROM parked_rows") == []
    assert await mysql_rows(place.address, "SELECT COUNT(*) FROM strategy_performance") != [(0,)]
    assert await leftovers(place) == []


async def test_an_engine_that_goes_on_meanwhile_goes_on_after_it(
    place: MySqlPlace, journal: MemoryJournal, tmp_path: Path
) -> None:
    records = history(60)
    later = records[len(await journal.read(0)) :]
    live = place.model()
    await live.open()
    projector = Projector(journal, live, SystemClock(), [0])
    await projector.start()

    async def trade() -> None:
        for record in later:
            await journal.append([record])
            projector.notify(record)
            await asyncio.sleep(0.01)

    trading = asyncio.create_task(trade())
    for _ in range(2):
        await rebuild(place, journal)
    await trading
    async with asyncio.timeout(PATIENCE_S):
        await projector.catch_up()
    await projector.stop()
    await live.close()

    assert len(later) > 20
    await assert_equal(place, journal, tmp_path)


async def test_an_engine_that_remembers_rows_of_the_old_copy_does_not_bring_them_back(
    place: MySqlPlace, tmp_path: Path
) -> None:
    records, journal = history(), MemoryJournal()
    await journal.append(records[:-9])
    first = place.model()
    await first.open()
    await first.apply(records[:10])
    await first.close()
    await mysql_rows(place.address, "UPDATE daily_pnl SET fees = fees + 1000")
    engine = place.model()
    await engine.open()
    await engine.apply(records[10:-9])

    # The new copy ends where the engine has left the old one.
    await rebuild(place, journal)
    await journal.append(records[-9:])
    await engine.apply(records[-9:])

    await engine.close()
    await assert_equal(place, journal, tmp_path)


async def test_an_interrupted_attempt_leaves_the_old_tables_and_is_repeated(
    place: MySqlPlace, journal: MemoryJournal, tmp_path: Path
) -> None:
    old = place.model()
    await old.open()
    records = await journal.read(0)
    await old.apply(records[:5])
    before = await dump(old)
    with pytest.raises(InterruptedError):
        await interrupted(place, records[:9])

    assert await dump(old) == before
    assert await leftovers(place) != []
    await old.close()
    await rebuild(place, journal)
    await assert_equal(place, journal, tmp_path)
    assert await leftovers(place) == []


async def test_only_one_attempt_works_at_a_time(place: MySqlPlace) -> None:
    async with Rebuild(place.address):
        with pytest.raises(RetrySafe, match="another process makes the copy anew"):
            async with Rebuild(place.address):
                raise AssertionError("two attempts at once")


async def test_who_has_lost_the_lock_exchanges_nothing(place: MySqlPlace) -> None:
    async with Rebuild(place.address) as attempt:
        ((holder,),) = await mysql_rows(
            place.address, "SELECT IS_USED_LOCK(%s)", f"tradeengine_rebuild_{place.address.database}"[:64]
        )
        await mysql_rows(place.address, f"KILL {holder}")
        with pytest.raises(RetrySafe, match="begin again"):
            await attempt.exchange()


@pytest.mark.parametrize(("kept", "said"), [("sequence > 3", "goes on with 4"), ("sequence < 0", "ends there")])
async def test_a_journal_that_lacks_records_is_refused(place: MySqlPlace, tmp_path: Path, kept: str, said: str) -> None:
    records = history()
    journal = SqliteJournal(tmp_path / "journal.db")
    await journal.open()
    await journal.append(records)
    with sqlite3.connect(journal.path) as connection:
        connection.execute(f"DELETE FROM records WHERE NOT ({kept})")
    connection.close()
    model = place.model()
    await model.open()
    with pytest.raises(ConfigError, match=rf"shard 0 {said}, records are needed from 1 on"):
        await catch_up(journal, model, {0: len(records)}, SystemClock())
    await model.close()
    await journal.close()
