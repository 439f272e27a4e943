"""Journal on MongoDB: one document a record, the unique ``_id`` as fence, one command an append."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from shared.errors import Fenced
from shared.mongodb import Document, MongoStore, mapped_errors
from tradeengine.journal.base import Snapshot, check_trim
from tradeengine.journal.fence import NOTHING, Last, check_positions
from tradeengine.journal.mongodb_documents import COLLECTION, payload_of, place, position, to_document
from tradeengine.journal.mongodb_schema import require_schema
from tradeengine.journal.mongodb_snapshots import MongoSnapshots
from tradeengine.journal.mongodb_trim import first_held, trim
from tradeengine.journal.record import Record, decision_hash, decode
from tradeengine.journal.stored import PAGE_BYTES, RecordsTrimmed, Stored, pages

_SHARDS: Final = 1024
"""More than there may be."""
_JUMPS: Final = sorted({round(1.12**power) for power in range(200)})
"""Up to six thousand million records ahead; each time an eighth of the way is left."""
_MOST = 200
"""Most records that one command asks for: a position that holds none yet is looked up in vain."""
_BATCH = 50
"""Records that the server sends at once: what does not fit into a page is sent in vain."""


class MongoJournal:
    """Commit log that several processes share; see :class:`~tradeengine.journal.base.Journal`.

    Nothing but the atomicity of single documents is asked of the server. Records are inserted in order, and the first
    that is refused ends the append, so what is written is a prefix; of two writers of one position one is refused by
    the ``_id``. That no position is left out is checked against the last one known, without asking each time. That is
    sound although others write too, and after an append without an answer: committed records never vanish, so the
    last position known can only have been followed, and where it has been, the next one is taken. No document is ever
    deleted: trimming takes its content only (:mod:`~tradeengine.journal.mongodb_trim`). So there are no holes, and each
    position is named and found by its key: not every server that speaks MongoDB's protocol uses an index for a span.

    Parameters
    ----------
    store
        Opened and closed with the journal; others may share it.
    """

    def __init__(self, store: MongoStore) -> None:
        self._store = store
        self._snapshots = MongoSnapshots(store)
        self._lasts: dict[int, Last] = {}

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
        shards = {record.shard for record in records}
        # What becomes of a failed append is not known, nor whether what was seen of it before stays: it is asked for.
        for shard in shards:
            del self._lasts[shard]
        try:
            with mapped_errors(writing=True):
                await self._records.insert_many(documents, ordered=True)
        except BulkWriteError as error:
            refused = records[error.details["writeErrors"][0]["index"]]
            raise Fenced(
                f"record {refused.sequence} of shard {refused.shard} is taken: another process has written there; "
                "drop the shard and load it again"
            ) from None  # the driver's text holds the documents
        self._lasts |= {record.shard: Last(record.sequence, record.epoch) for record in records}

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        """Records of a shard with a sequence above ``after``, in order; see ``Journal.stored``."""
        return [decode(payload) for _, payload in await self.stored(shard, after, limit)]

    async def stored(self, shard: int, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Records of a shard as they were appended; see ``Journal.stored``."""
        positions = [position(shard, sequence) for sequence in range(after + 1, after + 1 + min(limit, _MOST))]
        page: list[Stored] = []
        size = 0
        with mapped_errors(writing=False):
            async with self._records.find(
                {"_id": {"$in": positions}}, {"payload": 1, "codec": 1}, sort=[("_id", 1)], batch_size=_BATCH
            ) as cursor:
                async for document in cursor:
                    sequence = place(document["_id"])[1]
                    if "payload" not in document:
                        raise RecordsTrimmed(shard, sequence)
                    page.append(Stored(sequence, payload_of(document)))
                    size += len(page[-1].payload)
                    if size >= PAGE_BYTES:
                        break
        return page

    async def first_sequence(self, shard: int) -> int:
        """Sequence of a shard's oldest record that was not trimmed: one beyond the last if all were."""
        return await first_held(self._store, shard) or 1 + await self.last_sequence(shard)

    async def last_sequence(self, shard: int) -> int:
        """Sequence of a shard's last record, 0 while it has none."""
        return (await self._last(shard)).sequence

    async def shards(self) -> list[int]:
        """Shards that have had records, in order."""
        firsts = [position(shard, 1) for shard in range(_SHARDS)]
        with mapped_errors(writing=False):
            found = await self._records.find({"_id": {"$in": firsts}}, {"_id": 1}).to_list()
        return sorted(place(document["_id"])[0] for document in found)

    async def trim(self, shard: int, through: int) -> None:
        """Drop the content of a shard's oldest records; see ``Journal.trim``."""
        check_trim(shard, through, await self.last_sequence(shard))
        await trim(self._store, shard, through)

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
        """SHA-256 (hex) over all records that are held, in shard and sequence order."""
        digest = hashlib.sha256()
        for shard in await self.shards():
            async for page in pages(self, shard, await self.first_sequence(shard) - 1, await self.last_sequence(shard)):
                for _, payload in page:
                    digest.update(payload)
        return digest.hexdigest()

    @property
    def _records(self) -> AsyncCollection[Document]:
        return self._store.collection(COLLECTION)

    async def _last(self, shard: int) -> Last:
        """The shard's last record: from the last one known, ever farther ahead, until nothing is ahead."""
        last = self._lasts.get(shard, NOTHING)
        while True:
            ahead = [position(shard, last.sequence + jump) for jump in (0, *_JUMPS)]
            with mapped_errors(writing=False):
                found = await self._records.find({"_id": {"$in": ahead}}, {"epoch": 1}).to_list()
            held = {int(document["_id"]): document for document in found}
            if last is not NOTHING and ahead[0] not in held:
                # A server that was killed has lost what it had shown before it was safe.
                last = NOTHING
                continue
            newest = max(held, default=ahead[0])
            if newest == ahead[0]:
                self._lasts[shard] = last
                return last
            # Records of an earlier version name no epoch.
            last = Last(place(newest)[1], int(held[newest].get("epoch", 0)))

    async def _check(self, records: Iterable[Record]) -> None:
        """Check positions against the last ones known, and once more against the store's if they do not fit."""
        shards = {record.shard for record in records}
        known = {shard: self._lasts[shard] for shard in shards & self._lasts.keys()}
        lasts = known | {shard: await self._last(shard) for shard in shards - known.keys()}
        try:
            check_positions(records, lasts.__getitem__)
        except Fenced:
            if not known:
                raise
            for shard in known:
                lasts[shard] = await self._last(shard)
            check_positions(records, lasts.__getitem__)
