"""Collections and indexes of the read model on MongoDB: made by the schema job, verified by whoever starts."""

from collections.abc import Iterator
from typing import Any, Final

from pymongo import ASCENDING, IndexModel
from pymongo.errors import CollectionInvalid

from shared.errors import ConfigError
from shared.mongodb import MongoStore, mapped_errors
from tradeengine.projection.mongodb_codec import MADE
from tradeengine.projection.mongodb_redo import PARKED
from tradeengine.projection.mongodb_shard import CHECKPOINTS, CHUNKS
from tradeengine.projection.tables import TABLES, Kind, Table

SCHEMA_VERSION: Final = 1

_CONTROL: Final = "control"
_NAME: Final = "read_model_schema"
_MISSING: Final = "run `tradeengine schema apply --target mongodb`"
_TIME_OF: Final = {
    "decisions": "decided_at",
    "orders": "created_at",
    "fills": "time",
    "positions": "entry_time",
    "strategy_positions": "entry_time",
    "position_contributions": "contribution_time",
    "funding_payments": "time",
    "differences": "found_at",
    "alerts": "time",
}
"""Column by which a table's rows are asked for in ranges."""


async def apply_schema(store: MongoStore) -> None:
    """Make what is missing of collections and indexes, and note the schema's version; it may be done again.

    Raises
    ------
    ConfigError
        If the collections are of a newer schema, or an index of another kind stands in the way.
    RetrySafe, OutcomeUnknown
        If the server does not answer; it may be done again.
    """
    await _check_version(store)
    with mapped_errors(writing=True):
        held = await store.database.list_collection_names()
        for name in (CHECKPOINTS, CHUNKS, PARKED, *TABLES):
            if name not in held:
                await _make(store, name)
        for table in TABLES.values():
            await store.collection(table.name).create_indexes(list(_indexes(table)))
        version = {"$set": {"version": SCHEMA_VERSION}}
        await store.collection(_CONTROL).update_one({"_id": _NAME}, version, upsert=True)


async def verify_schema(store: MongoStore) -> list[str]:
    """What is missing of the schema, in words; nothing if all is there.

    Raises
    ------
    ConfigError
        If the collections are of a newer schema.
    RetrySafe
        If the server does not answer.
    """
    found = await _check_version(store)
    if found is None:
        return [f"the read model's collections were never made: {_MISSING}"]
    missing = []
    if found < SCHEMA_VERSION:
        missing.append(f"the read model's schema is version {found}, this engine needs {SCHEMA_VERSION}: {_MISSING}")
    with mapped_errors(writing=False):
        for table in TABLES.values():
            held = {_shape(index) for index in (await store.collection(table.name).index_information()).values()}
            missing += [
                f"collection {table.name} lacks the index {index.document['name']}: {_MISSING}"
                for index in _indexes(table)
                if _shape(index.document) not in held
            ]
    return missing


async def check_made(store: MongoStore) -> None:
    """See that the schema was applied.

    Raises
    ------
    ConfigError
        If it was not, or is older or newer than this engine's.
    RetrySafe
        If the server does not answer.
    """
    found = await _check_version(store)
    if found is None or found < SCHEMA_VERSION:
        state = "was never made" if found is None else f"is of schema version {found}, not {SCHEMA_VERSION}"
        raise ConfigError(f"the read model in the MongoDB database {store.name} {state}; {_MISSING}")


async def _check_version(store: MongoStore) -> int | None:
    with mapped_errors(writing=False):
        held = await store.collection(_CONTROL).find_one({"_id": _NAME})
    if held is None:
        return None
    found = int(held["version"])
    if found > SCHEMA_VERSION:
        raise ConfigError(
            f"the read model in the MongoDB database {store.name} is of schema version {found}, this engine knows "
            f"{SCHEMA_VERSION}; start the engine that wrote it, or a newer one"
        )
    return found


async def _make(store: MongoStore, name: str) -> None:
    try:
        await store.database.create_collection(name)
    except CollectionInvalid:
        # Another job was faster.
        return


def _indexes(table: Table) -> Iterator[IndexModel]:
    """Indexes that queries need: the key's own, every searched column's, each in the order in which rows are shown."""
    yield _index("key", table.key, unique=True)
    yield _index("by_made", (MADE,))
    for columns in table.indexes:
        yield _index(f"by_{'_'.join(columns)}", (*columns, MADE))
    for column in ("strategy_id", "symbol"):
        if table.columns.get(column) is Kind.TEXT and table.key[0] != column:
            yield _index(f"by_{column}", (column, MADE))
    if table.name in _TIME_OF:
        yield _index(f"by_{_TIME_OF[table.name]}", (_TIME_OF[table.name], MADE))


def _index(name: str, columns: tuple[str, ...], *, unique: bool = False) -> IndexModel:
    return IndexModel([(column, ASCENDING) for column in columns], name=name, unique=unique)


def _shape(index: Any) -> tuple[tuple[tuple[str, int], ...], bool]:
    """Columns of an index with their directions, and whether it is unique; names may differ."""
    keys: Any = index["key"]
    pairs = keys.items() if isinstance(keys, dict) else keys
    return tuple((column, int(way)) for column, way in pairs), bool(index.get("unique", False))
