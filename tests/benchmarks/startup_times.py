"""What a start does with a long journal: loads every shard; and the bare reading of the same bytes beside it."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

import pymongo

from shared.mongodb import MongoStore
from tests.benchmarks.load import SHARDS
from tests.support.records import RecordedWorld
from tests.support.stores import empty_mongo_journal
from tradeengine.journal.base import Journal, Snapshot
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.journal.mongodb_documents import position
from tradeengine.journal.record import Record
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.runtime.recovery import load_state
from tradeengine.runtime.shard import SNAPSHOT_EVERY

_STRATEGIES: Final = 20
_TRADES: Final = 10
"""Trades in a record: each opened and closed again, with a stop."""
_AT_ONCE: Final = 50


class Place(NamedTuple):
    """Where a journal is.

    Parameters
    ----------
    database
        In MongoDB, whose address is ``where``; empty for SQLite, where that is the file.
    """

    where: str
    database: str = ""

    @property
    def store(self) -> str:
        """For people."""
        return "MongoDB" if self.database else "SQLite"


class Start(NamedTuple):
    """How long a start took, in seconds, and how many events it applied again."""

    seconds: float
    applied: int


def build(place: Place, events: int) -> int:
    """Write a history of about so many events, dealt to all shards; the number that it came to.

    Each shard ends just before its next snapshot was due: no start has more to apply.
    """
    return asyncio.run(_build(place, events))


def loaded(place: Place) -> Start:
    """Open the journal and load all shards."""
    return asyncio.run(_loaded(place))


def bare(place: Place) -> float:
    """Read what a start reads, as the driver gives it, and do nothing with it; seconds."""
    began = perf_counter()
    read = _bare_mongodb(place) if place.database else _bare_sqlite(Path(place.where))
    if not read:
        raise RuntimeError(f"nothing was read from {place.where}")
    return perf_counter() - began


async def _build(place: Place, events: int) -> int:
    journal = await _made(place)
    per_shard = events // SHARDS
    tail = min(SNAPSHOT_EVERY, per_shard // 2)
    total = 0
    try:
        for shard in range(SHARDS):
            world, batch, written, saved = RecordedWorld(shard=shard), list[Record](), 0, False
            while written < per_shard:
                record = _record(world)
                written += sum(len(entry.events) for entry in record.entries)
                batch.append(record)
                is_due = not saved and written >= per_shard - tail
                if len(batch) >= _AT_ONCE or is_due or written >= per_shard:
                    await journal.append(batch)
                    batch = []
                if is_due:
                    saved = True
                    await journal.save_snapshot(shard, Snapshot(record.sequence, world.state.canonical()))
            total += written
    finally:
        await journal.close()
    return total


def _record(world: RecordedWorld) -> Record:
    for _ in range(_TRADES):
        number = world.trades
        strategy, price = f"strategy-{number % _STRATEGIES:02}", 45_000 + number % 100
        world.trade(
            "buy",
            strategy,
            f"{price}",
            "0.01",
            fee="0.0018",
            stop_loss_pct="0.05",
            signal_id=f"{strategy}-open-{number:08}",
        )
        world.trade("close", strategy, f"{price + 10}", fee="0.0018", signal_id=f"{strategy}-close-{number:08}")
        world.honour_cancels()
    # Kept for tests that look back; here it would be all the memory there is.
    world.events.clear()
    return world.cut()


async def _loaded(place: Place) -> Start:
    began = perf_counter()
    journal: Journal = (
        MongoJournal(MongoStore(place.where, place.database)) if place.database else SqliteJournal(Path(place.where))
    )
    await journal.open()
    try:
        applied = [(await load_state(journal, shard)).unsaved for shard in range(SHARDS)]
        return Start(perf_counter() - began, sum(applied))
    finally:
        await journal.close()


async def _made(place: Place) -> Journal:
    if place.database:
        return await empty_mongo_journal(place.where, place.database, timeout_ms=60_000)
    journal = SqliteJournal(Path(place.where), durable=False)
    await journal.open()
    return journal


def _bare_sqlite(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        snapshots = connection.execute("SELECT shard, sequence, state FROM snapshots").fetchall()
        return sum(len(state) for _, _, state in snapshots) + sum(
            len(payload)
            for shard, sequence, _ in snapshots
            for (payload,) in connection.execute(
                "SELECT payload FROM records WHERE shard = ? AND sequence > ? ORDER BY sequence", (shard, sequence)
            )
        )


def _bare_mongodb(place: Place) -> int:
    with pymongo.MongoClient[dict[str, Any]](place.where) as client:
        database = client[place.database]
        heads = [head for head in database["snapshots"].find() if isinstance(head["_id"], int)]
        return sum(len(head["data"]) for head in heads) + sum(_payloads(database["journal"], heads))


def _payloads(records: "pymongo.collection.Collection[dict[str, Any]]", heads: list[dict[str, Any]]) -> Iterator[int]:
    for head in heads:
        # As the journal asks: the server of the development machines looks at every document for a span.
        named = [position(head["_id"], head["sequence"] + number) for number in range(1, 201)]
        for document in records.find({"_id": {"$in": named}}, {"payload": 1}, sort=[("_id", 1)]):
            yield len(document["payload"])
