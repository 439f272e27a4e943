"""What the journal needs in a MongoDB database: made by the schema job, verified by the engine."""

from typing import Final

import pymongo

from shared.errors import ConfigError
from shared.mongodb import MongoStore, mapped_errors
from tradeengine.journal.mongodb_documents import COLLECTION

SCHEMA_VERSION: Final = 1
CONTROL: Final = "control"

_SCHEMA: Final = "schema"
_INDEXES: Final = {COLLECTION: {"decided_1": [("decided", pymongo.ASCENDING)]}}
_APPLY: Final = "run `tradeengine schema apply --target mongodb`"
_BUILDING_S: Final = 3_600.0


async def apply_schema(store: MongoStore) -> None:
    """Make what is missing; what is there stays, so it may be run at any time and again.

    Raises
    ------
    ConfigError
        If the database is of a newer schema, or the user may not make indexes.
    """
    await _check_version(store)
    with mapped_errors(writing=True):
        # An index on many records takes longer than any other operation.
        with pymongo.timeout(_BUILDING_S):
            for collection, indexes in _INDEXES.items():
                for name, keys in indexes.items():
                    await store.collection(collection).create_index(keys, name=name)
        # Last: who finds the version finds all of it.
        await store.collection(CONTROL).update_one({"_id": _SCHEMA}, {"$max": {"version": SCHEMA_VERSION}}, upsert=True)


async def verify_schema(store: MongoStore) -> list[str]:
    """What is missing, a text each; nothing if the schema job has done its work.

    Raises
    ------
    ConfigError
        If the database is of a newer schema.
    """
    lacks = [] if await _check_version(store) else [f"the schema version in {CONTROL}"]
    with mapped_errors(writing=False):
        for collection, indexes in _INDEXES.items():
            found = await store.collection(collection).index_information()
            lacks += [f"the index {name} of {collection}" for name in indexes if name not in found]
    return lacks


async def require_schema(store: MongoStore) -> None:
    """Refuse to work on a database that lacks something.

    Raises
    ------
    ConfigError
        If it lacks something, or is of a newer schema; the text says what to do.
    """
    lacks = await verify_schema(store)
    if lacks:
        raise ConfigError(f"the MongoDB database {store.name} lacks {', '.join(lacks)}; {_APPLY}")


async def _check_version(store: MongoStore) -> bool:
    with mapped_errors(writing=False):
        document = await store.collection(CONTROL).find_one({"_id": _SCHEMA})
    if document is None:
        return False
    found = int(document["version"])
    if found > SCHEMA_VERSION:
        raise ConfigError(
            f"cannot use the MongoDB database {store.name}: its schema is version {found}, this engine knows "
            f"{SCHEMA_VERSION}; start the engine that made it, or a newer one"
        )
    return found == SCHEMA_VERSION
