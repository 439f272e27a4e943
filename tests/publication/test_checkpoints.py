"""Every store of checkpoints: what is noted is found again, and nothing ever goes back."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigError, RetrySafe
from shared.mongodb import MongoStore
from tests.support import services
from tradeengine.publication.checkpoints import (
    Checkpoint,
    CheckpointStore,
    FirstTime,
    LedgerImage,
    MemoryCheckpoints,
    advanced,
)
from tradeengine.publication.checkpoints_mongodb import MongoCheckpoints
from tradeengine.publication.checkpoints_sqlite import SqliteCheckpoints

Open = Callable[[], Awaitable[CheckpointStore]]


@pytest.fixture(params=["memory", "sqlite", "mongodb"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens one more store on the same place, as another process would."""
    memory = MemoryCheckpoints()
    async with AsyncExitStack() as stack:
        if request.param == "mongodb":
            uri = services.mongodb_uri()
            database = stack.enter_context(services.fresh_mongodb_database(uri))

        async def make() -> CheckpointStore:
            store: CheckpointStore
            if request.param == "memory":
                store = memory
            elif request.param == "sqlite":
                store = SqliteCheckpoints(tmp_path / "publication.sqlite")
            else:
                store = MongoCheckpoints(MongoStore(uri, database))
            await store.open()
            stack.push_async_callback(store.close)
            return store

        yield make


def image(sequence: int) -> LedgerImage:
    return LedgerImage(sequence, f"ledger {sequence}".encode())


async def test_a_shard_that_nobody_noted_is_at_its_beginning(opened: Open) -> None:
    assert await (await opened()).load(3) == Checkpoint()


async def test_what_is_noted_is_found_by_another_process(opened: Open) -> None:
    store = await opened()
    await store.save({0: Checkpoint(5), 7: Checkpoint(9, image(9))})
    other = await opened()
    assert await other.load(0) == Checkpoint(5)
    assert await other.load(7) == Checkpoint(9, image(9))


async def test_a_checkpoint_without_a_ledger_keeps_the_one_that_is_there(opened: Open) -> None:
    store = await opened()
    await store.save({0: Checkpoint(5, image(5))})
    await store.save({0: Checkpoint(8)})
    assert await store.load(0) == Checkpoint(8, image(5))


async def test_the_first_time_is_kept_as_it_was_noted_first(opened: Open) -> None:
    store = await opened()
    await store.save({0: Checkpoint(5, image(5), FirstTime(9, 1_000)), 1: Checkpoint(5)})
    await store.save({0: Checkpoint(6, None, FirstTime(11, 2_000)), 1: Checkpoint(6, None, FirstTime(11, 2_000))})
    assert await store.load(0) == Checkpoint(6, image(5), FirstTime(9, 1_000))
    assert await store.load(1) == Checkpoint(6), "an older version has begun it"


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_file_of_the_first_version_keeps_what_it_holds(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "publication.sqlite"
    with closing(sqlite3.connect(path)) as older, older:
        older.execute(
            "CREATE TABLE publications (shard INTEGER PRIMARY KEY, sequence INTEGER NOT NULL,"
            " ledger_sequence INTEGER NOT NULL, ledger BLOB)"
        )
        older.execute("INSERT INTO publications VALUES (0, 9, 7, ?)", (image(7).data,))
        older.execute("PRAGMA user_version = 1")
    store = SqliteCheckpoints(path, read_only=read_only)
    for _ in range(2):
        await store.open()
        assert await store.load(0) == Checkpoint(9, image(7))
        await store.close()
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("PRAGMA user_version").fetchone() == ((1 if read_only else 2),)


async def test_who_is_behind_moves_nothing_back(opened: Open) -> None:
    ahead, behind = await opened(), await opened()
    await ahead.save({0: Checkpoint(20, image(20))})
    await behind.save({0: Checkpoint(12, image(12))})
    assert await ahead.load(0) == Checkpoint(20, image(20))
    await behind.save({0: Checkpoint(22, image(19))})
    assert await ahead.load(0) == Checkpoint(22, image(20))


async def test_nothing_to_note_is_no_error_and_opening_twice_is_one(opened: Open) -> None:
    store = await opened()
    await store.open()
    await store.save({})
    assert await store.load(0) == Checkpoint()


_places = st.lists(
    st.tuples(st.integers(0, 9), st.booleans()).map(
        lambda given: Checkpoint(given[0], image(given[0]) if given[1] else None)
    ),
    max_size=6,
)


@given(_places)
def test_in_whatever_order_checkpoints_are_noted_the_furthest_holds(places: list[Checkpoint]) -> None:
    forth = back = Checkpoint()
    for place in places:
        forth = advanced(forth, place)
    for place in reversed(places):
        back = advanced(back, place)
    assert forth == back
    assert forth.sequence == max([place.sequence for place in places], default=0)
    assert forth.ledger is None or forth.ledger.sequence <= forth.sequence


async def test_who_only_reads_makes_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "publication.sqlite"
    with pytest.raises(ConfigError):
        await SqliteCheckpoints(path, read_only=True).open()
    assert not path.exists()
    written, read = SqliteCheckpoints(path), SqliteCheckpoints(path, read_only=True)
    await written.open()
    await written.save({0: Checkpoint(5, image(5))})
    await read.open()
    assert await read.load(0) == Checkpoint(5, image(5))
    with pytest.raises(RetrySafe, match="readonly"):
        await read.save({0: Checkpoint(6)})
    await read.close()
    await written.close()


async def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "publication.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (x)")
    with pytest.raises(ConfigError, match=r"publication\.sqlite"):
        await SqliteCheckpoints(path).open()


async def test_a_file_of_a_newer_engine_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "publication.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="schema is version 99"):
        await SqliteCheckpoints(path).open()
