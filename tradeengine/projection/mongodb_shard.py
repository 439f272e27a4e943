"""One shard of the read model on MongoDB: its checkpoint, moved by compare-and-set, and the redo that it carries.

Exactly once without transactions, in three steps, each of which may be the last that a process does:

1. The checkpoint goes from ``{sequence: n, redo: null}`` to ``{sequence: n, redo: {to, rows, …}}``, if it still is what
   the rows were made from. Of two processes one succeeds.
2. The rows are written, as absolute values and only over what is older. Doing it twice, late, or at the same time
   changes nothing.
3. The checkpoint goes to ``{sequence: to, redo: null}``, if that redo is still there.

Whoever finds a redo does the second and the third step before anything else. Rows that are too large for one document
wait in ``redo_chunks``, written before the first step.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from shared.errors import OutcomeUnknown
from shared.mongodb import Document, MongoStore, mapped_errors
from tradeengine.journal.record import Record
from tradeengine.projection.base import OnParked, following
from tradeengine.projection.freshness import record_time
from tradeengine.projection.mongodb_redo import Position, Redo, in_chunks, planned, unpacked
from tradeengine.projection.mongodb_rows import clear_rows, collection, fetch_rows, write_rows
from tradeengine.projection.prefetch import Prefetch, Rest, RowMemory, RowName
from tradeengine.projection.rows import changes_of_all
from tradeengine.projection.workshop import Workshop

CHECKPOINTS: Final = "checkpoints"
CHUNKS: Final = "redo_chunks"

MAX_REDO_BYTES: Final = 8 * 2**20
"""Most bytes of rows in one checkpoint, well below the 16 MiB of a document (MongoDB manual, Limits and Thresholds)."""

_MUCH: Final = 500
"""Entries that hardly come together in a second for one shard."""

_START = Position(0, 0, 0)


class MongoShard:
    """Writes one shard's rows.

    Parameters
    ----------
    shard
        Its number.
    venue
        Name of the venue, for ``positions.exchange``.
    memory
        What this process has written last; this shard's rows only.
    workshop
        Where rows are made.
    on_parked
        Told of rows that cannot be stored.
    max_redo_bytes
        Most bytes of rows in one checkpoint.
    """

    def __init__(
        self,
        store: MongoStore,
        shard: int,
        *,
        venue: str,
        memory: RowMemory,
        workshop: Workshop,
        on_parked: OnParked,
        max_redo_bytes: int = MAX_REDO_BYTES,
    ) -> None:
        self._store = store
        self._shard = shard
        self._venue = venue
        self._memory = memory
        self._workshop = workshop
        self._on_parked = on_parked
        self._max_redo_bytes = max_redo_bytes
        self._lock = asyncio.Lock()
        self._position: Position | None = None
        """Where the shard is, for as long as nobody else has been seen to move it."""

    async def position(self) -> Position:
        """Where the shard is in the store; a redo that is found there is finished first."""
        async with self._lock:
            self._lose()
            return await self._locate()

    async def apply(self, records: Sequence[Record]) -> Position:
        """Apply this shard's records; see :class:`~tradeengine.projection.base.ReadModel`."""
        async with self._lock:
            try:
                while True:
                    position = self._position or await self._locate()
                    fresh = following(records, position.sequence)
                    if not fresh:
                        return position
                    await self._advance(position, fresh)
            except BaseException:
                # Whatever was on its way may have been done.
                self._lose()
                raise

    async def clear(self) -> None:
        """Take out all rows and begin a new generation with the first record."""
        async with self._lock:
            self._lose()
            while True:
                held = await self._read()
                former = _START if held is None else _position(held)
                redo = Redo(self._shard, Position(former.generation + 1, 0, 0), clear=True)
                found: Document = {"_id": self._shard, "generation": former.generation, "sequence": former.sequence}
                begun = {
                    "$set": {"generation": redo.to.generation, "sequence": 0, "time_ms": 0, "redo": redo.document()}
                }
                if await self._changed(found, begun, upsert=held is None):
                    await self._finish(redo)
                    return

    async def _locate(self) -> Position:
        """Find out where the shard is, and finish what others have begun."""
        while True:
            held = await self._read()
            if held is None:
                self._position = _START
                return _START
            if held["redo"] is None:
                self._position = _position(held)
                return self._position
            redo = await self._found(held)
            if redo is not None:
                await self._finish(redo)

    async def _advance(self, position: Position, records: Sequence[Record]) -> None:
        """Apply records, or the first half of them if all are too many for one redo."""
        memory, work = self._memory, self._workshop
        time_ms = max(position.time_ms, *[record_time(record) for record in records])
        to = Position(position.generation, records[-1].sequence, time_ms)
        hurried = _is_much(records)
        prefetch = await self._prefetched(position, records, hurried=hurried)

        def exists(name: RowName) -> bool:
            return prefetch.found.get(name) is not None or memory.get(name, ()) is not None

        redo = await work.do(lambda rest: planned(self._shard, to, prefetch.batch, exists, rest), hurried=hurried)
        if redo.size > self._max_redo_bytes and len(records) > 1:
            await self._advance(position, records[: len(records) // 2])
            return
        redo = redo._replace(chunked=redo.size > self._max_redo_bytes)
        if not (await self._begin(position, redo) and await self._finish(redo)):
            self._lose()
            return
        if redo.parked:
            self._forget()
        else:
            await work.do(lambda _: memory.wrote(prefetch.batch, prefetch.found))
        self._position = to

    async def _prefetched(self, position: Position, records: Sequence[Record], *, hurried: bool) -> Prefetch:
        work = self._workshop

        def begun(rest: Rest) -> Prefetch:
            return Prefetch(changes_of_all(records, self._venue, rest), self._memory, rest)

        prefetch = await work.do(begun, hurried=hurried)
        while missing := await work.do(lambda _: prefetch.missing(), hurried=hurried):
            prefetch.supply(missing, await fetch_rows(self._store, position.generation, missing))
        return prefetch

    async def _begin(self, position: Position, redo: Redo) -> bool:
        """Promise the redo; ``False`` if the shard is no longer where its rows were made from."""
        chunks = await self._put_chunks(redo) if redo.chunked else []
        found = {
            "_id": self._shard,
            "generation": position.generation,
            "sequence": position.sequence,
            "redo": None,
        }
        begun = {"$set": {"redo": redo.document(chunks)}, "$setOnInsert": {"time_ms": position.time_ms}}
        return await self._changed(found, begun, upsert=position == _START)

    async def _finish(self, redo: Redo) -> bool:
        """Do what a redo says; ``False`` if somebody else has noted before that it is done."""
        if redo.clear:
            await clear_rows(self._store, redo)
            refused = []
        else:
            refused = await write_rows(self._store, redo)
        for row in (*redo.parked, *refused):
            self._on_parked(row)
        held = {"_id": self._shard, "generation": redo.to.generation, "redo.to": redo.to.sequence}
        done = {"sequence": redo.to.sequence, "time_ms": redo.to.time_ms, "redo": None}
        finished = await self._changed(held, {"$set": done})
        if redo.chunked or redo.clear:
            await self._drop_chunks(redo)
        return finished and not refused

    async def _found(self, held: Document) -> Redo | None:
        """The redo of a checkpoint; ``None`` if it is finished by now and its chunks are gone."""
        document = held["redo"]
        rows = unpacked(document["rows"])
        if document["chunks"]:
            with mapped_errors(writing=False):
                chunks = collection(self._store, CHUNKS).find({"_id": {"$in": document["chunks"]}})
                parts = {part["_id"]: unpacked(part["rows"]) async for part in chunks}
            if len(parts) < len(document["chunks"]):
                return None
            rows = [row for name in document["chunks"] for row in parts[name]]
        return Redo.of(self._shard, held["generation"], document, rows)

    async def _put_chunks(self, redo: Redo) -> list[str]:
        """Write the rows into chunks of an id that nobody else uses, as another may promise other rows meanwhile."""
        token, names = ObjectId(), []
        for number, rows in enumerate(in_chunks(redo.packed, self._max_redo_bytes)):
            names.append(f"{self._shard}/{redo.to.generation}/{redo.to.sequence}/{token}/{number}")
            mark = {"shard": self._shard, "mark": redo.to.mark}
            with mapped_errors(writing=True):
                await collection(self._store, CHUNKS).insert_one({"_id": names[-1], **mark, "rows": rows})
        return names

    async def _drop_chunks(self, redo: Redo) -> None:
        with mapped_errors(writing=True):
            older = {"shard": self._shard, "mark": {"$lte": redo.to.mark}}
            await collection(self._store, CHUNKS).delete_many(older)

    async def _read(self) -> Document | None:
        with mapped_errors(writing=False):
            return await collection(self._store, CHECKPOINTS).find_one({"_id": self._shard})

    async def _changed(self, found: Document, change: Document, *, upsert: bool = False) -> bool:
        """Change the checkpoint if it is as it was found."""
        try:
            with mapped_errors(writing=True):
                result = await collection(self._store, CHECKPOINTS).update_one(found, change, upsert=upsert)
        except DuplicateKeyError:
            return False
        if not result.acknowledged:
            raise OutcomeUnknown("MongoDB was asked for no confirmation: leave w=0 out of MONGODB_URI")
        return result.matched_count > 0 or result.upserted_id is not None

    def _lose(self) -> None:
        self._position = None
        self._forget()

    def _forget(self) -> None:
        # Work that nobody waits for any more may still write down what it knows: it has the former part.
        self._memory = self._memory.part()


def _is_much(records: Sequence[Record]) -> bool:
    """Whether the shard is catching up: what the loop is busy with then is mostly these rows."""
    return sum(len(record.entries) for record in records) >= _MUCH


def _position(held: Document) -> Position:
    return Position(held["generation"], held["sequence"], held["time_ms"])
