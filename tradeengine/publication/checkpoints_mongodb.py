"""Checkpoints in MongoDB: one document per shard, in the collection ``publications``."""

from collections.abc import Mapping
from typing import Final

from bson.int64 import Int64
from pymongo import UpdateOne

from shared.mongodb import mapped_errors
from shared.mongodb_user import MongoUser
from tradeengine.publication.checkpoints import Checkpoint, FirstTime, LedgerImage

PUBLICATIONS: Final = "publications"


class MongoCheckpoints(MongoUser):
    """Checkpoints that processes share; see :class:`.checkpoints.CheckpointStore`.

    The collection needs no index beyond that of ``_id``.

    Parameters
    ----------
    store
        The client; others may use it too.
    """

    async def load(self, shard: int) -> Checkpoint:
        """How far a shard is published."""
        with mapped_errors(writing=False):
            found = await self._store.collection(PUBLICATIONS).find_one({"_id": Int64(shard)})
        if found is None:
            return Checkpoint()
        ledger = LedgerImage(int(found["ledger_sequence"]), found["ledger"]) if "ledger" in found else None
        first = FirstTime(int(found["first_through"]), int(found["began_ms"])) if "began_ms" in found else None
        return Checkpoint(int(found["sequence"]), ledger, first)

    async def save(self, checkpoints: Mapping[int, Checkpoint]) -> None:
        """Note how far shards are published, all in one command."""
        changes = [change for shard, given in checkpoints.items() for change in _changes(shard, given)]
        if not changes:
            return
        with mapped_errors(writing=True):
            # In order: a ledger never gets there before the checkpoint that it belongs to.
            await self._store.collection(PUBLICATIONS).bulk_write(changes, ordered=True)


def _changes(shard: int, given: Checkpoint) -> list[UpdateOne]:
    name = {"_id": Int64(shard)}
    new = {"ledger_sequence": Int64(0)}
    if given.first is not None:
        new |= {"first_through": Int64(given.first.through), "began_ms": Int64(given.first.began_ms)}
    further = {"$max": {"sequence": Int64(given.sequence)}, "$setOnInsert": new}
    changes = [UpdateOne(name, further, upsert=True)]
    if given.ledger is not None:
        sequence, data = Int64(given.ledger.sequence), given.ledger.data
        older = {**name, "ledger_sequence": {"$lt": sequence}}
        changes.append(UpdateOne(older, {"$set": {"ledger_sequence": sequence, "ledger": data}}))
    return changes
