"""Snapshots in MongoDB: a head for each shard, and parts beside it where one document has no room."""

import asyncio
import hashlib
import zlib
from typing import Final

from bson.int64 import Int64
from pymongo.errors import DuplicateKeyError

from shared.errors import ConfigError
from shared.mongodb import Document, MongoStore, mapped_errors
from tradeengine.journal.base import Snapshot

COLLECTION: Final = "snapshots"

# One is written and read well within the deadline of an operation.
_PART_BYTES: Final = 4 * 2**20
_ATTEMPTS: Final = 3


class MongoSnapshots:
    """The newest snapshot of each shard, compressed.

    A snapshot is there once its head is, one document that is exchanged in one step. Parts are written before it and
    named by what they hold, so that a write that was torn, or that another process overtook, is never loaded.

    Parameters
    ----------
    part_bytes
        Most bytes of a snapshot in one document.
    """

    def __init__(self, store: MongoStore, *, part_bytes: int = _PART_BYTES) -> None:
        self._store = store
        self._part_bytes = part_bytes

    async def save(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a snapshot; it replaces the shard's former one unless that is newer."""
        # Beside the event loop: a state may have many megabytes.
        data, digest = await asyncio.to_thread(_packed, snapshot.state)
        head: Document = {"sequence": Int64(snapshot.sequence), "digest": digest, "size": Int64(len(snapshot.state))}
        if len(data) <= self._part_bytes:
            head |= {"data": data, "parts": 0}
        else:
            head |= {"data": b"", "parts": await self._save_parts(shard, snapshot.sequence, digest, data)}
        collection = self._store.collection(COLLECTION)
        not_newer = {"_id": Int64(shard), "sequence": {"$lte": head["sequence"]}}
        with mapped_errors(writing=True):
            try:
                await collection.update_one(not_newer, {"$set": head}, upsert=True)
            except DuplicateKeyError:
                # The upsert met a head that the filter leaves out: a newer one.
                return
            # Only what is older than this head: parts of the same sequence may be those of another's head.
            await collection.delete_many({"_id": {"$gte": f"{shard}/", "$lt": _part(shard, snapshot.sequence)}})

    async def load(self, shard: int) -> Snapshot | None:
        """Load the shard's newest snapshot, if there is one.

        Raises
        ------
        ConfigError
            If it is damaged; the text says what to do.
        """
        collection = self._store.collection(COLLECTION)
        sequence = 0
        for _ in range(_ATTEMPTS):
            with mapped_errors(writing=False):
                head = await collection.find_one({"_id": Int64(shard)})
                if head is None:
                    return None
                sequence, digest = int(head["sequence"]), head["digest"]
                data: bytes = head["data"]
                if head["parts"]:
                    names = [_part(shard, sequence, digest, index) for index in range(head["parts"])]
                    parts = [await collection.find_one({"_id": name}) for name in names]
                    data = b"".join([part["data"] for part in parts if part is not None])
            if hashlib.sha256(data).hexdigest() == digest:
                return Snapshot(sequence, await asyncio.to_thread(zlib.decompress, data))
            # A newer one may have replaced it between the two answers.
        raise ConfigError(
            f"snapshot {sequence} of shard {shard} in the MongoDB database {self._store.name} is damaged; "
            "make it anew from the records, with `tradeengine journal snapshot`"
        )

    async def _save_parts(self, shard: int, sequence: int, digest: str, data: bytes) -> int:
        collection = self._store.collection(COLLECTION)
        pieces = [data[at : at + self._part_bytes] for at in range(0, len(data), self._part_bytes)]
        for index, piece in enumerate(pieces):
            name = _part(shard, sequence, digest, index)
            with mapped_errors(writing=True):
                await collection.replace_one({"_id": name}, {"_id": name, "data": piece}, upsert=True)
        return len(pieces)


def _packed(state: bytes) -> tuple[bytes, str]:
    data = zlib.compress(state, 1)
    return data, hashlib.sha256(data).hexdigest()


def _part(shard: int, sequence: int, digest: str = "", index: int = 0) -> str:
    """Name of a part; those of a shard sort by sequence."""
    return f"{shard}/{sequence:020}/{digest}/{index:06}"
