"""Trimming in MongoDB: what a record holds is dropped, its document stays.

A document that stays keeps its position taken, for a process that stood still may wake up and append there, and keeps
the decisions that duplicates are recognised by, under the index that they are found by anyway. So nothing is moved, and
a document is trimmed in one step.
"""

from typing import Final

import pymongo
from bson.int64 import Int64

from shared.mongodb import Document, MongoStore, mapped_errors
from tradeengine.journal.mongodb_documents import COLLECTION, place, position
from tradeengine.journal.mongodb_schema import CONTROL

_AT_ONCE: Final = 200
_STEP_S: Final = 60.0


async def first_held(store: MongoStore, shard: int) -> int | None:
    """Sequence of a shard's oldest record whose content is there, ``None`` if there is none."""
    # From the mark on: what an interrupted step has trimmed already may follow it.
    mark = await _mark(store, shard)
    with mapped_errors(writing=False):
        found = await store.collection(COLLECTION).find_one(
            {"_id": _step(shard, mark, mark + _AT_ONCE + 1), "payload": {"$exists": True}},
            {"_id": 1},
            sort=[("_id", 1)],
        )
    return None if found is None else place(found["_id"])[1]


async def trim(store: MongoStore, shard: int, through: int) -> None:
    """Drop what a shard's records up to a sequence hold, the oldest first; it may be interrupted and repeated."""
    at = await _mark(store, shard)
    while at < through:
        step = min(through, at + _AT_ONCE)
        content = {"$unset": {"payload": "", "codec": ""}}
        with mapped_errors(writing=True), pymongo.timeout(_STEP_S):
            await store.collection(COLLECTION).update_many({"_id": _step(shard, at, step)}, content)
            # After the content: what the mark says is done.
            await store.collection(CONTROL).update_one(
                {"_id": _mark_id(shard)}, {"$max": {"through": Int64(step)}}, upsert=True
            )
        at = step


def _step(shard: int, after: int, through: int) -> Document:
    """Condition for the records of a few positions; see ``MongoJournal`` for why each is named."""
    return {"$in": [position(shard, sequence) for sequence in range(after + 1, through + 1)]}


async def _mark(store: MongoStore, shard: int) -> int:
    with mapped_errors(writing=False):
        found = await store.collection(CONTROL).find_one({"_id": _mark_id(shard)})
    return 0 if found is None else int(found["through"])


def _mark_id(shard: int) -> str:
    return f"trimmed/{shard}"
