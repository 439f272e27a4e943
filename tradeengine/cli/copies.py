"""Copies of the tables, and the journal that they are made from, as the settings name them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from shared.clock import Clock
from shared.errors import ConfigError
from shared.settings import Settings
from tradeengine.cli.schema import Target, mongo_store, mysql_address
from tradeengine.domain.inputs import JournalOpened
from tradeengine.journal.archive import Archive
from tradeengine.journal.archive_whole import WholeJournal
from tradeengine.journal.base import Journal
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.projection.base import ReadModel
from tradeengine.projection.mongodb import MongoReadModel
from tradeengine.projection.mysql import MySqlReadModel
from tradeengine.projection.mysql_rebuild import PREFIX, Rebuild
from tradeengine.projection.sqlite import SqliteReadModel
from tradeengine.publication.checkpoints import Checkpoint, CheckpointStore, MemoryCheckpoints
from tradeengine.publication.checkpoints_mongodb import MongoCheckpoints
from tradeengine.publication.checkpoints_sqlite import SqliteCheckpoints
from tradeengine.runtime.files import (
    archive_folder,
    journal_file,
    lock_folder,
    publication_file,
    read_model_file,
)


@asynccontextmanager
async def opened_journal(settings: Settings, *, write: bool = False) -> AsyncIterator[Journal]:
    """The journal in MongoDB if one is named, otherwise the one in the data folder; it is not made.

    Parameters
    ----------
    write
        Whether anything will be written: without it the data folder may be one that takes no files.
    """
    journal: Journal
    if settings.mongodb_uri is not None:
        journal = MongoJournal(mongo_store(settings))
    else:
        journal = SqliteJournal(journal_file(settings.data_dir), create=False, read_only=not write)
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


def archive_of(settings: Settings) -> Archive:
    """The archive that the settings name; it need not exist."""
    return Archive(settings.archive_dir or archive_folder(settings.data_dir))


@asynccontextmanager
async def opened_whole_journal(settings: Settings, *, write: bool = False) -> AsyncIterator[Journal]:
    """The journal with its archive behind it, so that no record is missing; see :func:`opened_journal`."""
    async with opened_journal(settings, write=write) as journal:
        yield WholeJournal(archive_of(settings), journal)


async def checkpoints_of(settings: Settings, shards: Iterable[int]) -> dict[int, Checkpoint]:
    """How far execution events are published, by shard; nothing is made or changed.

    Raises
    ------
    ConfigError
        If the store can never be read as it is.
    RetrySafe
        If it does not answer.
    """
    store: CheckpointStore
    path = publication_file(settings.data_dir)
    if settings.mongodb_uri is not None:
        store = MongoCheckpoints(mongo_store(settings))
    elif path.exists():
        store = SqliteCheckpoints(path, read_only=True)
    else:
        store = MemoryCheckpoints()
    await store.open()
    try:
        return {shard: await store.load(shard) for shard in shards}
    finally:
        await store.close()


async def venue_of(journal: Journal) -> str:
    """Name of the venue that a journal's orders go to, as one of its first records says.

    Raises
    ------
    ConfigError
        If there is no such record.
    """
    for shard in await journal.shards():
        # Those who took the shard before anything was opened come first.
        for record in await journal.read(shard, limit=100):
            for entry in record.entries:
                if isinstance(entry.input, JournalOpened):
                    return entry.input.venue
    raise ConfigError("the journal has no first record: it is empty, and there is nothing to make")


@asynccontextmanager
async def opened_copy(
    target: Target, settings: Settings, venue: str, clock: Clock, shards: Iterable[int], *, anew: bool
) -> AsyncIterator[ReadModel]:
    """A copy to apply records to.

    Parameters
    ----------
    shards
        Shards of the journal.
    anew
        Whether it begins empty; then it takes the former one's place when the block ends well, in MongoDB at once.
    """
    if target is Target.MYSQL:
        copy = _mysql_anew(settings, venue, clock) if anew else _mysql(settings, venue, clock)
    elif target is Target.MONGODB:
        copy = _mongodb(settings, venue, clock, shards if anew else ())
    else:
        copy = _sqlite(settings, venue, clock, anew=anew)
    async with copy as read_model:
        yield read_model


@asynccontextmanager
async def _mysql(settings: Settings, venue: str, clock: Clock, prefix: str = "") -> AsyncIterator[ReadModel]:
    read_model = MySqlReadModel(mysql_address(settings), venue=venue, clock=clock, prefix=prefix)
    await read_model.open()
    try:
        yield read_model
    finally:
        await read_model.close()


@asynccontextmanager
async def _mysql_anew(settings: Settings, venue: str, clock: Clock) -> AsyncIterator[ReadModel]:
    async with Rebuild(mysql_address(settings)) as rebuild:
        async with _mysql(settings, venue, clock, PREFIX) as read_model:
            yield read_model
        await rebuild.exchange()


@asynccontextmanager
async def _mongodb(settings: Settings, venue: str, clock: Clock, cleared: Iterable[int]) -> AsyncIterator[ReadModel]:
    store = mongo_store(settings)
    read_model = MongoReadModel(store, venue=venue, clock=clock)
    await read_model.open()
    try:
        for shard in cleared:
            await read_model.clear(shard)
        yield read_model
    finally:
        await read_model.close()
        await store.close()


@asynccontextmanager
async def _sqlite(settings: Settings, venue: str, clock: Clock, *, anew: bool) -> AsyncIterator[ReadModel]:
    path = read_model_file(settings.data_dir)
    made = path.with_suffix(".rebuild") if anew else path
    with lock_folder(settings.data_dir):
        if anew:
            _remove(made)
        read_model = SqliteReadModel(made, venue=venue, clock=clock)
        await read_model.open()
        try:
            yield read_model
        finally:
            await read_model.close()
        if anew:
            # First the former file: what its log still holds must never be read into the new one.
            _remove(path)
            made.rename(path)


def _remove(database: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
