"""Journal on MongoDB: one document a record, the unique ``_id`` as fence, one command an append."""

import hashlib
from collections.abc import Iterable, Sequence

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from shared.errors import Fenced
from shared.mongodb import Document, MongoStore, mapped_errors
from tradeengine.journal.base import Snapshot
from tradeengine.journal.fence import check_positions
from tradeengine.journal.mongodb_documents import COLLECTION, payload_of, place, position, to_document
from tradeengine.journal.mongodb_schema import require_schema
from tradeengine.journal.mongodb_snapshots import MongoSnapshots
from tradeengine.journal.record import Record, decision_hash, decode

_PAGE = 1_000


class MongoJournal:
    """Commit log that several processes share; see :class:`~tradeengine.journal.base.Journal`.

    Nothing but the atomicity of single documents is asked of the server. Records are inserted in order, and the first
    that is refused ends the append, so what is written is a prefix; of two writers of one position one is refused by
    the ``_id``. That no position is left out is checked against the last one known, without asking each time. That is
    sound although others write too, and after an append without an answer: committed records never vanish, so the
    last position known can only have been followed, and where it has been, the next one is taken.

    Parameters
    ----------
    store
        Opened and closed with the journal; others may share it.
    """

    def __init__(self, store: MongoStore) -> None:
        self._store = store
        self._snapshots = MongoSnapshots(store)
        self._lasts: dict[int, int] = {}

    async def open(self) -> None:
        """Connect, and check that the schema job has done its work; nothing is made here.

        Raises
        ------
        ConfigError
            If collections or indexes are missing, the schema is newer, or the credentials are refused.
        RetrySafe
            If no server answers; it may be opened again.
        """
        await self._store.open()
        try:
            await require_schema(self._store)
        except BaseException:
            await self._store.close()
            raise

    async def close(self) -> None:
        """Give the store back."""
        self._lasts.clear()
        await self._store.close()

    async def append(self, records: Sequence[Record]) -> None:
        """Commit records durably, in order; see ``Journal.append`` for what may be written if it raises.

        Raises
        ------
        Fenced
            If a record's position is taken, or leaves a hole.
        Rejected
            If a record is larger than a document may be, compressed too; nothing was written.
        RetrySafe
            If no server took them; nothing was written.
        OutcomeUnknown
            If the answer did not come within the deadline.
        """
        if not records:
            return
        documents = [await to_document(record) for record in records]
        await self._check(records)
        try:
            with mapped_errors(writing=True):
                await self._records.insert_many(documents, ordered=True)
        except BulkWriteError as error:
            refused = records[error.details["writeErrors"][0]["index"]]
            raise Fenced(
                f"record {refused.sequence} of shard {refused.shard} is taken: another process has written there; "
                "drop the shard and load it again"
            ) from None  # the driver's text holds the documents
        self._lasts |= {record.shard: record.sequence for record in records}

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        """Records of a shard with a sequence above ``after``, in order, at most ``limit``."""
        span = {"$gt": position(shard, after), "$lt": position(shard + 1, 0)}
        return [decode(payload_of(document)) for document in await self._found({"_id": span}, limit)]

    async def last_sequence(self, shard: int) -> int:
        """Sequence of a shard's last record, 0 while it has none."""
        span = {"$gt": position(shard, 0), "$lt": position(shard + 1, 0)}
        with mapped_errors(writing=False):
            found = await self._records.find_one({"_id": span}, {"_id": 1}, sort=[("_id", -1)])
        last = self._lasts[shard] = 0 if found is None else place(found["_id"])[1]
        return last

    async def shards(self) -> list[int]:
        """Shards that have records, in order."""
        shards: list[int] = []
        while True:
            after = position(shards[-1] + 1, 0) if shards else position(0, 0)
            with mapped_errors(writing=False):
                found = await self._records.find_one({"_id": {"$gt": after}}, {"_id": 1}, sort=[("_id", 1)])
            if found is None:
                return shards
            shards.append(place(found["_id"])[0])

    async def is_decided(self, key: str) -> bool:
        """Whether a committed record decides the signal of this key."""
        with mapped_errors(writing=False):
            return await self._records.find_one({"decided": decision_hash(key)}, {"_id": 1}) is not None

    async def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a snapshot; it replaces the shard's former one unless that is newer."""
        await self._snapshots.save(shard, snapshot)

    async def load_snapshot(self, shard: int) -> Snapshot | None:
        """The shard's newest snapshot, if there is one.

        Raises
        ------
        ConfigError
            If it is damaged.
        """
        return await self._snapshots.load(shard)

    async def digest(self) -> str:
        """SHA-256 (hex) over all records in shard and sequence order."""
        digest, after = hashlib.sha256(), position(0, 0)
        while documents := await self._found({"_id": {"$gt": after}}, _PAGE):
            for document in documents:
                digest.update(payload_of(document))
            after = documents[-1]["_id"]
        return digest.hexdigest()

    @property
    def _records(self) -> AsyncCollection[Document]:
        return self._store.collection(COLLECTION)

    async def _found(self, query: Document, limit: int) -> list[Document]:
        if limit <= 0:
            # MongoDB takes 0 for no limit.
            return []
        with mapped_errors(writing=False):
            cursor = self._records.find(query, {"payload": 1, "codec": 1}, sort=[("_id", 1)], limit=limit)
            return await cursor.batch_size(limit).to_list()

    async def _check(self, records: Iterable[Record]) -> None:
        """Check positions against the last ones known, and once more against the store's if they do not fit."""
        shards = {record.shard for record in records}
        known = {shard: self._lasts[shard] for shard in shards & self._lasts.keys()}
        lasts = known | {shard: await self.last_sequence(shard) for shard in shards - known.keys()}
        try:
            check_positions(records, lasts.__getitem__)
        except Fenced:
            if not known:
                raise
            for shard in known:
                lasts[shard] = await self.last_sequence(shard)
            check_positions(records, lasts.__getitem__)
