"""An engine whose journal was archived makes its copies anew from the archive, and says so where that is not there."""

from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.settings import Settings
from tests.projection.tables import dump
from tests.support.engines import eventually
from tests.support.records import RecordedWorld, play
from tradeengine.journal.archive import Archive
from tradeengine.journal.archive_run import Keep, Limit, ShardArchiver
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.projection.base import ParkedRow
from tradeengine.runtime.copies import READ_MODEL, Copies
from tradeengine.runtime.files import archive_folder, journal_file
from tradeengine.runtime.stores import Stores, make_stores

MOVES = [("buy", n, 1, n) if n % 3 else ("fill", 0, 1, 3) for n in range(40)] + [("cut", 0, 0, 0), ("buy", 1, 1, 1)]


def never_parked(row: ParkedRow) -> None:
    raise AssertionError(f"{row} was parked")


def stores_in(folder: Path, **env: str) -> Stores:
    settings = Settings.load({"TRADEENGINE_DATA_DIR": str(folder), **env})
    return make_stores(settings, folder, "paper", SystemClock(), never_parked)


async def archived(folder: Path, archive: Path) -> int:
    """Write a history and archive all of it; its last sequence."""
    journal = SqliteJournal(journal_file(folder))
    await journal.open()
    await journal.append(play(RecordedWorld(), MOVES))
    last = await journal.last_sequence(0)
    target = Archive(archive)
    with target.held():
        await ShardArchiver(journal, target, 0, "test", [Limit(last, "all")], Keep()).run()
    assert await journal.first_sequence(0) == last + 1 > 2
    await journal.close()
    return last


@pytest.mark.parametrize("named", [False, True])
async def test_a_read_model_that_was_deleted_is_made_anew_from_the_archive(tmp_path: Path, named: bool) -> None:
    archive = tmp_path / "elsewhere" if named else archive_folder(tmp_path)
    last = await archived(tmp_path, archive)
    stores = stores_in(tmp_path, **({"ARCHIVE_DIR": str(archive)} if named else {}))

    async with await stores.open():
        copies = Copies(stores, SystemClock())
        copies.follow(0)
        await copies.start()
        await copies.projectors[READ_MODEL].catch_up()
        assert await stores.read_model.checkpoint(0) == last
        rows = await dump(stores.read_model)
        await copies.stop()

    assert len(rows["decisions"]) == sum(move[0] == "buy" for move in MOVES)


async def test_where_the_archive_is_not_there_the_engine_says_what_it_lacks(tmp_path: Path) -> None:
    await archived(tmp_path, tmp_path / "elsewhere")
    stores = stores_in(tmp_path)

    async with await stores.open():
        copies = Copies(stores, SystemClock())
        copies.follow(0)
        await copies.start()
        projector = copies.projectors[READ_MODEL]
        await eventually(lambda: projector.trouble is not None, "the projector to say what it lacks")
        assert "lacks record 1 of shard 0: it holds none of that shard" in str(projector.trouble)
        assert "ARCHIVE_DIR" in str(projector.trouble)
        assert await stores.read_model.checkpoint(0) == 0
        await copies.stop()
