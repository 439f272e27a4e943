"""A journal that is only read: beside an engine, behind one that was killed, and where nothing can be written."""

import hashlib
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path

import pytest

from shared.errors import ConfigError, RetrySafe
from tests.support.folders import open_folder, unprivileged
from tests.support.records import signal_records
from tradeengine.journal.base import Snapshot
from tradeengine.journal.sqlite import SCHEMA_VERSION, SqliteJournal

__all__ = ["open_folder"]

ROOT = Path(__file__).resolve().parents[2]
LINES = 40
"""Acknowledgements of the writer before it is left to itself."""


EMPTY = hashlib.sha256().hexdigest()


class Left(StrEnum):
    """How the engine that wrote the journal is."""

    STOPPED = "stopped"
    KILLED = "killed"
    AT_WORK = "at work"


@asynccontextmanager
async def opened(path: Path, *, read_only: bool = True) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(path, read_only=read_only, busy_timeout_ms=20_000)
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


async def write(path: Path) -> None:
    """Leave a journal of three records behind, as an engine that stops does."""
    async with opened(path, read_only=False) as journal:
        await journal.append(signal_records(3))
        await journal.save_snapshot(0, Snapshot(2, b"state"))


@contextmanager
def written(path: Path, left: Left) -> Iterator[int]:
    """Let a process write; the sequence that it acknowledged last."""
    command = [sys.executable, "-m", "tests.journal.writer", str(path), "run"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        try:
            lines = [writer.stdout.readline() for _ in range(LINES)]
            if left is not Left.AT_WORK:
                writer.kill()
                writer.wait()
            if left is Left.STOPPED:
                with closing(sqlite3.connect(path)) as connection:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            yield int(lines[-1].split()[1])
        finally:
            writer.kill()


def contents(folder: Path) -> dict[str, str]:
    """Digest of each file."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


@pytest.mark.process
@pytest.mark.parametrize("closed", [False, True], ids=["writable", "takes no files"])
@pytest.mark.parametrize("left", list(Left))
async def test_everything_is_read_and_nothing_written(open_folder: Path, left: Left, closed: bool) -> None:
    path = open_folder / "journal.db"
    with written(path, left) as acknowledged:
        before = contents(open_folder)
        open_folder.chmod(0o555 if closed else 0o755)
        with unprivileged(open_folder) if closed else nullcontext():
            async with opened(path) as journal:
                read = await journal.read(0, limit=100_000)
                last = await journal.last_sequence(0)
                assert await journal.shards() == [0, 1]
        assert acknowledged <= len(read) <= last
        assert [record.sequence for record in read] == list(range(1, len(read) + 1))
        after = contents(open_folder)
        if left is not Left.AT_WORK:
            # The log that a killed engine left, too: only an engine may bring it into the file.
            assert after["journal.db"] == before["journal.db"]
            assert after.get("journal.db-wal", EMPTY) == before.get("journal.db-wal", EMPTY)
        if closed:
            assert after.keys() == before.keys()


async def test_a_writable_folder_of_a_stopped_engine_keeps_its_journal_as_it_is(open_folder: Path) -> None:
    path = open_folder / "journal.db"
    await write(path)
    before = contents(open_folder)["journal.db"]
    async with opened(path) as journal:
        assert await journal.read(0) == signal_records(3)
        assert await journal.load_snapshot(0) == Snapshot(2, b"state")
    assert contents(open_folder)["journal.db"] == before
    async with opened(path, read_only=False) as journal:
        await journal.append(signal_records(4)[3:])


async def test_an_engine_that_begins_to_work_where_nothing_is_locked_is_noticed(open_folder: Path) -> None:
    path = open_folder / "journal.db"
    await write(path)
    open_folder.chmod(0o555)
    with unprivileged(open_folder):
        reader = SqliteJournal(path, read_only=True)
        await reader.open()
        assert await reader.last_sequence(0) == 3
    open_folder.chmod(0o755)
    async with opened(path, read_only=False) as engine:
        await engine.append(signal_records(4)[3:])
        with pytest.raises(RetrySafe, match="an engine has begun to work there: do it again"):
            await reader.last_sequence(0)
    # It has stopped meanwhile, and its log is gone.
    with pytest.raises(RetrySafe, match="do it again"):
        await reader.read(0)
    await reader.close()


@pytest.mark.parametrize(
    ("version", "advice"), [(1, "tradeengine schema apply --target sqlite"), (99, "or a newer one")]
)
async def test_another_schema_is_told_and_left_as_it_is(open_folder: Path, version: int, advice: str) -> None:
    path = open_folder / "journal.db"
    await write(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE trimmed")
        connection.execute("UPDATE meta SET value = ?", (version,))
    with pytest.raises(ConfigError, match=rf"schema is version {version}, this engine .*{SCHEMA_VERSION}; .*{advice}"):
        await SqliteJournal(path, read_only=True).open()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT value FROM meta").fetchall() == [(str(version),)]


async def test_what_is_missing_is_not_made(open_folder: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        await SqliteJournal(open_folder / "journal.db", read_only=True).open()
    assert contents(open_folder) == {}


async def test_a_reader_does_not_write(open_folder: Path) -> None:
    path = open_folder / "journal.db"
    await write(path)
    async with opened(path) as journal:
        with pytest.raises(RuntimeError, match="opened to be read only"):
            await journal.append(signal_records(4)[3:])
        with pytest.raises(RuntimeError, match="opened to be read only"):
            await journal.save_snapshot(0, Snapshot(3, b"other"))
        with pytest.raises(RuntimeError, match="opened to be read only"):
            await journal.trim(0, 1)
        assert await journal.last_sequence(0) == 3
