"""Leases in a file that several processes share."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import ConfigError, RetrySafe
from shared.leases.base import Lease, Member
from shared.leases.sqlite import SqliteLeases

PROCESSES = 8
WINS = 10


@pytest.mark.process
def test_of_eight_processes_that_race_one_wins_each_epoch(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.shared.leases.racer", str(tmp_path / "leases.db")]
    racers = [
        subprocess.Popen([*command, f"racer-{number}", str(WINS)], stdout=subprocess.PIPE, text=True)
        for number in range(PROCESSES)
    ]
    epochs: list[int] = []
    for racer in racers:
        said, _ = racer.communicate(timeout=100)
        assert racer.returncode == 0
        epochs += [int(line) for line in said.split()]

    assert sorted(epochs) == list(range(1, PROCESSES * WINS + 1))


async def test_a_file_that_another_process_locks_is_asked_again(tmp_path: Path) -> None:
    store = SqliteLeases(tmp_path / "leases.db", busy_timeout_ms=50)
    await store.open()
    other = sqlite3.connect(store.path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RetrySafe, match="another process holds it locked"):
            await store.take(None, 0, "a", 1_000)
        other.execute("ROLLBACK")
        assert await store.take(None, 0, "a", 1_000) is not None
    finally:
        other.close()
        await store.close()


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "leases.db"
    with sqlite3.connect(path) as newer:
        newer.execute("CREATE TABLE leases (shard INTEGER)")
        newer.execute("PRAGMA user_version = 99")
    newer.close()

    with pytest.raises(ConfigError, match=r"schema is version 99, this engine knows 2; start the engine that wrote it"):
        await SqliteLeases(path).open()


async def test_a_file_of_the_first_schema_keeps_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "leases.db"
    with sqlite3.connect(path) as older:
        older.execute(
            "CREATE TABLE leases (shard INTEGER PRIMARY KEY, owner TEXT, epoch INTEGER NOT NULL,"
            " renewals INTEGER NOT NULL, ttl_ms INTEGER NOT NULL)"
        )
        older.execute("CREATE TABLE members (name TEXT PRIMARY KEY, beat INTEGER NOT NULL) WITHOUT ROWID")
        older.execute("INSERT INTO leases VALUES (0, 'a', 3, 7, 15000)")
        older.execute("INSERT INTO members VALUES ('a', 5)")
        older.execute("PRAGMA user_version = 1")
    older.close()
    store = SqliteLeases(path)
    for _ in range(2):
        await store.open()
        assert await store.read() == [Lease(0, "a", 3, 7, 15_000)]
        assert await store.members() == {"a": Member(5)}
        await store.close()


async def test_a_tool_beside_the_engine_makes_no_file_and_migrates_none(tmp_path: Path) -> None:
    path = tmp_path / "leases.db"
    with pytest.raises(ConfigError, match="there is no such file"):
        await SqliteLeases(path, existing=True).open()
    assert not path.exists()
    with sqlite3.connect(path) as older:
        older.execute("CREATE TABLE leases (shard INTEGER)")
        older.execute("CREATE TABLE members (name TEXT)")
        older.execute("PRAGMA user_version = 1")
    older.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="its schema is version 1, this command knows 2; give that of the engine"):
        await SqliteLeases(path, existing=True).open()
    assert path.read_bytes() == before


async def test_a_tool_beside_the_engine_reads_and_marks(tmp_path: Path) -> None:
    engine, tool = SqliteLeases(tmp_path / "leases.db"), SqliteLeases(tmp_path / "leases.db", existing=True)
    await engine.open()
    await engine.announce("a", 1)
    await tool.open()
    assert await tool.drain("a", True)
    assert (await engine.members())["a"].drained
    await tool.close()
    await engine.close()


async def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE records (shard INTEGER)")
    other.close()

    with pytest.raises(ConfigError, match=r"journal\.db: it holds no leases of the engine; name another file"):
        await SqliteLeases(path).open()


async def test_a_missing_folder_is_named_and_opening_can_be_tried_again(tmp_path: Path) -> None:
    store = SqliteLeases(tmp_path / "later" / "leases.db")
    with pytest.raises(ConfigError, match="the folder does not exist; create"):
        await store.open()

    store.path.parent.mkdir()
    await store.open()
    assert await store.read() == []
    await store.close()
