"""How far each configured copy has come: what it has not applied must stay in the journal."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

from shared.clock import SystemClock
from shared.errors import EngineError, RetrySafe
from shared.settings import Settings
from shared.sqlite import SqliteThread
from tradeengine.cli.copies import checkpoints_of
from tradeengine.cli.schema import mongo_store, mysql_address
from tradeengine.journal.archive_run import Limit
from tradeengine.projection.base import ReadModel
from tradeengine.projection.mongodb import MongoReadModel
from tradeengine.projection.mysql import MySqlReadModel
from tradeengine.projection.sqlite import SCHEMA_VERSION
from tradeengine.projection.sqlite_writer import Checkpoints, read_checkpoints
from tradeengine.runtime.files import read_model_file

_MYSQL: Final = "the copy in MySQL"
_MONGODB: Final = "the read model in MongoDB"
_SQLITE: Final = "the read model"
_NOT_PUBLISHED: Final = "publishing goes on with the records after it"


def copies_of(settings: Settings) -> dict[str, Callable[[Iterable[int]], Awaitable[dict[int, int]]]]:
    """What tells, of each configured copy, which record of each shard it has applied last; errors as of the others."""
    found: dict[str, Callable[[Iterable[int]], Awaitable[dict[int, int]]]] = {}
    if settings.mongodb_uri is None:
        found[_SQLITE] = partial(_sqlite, settings)
    else:
        found[_MONGODB] = partial(
            _asked, _MONGODB, MongoReadModel(mongo_store(settings), venue="", clock=SystemClock())
        )
    if settings.mysql_address is not None:
        model = MySqlReadModel(mysql_address(settings), venue="", clock=SystemClock())
        found[_MYSQL] = partial(_asked, _MYSQL, model)
    return found


async def copy_limits(settings: Settings, shards: Iterable[int]) -> dict[int, list[Limit]]:
    """Newest record that each configured copy has applied, and that is published, by shard.

    Raises
    ------
    ConfigError
        If a copy's schema was not applied, or it lets nobody in.
    RetrySafe
        If one does not answer: what it has is unknown then, and it may lack everything.
    """
    shards = list(shards)
    held = {name: await ask(shards) for name, ask in copies_of(settings).items()}
    published = await _published(settings, shards)
    return {
        shard: [Limit(sequences[shard], f"{name} has not applied more yet") for name, sequences in held.items()]
        + ([Limit(published[shard], _NOT_PUBLISHED)] if shard in published else [])
        for shard in shards
    }


async def _published(settings: Settings, shards: Iterable[int]) -> dict[int, int]:
    """Records that publishing needs no more, of shards that are published at all."""
    try:
        found = await checkpoints_of(settings, shards)
    except RetrySafe as error:
        raise RetrySafe(f"it cannot be told what is published, so nothing may be trimmed: {error}") from error
    return {
        shard: 0 if checkpoint.ledger is None else checkpoint.ledger.sequence
        for shard, checkpoint in found.items()
        if checkpoint.sequence
    }


async def _asked(name: str, model: MongoReadModel | MySqlReadModel, shards: Iterable[int]) -> dict[int, int]:
    try:
        await model.open()
        try:
            return await _checkpoints(model, shards)
        finally:
            await model.close()
    except RetrySafe as error:
        raise RetrySafe(f"{name} does not say what it has, so nothing may be trimmed: {error}") from error


async def _checkpoints(model: ReadModel, shards: Iterable[int]) -> dict[int, int]:
    return {shard: await model.checkpoint(shard) for shard in shards}


async def _sqlite(settings: Settings, shards: Iterable[int]) -> dict[int, int]:
    """What the read model's file holds; nothing of it is changed, for an engine may be at work."""
    path = read_model_file(settings.data_dir)
    if not path.exists():
        return dict.fromkeys(shards, 0)
    thread = SqliteThread(path, read_only=True)
    await thread.open(lambda connection: None)
    try:
        version = await thread.run(lambda one: int(one.execute("SELECT version FROM schema_version").fetchone()[0]))
        # One of another version is made anew, from the first record on.
        found: Checkpoints = await thread.run(read_checkpoints) if version == SCHEMA_VERSION else {}
    except EngineError as error:
        raise RetrySafe(f"{_SQLITE} does not say what it has, so nothing may be trimmed: {error}") from error
    finally:
        await thread.close()
    return {shard: found[shard][0] if shard in found else 0 for shard in shards}
