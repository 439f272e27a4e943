"""Archiving killed anywhere, and beside an engine that works: archive and journal together lose and double nothing."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.journal.archiver import archive_all, journal_at
from tests.support.deadline import PATIENCE_S
from tests.support.records import signal_records
from tests.support.services import fresh_mongodb_database
from tests.support.stores import empty_mongo_journal
from tradeengine.domain.inputs import signal_key
from tradeengine.journal.archive import Archive
from tradeengine.journal.archive_whole import WholeJournal
from tradeengine.journal.base import Journal
from tradeengine.journal.record import Record
from tradeengine.journal.sqlite import SqliteJournal

ROOT = Path(__file__).resolve().parents[2]
KILLS = {"sqlite": 12, "mongodb": 6}
RECORDS = {shard: signal_records(12, shard=shard, tag=f"of-{shard}") for shard in (0, 1)}


def archiver(place: str, folder: Path, point: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.journal.archiver", place, str(folder), str(point)]
    return subprocess.run(command, check=False, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S)


@asynccontextmanager
async def opened(journal: Journal) -> AsyncIterator[Journal]:
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


async def make(place: str) -> None:
    """Write the records to a new journal."""
    uri, _, database = place.partition(" ")
    if database:
        await (await empty_mongo_journal(uri, database)).close()
    async with opened(journal_at(place)) as journal:
        for records in RECORDS.values():
            await journal.append(records)


async def check(place: str, folder: Path, told: str) -> None:
    """Look at what a killed run left, then archive the rest and look again."""
    async with opened(journal_at(place)) as journal:
        await check_whole(journal, folder, told)
        await archive_all(journal, folder)
        assert [await journal.first_sequence(shard) for shard in RECORDS] == [13, 13], told
        await check_whole(journal, folder, told)
        assert list(folder.glob(".shard-*.part")) == [], told


async def check_whole(journal: Journal, folder: Path, told: str) -> None:
    whole = WholeJournal(Archive(folder), journal)
    for shard, records in RECORDS.items():
        found: list[Record] = []
        while page := await whole.read(shard, after=len(found)):
            found += page
        assert found == records, told
        assert await journal.last_sequence(shard) == 12, told
        for number in range(12):
            assert await journal.is_decided(signal_key("A", "BTCUSDT", f"of-{shard}-{number}-0")), told
    # What is in both is the same.
    for file in Archive(folder).files():
        _, archived = Archive(folder).load(file)
        first = await journal.first_sequence(file.shard)
        kept = await journal.stored(file.shard, after=max(first, file.first) - 1)
        both = [row for row in kept if row.sequence <= file.last]
        assert archived[len(archived) - len(both) :] == both, told


@pytest.mark.process
@pytest.mark.parametrize("kind", KILLS)
async def test_i97_kill_9_anywhere_loses_and_doubles_nothing(kind: str, tmp_path: Path, mongodb_uri: str) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)

    async def attempt(name: str, point: int) -> str:
        folder = tmp_path / name / "archive"
        folder.parent.mkdir()
        with fresh_mongodb_database(mongodb_uri) as database:
            place = f"{mongodb_uri} {database}" if kind == "mongodb" else str(tmp_path / name / "journal.db")
            await make(place)
            done = await asyncio.to_thread(archiver, place, folder, point)
            assert done.returncode == (-signal.SIGKILL if point else 0), f"seed {seed}, point {point}"
            await check(place, folder, f"seed {seed}, killed at point {point}")
        return done.stdout

    points = int(await attempt("alive", 0))
    assert points > 300
    # One in each part of the way, so that all of it is tried.
    share = points // KILLS[kind]
    for number in range(KILLS[kind]):
        point = number * share + chance.randrange(1, share)
        await attempt(f"killed-at-{point}", point)


async def test_a_journal_is_archived_again_and_again_while_an_engine_appends(tmp_path: Path) -> None:
    records = signal_records(400)
    async with opened(SqliteJournal(tmp_path / "journal.db")) as engine:
        await engine.append(records[:1])
        working = asyncio.create_task(append_all(engine, records[1:]))
        async with opened(SqliteJournal(tmp_path / "journal.db")) as journal:
            runs = 0
            while not working.done():
                await archive_all(journal, tmp_path / "archive")
                runs += 1
            await working
            whole, found = WholeJournal(Archive(tmp_path / "archive"), journal), list[Record]()
            while page := await whole.read(0, after=len(found)):
                found += page
    assert found == records
    assert runs > 1


async def append_all(journal: Journal, records: list[Record]) -> None:
    for record in records:
        await journal.append([record])
