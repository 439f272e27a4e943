"""Trimming seen by another process: after a reopening, by owners that stood still, and after an interruption."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from shared.errors import Fenced
from shared.mongodb import MongoStore
from tests.support.records import signal_records
from tests.support.stores import empty_mongo_journal
from tradeengine.domain.inputs import signal_key
from tradeengine.journal.base import Journal
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.journal.mongodb_documents import position
from tradeengine.journal.record import Record
from tradeengine.journal.sqlite import SCHEMA_VERSION, SqliteJournal
from tradeengine.journal.stored import RecordsTrimmed

OpenJournal = Callable[[], Awaitable[Journal]]


@pytest.fixture(params=["sqlite", "mongodb"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenJournal]:
    """Opener of one and the same journal, as many times as a test has owners."""
    if request.param == "mongodb":
        place = request.getfixturevalue("mongodb_uri"), request.getfixturevalue("mongodb_database")
        await (await empty_mongo_journal(*place)).close()
    async with AsyncExitStack() as stack:

        async def open_one() -> Journal:
            sqlite = request.param == "sqlite"
            journal = SqliteJournal(tmp_path / "journal.db") if sqlite else MongoJournal(MongoStore(*place))
            await journal.open()
            stack.push_async_callback(journal.close)
            return journal

        yield open_one


async def test_a_trimmed_journal_is_the_same_to_who_opens_it_next(opened: OpenJournal) -> None:
    records, first = signal_records(5), await opened()
    await first.append(records[:4])
    await first.trim(0, 4)

    second = await opened()
    assert (await second.first_sequence(0), await second.last_sequence(0)) == (5, 4)
    assert await second.shards() == [0]
    assert await second.is_decided(signal_key("A", "BTCUSDT", "s-0-0"))
    with pytest.raises(RecordsTrimmed):
        await second.read(0)
    await second.append(records[4:])
    with pytest.raises(Fenced, match="record 5 of shard 0 is taken"):
        await first.append(records[4:])


async def test_an_owner_that_stood_still_cannot_write_where_records_were_trimmed(opened: OpenJournal) -> None:
    records, sleeper, worker = signal_records(6), await opened(), await opened()
    await sleeper.append(records[:2])
    await worker.append(records[2:])
    await worker.trim(0, 6)

    # It still believes that the journal ends at 2.
    with pytest.raises(Fenced, match="record 3 of shard 0 is taken"):
        await sleeper.append([Record(0, 3, records[0].entries, 1)])
    with pytest.raises(Fenced, match="of shard 0 is taken"):
        await sleeper.append([Record(0, 4, records[0].entries, 1)])
    assert await worker.last_sequence(0) == 6
    assert await worker.read(0, after=6) == []


async def test_in_mongodb_a_step_that_was_interrupted_before_its_mark_is_seen_and_finished(
    mongodb_uri: str, mongodb_database: str
) -> None:
    records = signal_records(6)
    journal = await empty_mongo_journal(mongodb_uri, mongodb_database)
    await journal.append(records)
    await journal.trim(0, 1)
    store = MongoStore(mongodb_uri, mongodb_database)
    await store.open()
    # What is left of a trim through 4 whose process died.
    await store.collection("journal").update_many(
        {"_id": {"$gt": position(0, 1), "$lte": position(0, 3)}}, {"$unset": {"payload": ""}}
    )

    assert await journal.first_sequence(0) == 4
    for after in (1, 2):
        with pytest.raises(RecordsTrimmed, match=f"record {after + 1} of shard 0"):
            await journal.read(0, after=after)
    assert await journal.read(0, after=3) == records[3:]
    await journal.trim(0, 4)
    assert await journal.first_sequence(0) == 5
    assert await journal.read(0, after=4) == records[4:]
    await store.close()
    await journal.close()


async def test_a_file_of_the_former_schema_is_carried_over(tmp_path: Path) -> None:
    path, records = tmp_path / "journal.db", signal_records(3)
    journal = SqliteJournal(path)
    await journal.open()
    await journal.append(records)
    await journal.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE trimmed")
        connection.execute("UPDATE meta SET value = 1 WHERE name = 'schema_version'")

    again = SqliteJournal(path)
    await again.open()
    assert await again.read(0) == records
    await again.trim(0, 2)
    assert await again.first_sequence(0) == 3
    await again.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT value FROM meta").fetchall() == [(str(SCHEMA_VERSION),)]
