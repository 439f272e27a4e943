"""Read model on MongoDB: a collection for each table, written exactly once without transactions.

:mod:`~tradeengine.projection.mongodb_shard` tells how.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import structlog

from contracts.query import Page
from shared.clock import Clock
from shared.mongodb import MongoStore, mapped_errors
from tradeengine.journal.record import Record
from tradeengine.projection.base import OnParked, ParkedRow, following
from tradeengine.projection.freshness import Freshness
from tradeengine.projection.mongodb_reader import read_page
from tradeengine.projection.mongodb_redo import Position
from tradeengine.projection.mongodb_rows import collection
from tradeengine.projection.mongodb_schema import SCHEMA_VERSION, apply_schema, check_made, verify_schema
from tradeengine.projection.mongodb_shard import CHECKPOINTS, MAX_REDO_BYTES, MongoShard
from tradeengine.projection.prefetch import MAX_REMEMBERED, RowMemory
from tradeengine.projection.query import parse_query
from tradeengine.projection.workshop import Workshop

_AT_ONCE: Final = 2
"""Shards that are written side by side: rows of one are made while the server writes another's. Leases and the
journal's commits may wait behind all that is under way."""

log = structlog.get_logger(__name__)


def log_parked(row: ParkedRow) -> None:
    """Log a row that could not be stored."""
    log.error("row_parked", **row._asdict(), action="see the collection parked_rows; the other rows are there")


class MongoReadModel:
    """Collections made from committed records; any number of processes may write one shard at once.

    Parameters
    ----------
    store
        Where they are; others may have it open too.
    venue
        Name of the venue, for ``positions.exchange``.
    clock
        For the age of what queries return.
    on_parked
        Told of each row that MongoDB cannot hold, at least once.
    remembered
        Most rows of all shards that are remembered.
    max_redo_bytes
        Most bytes of rows that one checkpoint carries.
    """

    def __init__(
        self,
        store: MongoStore,
        *,
        venue: str,
        clock: Clock,
        on_parked: OnParked = log_parked,
        remembered: int = MAX_REMEMBERED,
        max_redo_bytes: int = MAX_REDO_BYTES,
    ) -> None:
        self.freshness = Freshness(clock)
        self._store = store
        self._workshop = Workshop(f"rows-{store.name}", self.freshness)
        self._make_shard = partial(
            MongoShard,
            store,
            venue=venue,
            workshop=self._workshop,
            on_parked=on_parked,
            max_redo_bytes=max_redo_bytes,
        )
        self._memory = RowMemory(remembered)
        self._shards: dict[int, MongoShard] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._opened = False

    async def open(self) -> None:
        """Connect, and see that the schema was applied.

        Raises
        ------
        ConfigError
            If it was not, or is a newer one, or the server refuses this user; the text says what to do.
        RetrySafe
            If no server answers.
        """
        await self._store.open()
        try:
            await check_made(self._store)
            with mapped_errors(writing=False):
                held = await collection(self._store, CHECKPOINTS).find({}, {"sequence": 1, "time_ms": 1}).to_list()
        except BaseException:
            await self._store.close()
            raise
        self._opened = True
        for checkpoint in held:
            self.freshness.applied(checkpoint["_id"], checkpoint["sequence"], checkpoint["time_ms"])

    async def close(self) -> None:
        """Give the store back."""
        self._shards.clear()
        await self._workshop.close()
        if self._opened:
            self._opened = False
            await self._store.close()

    async def checkpoint(self, shard: int) -> int:
        """Sequence of the newest applied record of a shard; what somebody has begun there is finished first."""
        position = await self._shard(shard).position()
        self._note(shard, position)
        return position.sequence

    async def apply(self, records: Sequence[Record]) -> None:
        """Apply records, those of each shard all or none; see :class:`~tradeengine.projection.base.ReadModel`."""
        shards: dict[int, list[Record]] = {}
        for record in records:
            shards.setdefault(record.shard, []).append(record)
        for own in shards.values():
            following(own, own[0].sequence - 1)
        results = await asyncio.gather(*[self._apply(*item) for item in shards.items()], return_exceptions=True)
        for result in results:
            if result is not None:
                raise result

    async def clear(self, shard: int) -> None:
        """Take out a shard's rows, to be made anew from its first record on.

        It may be done while engines run: whoever projects the shard begins again. A process that stood still meanwhile
        cannot bring former rows back.
        """
        await self._shard(shard).clear()
        self._note(shard, Position(0, 0, 0))

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        """Rows of a table; parameters and errors as of :func:`~tradeengine.projection.query.parse_query`."""
        query = parse_query(table, filters, sort, cursor, limit)
        # Before the read: what becomes stale during it is not counted, what becomes fresh is not promised.
        age = self.freshness.age_seconds
        rows, following_page = await read_page(self._store, query)
        return Page(rows=rows, next_cursor=following_page, source="mongodb", age_seconds=age)

    async def _apply(self, shard: int, records: list[Record]) -> None:
        async with self._room:
            self._note(shard, await self._shard(shard).apply(records))

    def _shard(self, shard: int) -> MongoShard:
        found = self._shards.get(shard)
        if found is None:
            found = self._shards[shard] = self._make_shard(shard, memory=self._memory.part())
        return found

    def _note(self, shard: int, position: Position) -> None:
        self.freshness.applied(shard, position.sequence, position.time_ms)


__all__ = ["SCHEMA_VERSION", "MongoReadModel", "apply_schema", "log_parked", "verify_schema"]
