"""How far each configured copy has come: what it has not applied must stay in the journal."""

from collections.abc import Iterable
from typing import Final

from shared.clock import SystemClock
from shared.errors import EngineError, RetrySafe
from shared.settings import Settings
from shared.sqlite import SqliteThread
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


async def copy_limits(settings: Settings, shards: Iterable[int]) -> dict[int, list[Limit]]:
    """Newest record that each configured copy has applied, by shard.

    Raises
    ------
    ConfigError
        If a copy's schema was not applied, or it lets nobody in.
    RetrySafe
        If one does not answer: what it has is unknown then, and it may lack everything.
    """
    shards = list(shards)
    held = {_SQLITE: await _sqlite(settings, shards)} if settings.mongodb_uri is None else {}
    if settings.mongodb_uri is not None:
        store = mongo_store(settings)
        held[_MONGODB] = await _asked(_MONGODB, MongoReadModel(store, venue="", clock=SystemClock()), shards)
    if settings.mysql_address is not None:
        model = MySqlReadModel(mysql_address(settings), venue="", clock=SystemClock())
        held[_MYSQL] = await _asked(_MYSQL, model, shards)
    return {
        shard: [Limit(sequences[shard], f"{name} has not applied more yet") for name, sequences in held.items()]
        for shard in shards
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
