"""What a file and other processes add to the journal's contract: crashes, fences, full and read-only disks."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.errors import ConfigError, Fenced, RetrySafe
from tests.journal.writer import SHARDS
from tests.support.folders import open_folder, unprivileged
from tests.support.records import signal_records
from tradeengine.domain.inputs import signal_key
from tradeengine.journal.base import Snapshot
from tradeengine.journal.record import Record
from tradeengine.journal.sqlite import SCHEMA_VERSION, SqliteJournal
from tradeengine.journal.stored import pages

__all__ = ["open_folder"]

ROOT = Path(__file__).resolve().parents[2]
KILLS = 25


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def start_writer(path: Path, tag: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.journal.writer", str(path), tag]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold every commit up for as long as the block lasts."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


async def append_singly(journal: SqliteJournal, records: Sequence[Record]) -> None:
    for record in records:
        await journal.append([record])


# ---------------------------------------------------------------- durability


async def test_a_reopened_journal_holds_what_was_appended(path: Path) -> None:
    records = signal_records(3)
    first = SqliteJournal(path)
    await first.open()
    await first.append(records)
    await first.save_snapshot(0, Snapshot(2, b"state"))
    digest = await first.digest()
    await first.close()

    again = SqliteJournal(path)
    await again.open()
    assert await again.read(0) == records
    assert await again.load_snapshot(0) == Snapshot(2, b"state")
    assert await again.is_decided(signal_key("A", "BTCUSDT", "s-2-0"))
    assert await again.digest() == digest
    await again.close()


@pytest.mark.process
async def test_kill_9_loses_nothing_that_was_acknowledged(path: Path) -> None:
    acknowledged = dict.fromkeys(range(SHARDS), 0)
    for kill in range(KILLS):
        writer = start_writer(path, f"run{kill}")
        assert writer.stdout is not None
        # Let it acknowledge a different number of records each time, then kill it wherever it is.
        lines = [writer.stdout.readline() for _ in range(1 + 3 * kill)]
        writer.kill()
        lines += writer.stdout.readlines()
        writer.stdout.close()
        writer.wait()
        for shard, sequence in (map(int, line.split()) for line in lines if line.endswith("\n")):
            acknowledged[shard] = max(acknowledged[shard], sequence)

        journal = SqliteJournal(path)
        await journal.open()
        lasts = [await journal.last_sequence(shard) for shard in range(SHARDS)]
        assert lasts[0] == lasts[1], "an append of two records was torn"
        assert lasts[0] >= max(acknowledged.values()) > 0
        for shard in range(SHARDS):
            sequences = [row.sequence async for page in pages(journal, shard, 0, 100_000) for row in page]
            assert sequences == list(range(1, lasts[0] + 1))
        assert await journal.is_decided(signal_key("A", "BTCUSDT", f"run{kill}-0-19"))
        await journal.close()


# ---------------------------------------------------------------- other openers


async def test_two_journals_on_one_file_read_alike_and_fence_each_other(path: Path) -> None:
    records = signal_records(3)
    mine, theirs = SqliteJournal(path), SqliteJournal(path)
    await mine.open()
    await theirs.open()
    await mine.append(records[:2])

    assert await theirs.read(0) == records[:2]
    assert await theirs.is_decided(signal_key("A", "BTCUSDT", "s-1-0"))
    await theirs.append(records[2:])
    with pytest.raises(Fenced, match="the journal is at 3"):
        await mine.append([Record(0, 3, records[0].entries)])
    assert await mine.read(0) == records
    await mine.close()
    await theirs.close()


async def test_many_may_make_the_file_at_once(path: Path) -> None:
    journals = [SqliteJournal(path) for _ in range(6)]

    await asyncio.gather(*[journal.open() for journal in journals])

    assert [await journal.shards() for journal in journals] == [[]] * 6
    for journal in journals:
        await journal.close()


@pytest.mark.process
async def test_another_process_that_writes_a_shard_is_fenced(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    writer = start_writer(path, "theirs")
    assert writer.stdout is not None
    writer.stdout.readline()
    while True:
        # Until one of our records gets in between two of theirs.
        last = await journal.last_sequence(0)
        try:
            await journal.append([Record(0, last + 1, signal_records(1, tag="ours")[0].entries)])
        except Fenced:
            continue
        break

    lines = writer.stdout.readlines()
    writer.stdout.close()
    assert writer.wait() == 0
    assert lines[-1] == "fenced\n"
    assert f"0 {last + 1}\n" not in lines
    assert await journal.last_sequence(0) == last + 1
    await journal.close()


# ---------------------------------------------------------------- a store that refuses


async def test_a_full_disk_is_retry_safe_and_writes_nothing(path: Path) -> None:
    journal = SqliteJournal(path, max_pages=40)
    await journal.open()
    records = signal_records(40, size=20)
    with pytest.raises(RetrySafe, match=r"journal\.db: .*full.*SQLITE_FULL.*free space"):
        await append_singly(journal, records)

    taken = await journal.last_sequence(0)
    assert 0 < taken < 40
    assert await journal.read(0) == records[:taken]
    assert not await journal.is_decided(signal_key("A", "BTCUSDT", f"s-{taken}-0"))
    digest = await journal.digest()
    await journal.close()

    roomy = SqliteJournal(path)
    await roomy.open()
    assert await roomy.digest() == digest
    await roomy.append(records[taken:])
    assert await roomy.read(0) == records
    await roomy.close()


async def test_a_locked_file_is_retry_safe(path: Path) -> None:
    journal = SqliteJournal(path, busy_timeout_ms=20)
    await journal.open()
    with locked(path), pytest.raises(RetrySafe, match="another process holds it locked"):
        await journal.append(signal_records(1))

    assert await journal.last_sequence(0) == 0
    await journal.append(signal_records(1))
    assert await journal.last_sequence(0) == 1
    await journal.close()


async def test_a_read_only_folder_is_a_configuration_error(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with unprivileged(open_folder):
        journal = SqliteJournal(open_folder / "journal.db")
        with pytest.raises(ConfigError, match=r"journal\.db: .*make the file and its folder writable"):
            await journal.open()
    assert list(open_folder.iterdir()) == []


async def test_a_read_only_file_is_a_configuration_error(open_folder: Path) -> None:
    journal = SqliteJournal(open_folder / "journal.db")
    await journal.open()
    await journal.append(signal_records(1))
    await journal.close()
    (open_folder / "journal.db").chmod(0o444)
    open_folder.chmod(0o555)

    with unprivileged(open_folder):
        again = SqliteJournal(open_folder / "journal.db")
        with pytest.raises(ConfigError, match=r"journal\.db: .*make the file and its folder writable"):
            await again.open()


async def test_a_missing_folder_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the folder does not exist; create .*absent"):
        await SqliteJournal(tmp_path / "absent" / "journal.db").open()


async def test_a_missing_file_is_a_configuration_error_where_none_is_to_be_made(path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        await SqliteJournal(path, create=False).open()
    assert not path.exists()


async def test_a_newer_schema_is_a_configuration_error(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    await journal.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '99'")
    connection.close()

    with pytest.raises(ConfigError, match=f"its schema is version 99, this engine knows {SCHEMA_VERSION}"):
        await SqliteJournal(path).open()


@pytest.mark.parametrize("content", [b"not a database, but long enough to be taken for one" * 40, None])
async def test_a_file_of_another_kind_is_a_configuration_error(path: Path, content: bytes | None) -> None:
    if content is None:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE cookies (name TEXT)")
        connection.close()
    else:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=r"journal\.db: .*it is no (journal|database) of the engine"):
        await SqliteJournal(path).open()


# ---------------------------------------------------------------- cancelled callers


async def cancelled_append(journal: SqliteJournal, record: Record) -> None:
    """Append, and be cancelled while the commit is held up."""
    append = asyncio.create_task(journal.append([record]))
    await asyncio.wait([append], timeout=0.05)
    append.cancel()
    await asyncio.wait([append])
    assert append.cancelled()


async def test_a_file_that_is_locked_while_it_is_opened_is_retry_safe(path: Path) -> None:
    with locked(path), pytest.raises(RetrySafe, match=r"cannot open .*another process holds it locked"):
        await SqliteJournal(path, busy_timeout_ms=50).open()


async def test_a_cancelled_append_goes_on_and_the_position_tells(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    with locked(path):
        await cancelled_append(journal, signal_records(1)[0])
    assert await journal.last_sequence(0) == 1
    await journal.close()


async def test_closing_finishes_an_append_that_nobody_waits_for(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    with locked(path):
        await cancelled_append(journal, signal_records(1)[0])
        closing = asyncio.create_task(journal.close())
        await asyncio.wait([closing], timeout=0.05)
        assert not closing.done()
    await closing

    again = SqliteJournal(path)
    await again.open()
    assert await again.last_sequence(0) == 1
    await again.close()


async def test_a_closed_journal_says_so(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    await journal.close()
    await journal.close()

    with pytest.raises(RuntimeError, match="is not open"):
        await journal.append(signal_records(1))
