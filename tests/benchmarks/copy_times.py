"""What copies take to catch up with a journal, by the clock: runs in a process of its own."""

import asyncio
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

import structlog
from pymongo import IndexModel

from shared.clock import SystemClock
from shared.collector import calm_collector
from shared.mongodb import MongoStore
from shared.mysql_address import MySqlAddress
from tests.benchmarks.journal_of_orders import events_of, journal_records
from tests.benchmarks.load import SHARDS
from tradeengine.journal.base import Journal
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.projection.mongodb import MongoReadModel
from tradeengine.projection.mysql import MySqlReadModel
from tradeengine.projection.projector import Projector
from tradeengine.projection.sqlite import SqliteReadModel
from tradeengine.projection.tables import TABLES
from tradeengine.runtime.stores import Tables

READING: Final = "reading the journal alone"
INSERTING: Final = "inserting MongoDB's rows alone"
_INSERTED_ROWS = 250
_APPEND_RECORDS = 100
_ORDERS_A_RECORD = 20
_EVENTS_AN_ORDER = 4
_VENUE = "paper"
_OWN_INDEX = "_id_"


class CatchUp(NamedTuple):
    """How long each took, in seconds, and how many events there were."""

    events: int
    seconds: dict[str, float]


def catch_ups(environment: Mapping[str, str], events: int) -> CatchUp:
    """Fill a journal on MongoDB, and let each copy catch up with it, one after the other."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return asyncio.run(_catch_ups(environment, events))


async def _catch_ups(environment: Mapping[str, str], events: int) -> CatchUp:
    store = MongoStore(environment["MONGODB_URI"], environment["MONGODB_DATABASE"], timeout_ms=20_000)
    journal = MongoJournal(store)
    await journal.open()
    count = await _filled(journal, events // _EVENTS_AN_ORDER)
    calm_collector()
    took = {READING: await _read(journal)}
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        copies: dict[str, Tables] = {
            "MongoDB": MongoReadModel(store, venue=_VENUE, clock=clock),
            "MySQL": MySqlReadModel(MySqlAddress.parse(environment["MYSQL_URI"]), venue=_VENUE, clock=clock),
            "SQLite": SqliteReadModel(Path(folder) / "read_model.db", venue=_VENUE, clock=clock),
        }
        for name, copy in copies.items():
            took[name] = await _caught_up(journal, copy, clock)
        took[INSERTING] = await _inserted(store)
    await journal.close()
    return CatchUp(count, took)


async def _filled(journal: Journal, orders: int) -> int:
    records = journal_records(orders, shards=SHARDS, orders_a_record=_ORDERS_A_RECORD)
    for start in range(0, len(records), _APPEND_RECORDS):
        await journal.append(records[start : start + _APPEND_RECORDS])
    return events_of(records)


async def _read(journal: Journal) -> float:
    """Seconds to read all records and decode them."""
    begun = monotonic()
    for shard in await journal.shards():
        after = 0
        while page := await journal.read(shard, after, _APPEND_RECORDS):
            after = page[-1].sequence
    return monotonic() - begun


async def _inserted(store: MongoStore) -> float:
    """Seconds to insert the rows of the read model into collections with its indexes, and to do nothing else."""
    took = 0.0
    for table in TABLES:
        rows = await store.collection(table).find({}).to_list()
        bare = store.collection(f"bare_{table}")
        indexes = await store.collection(table).index_information()
        wanted = [
            IndexModel(one["key"], name=name, unique=one.get("unique", False))
            for name, one in indexes.items()
            if name != _OWN_INDEX
        ]
        await bare.create_indexes(wanted)
        begun = monotonic()
        for start in range(0, len(rows), _INSERTED_ROWS):
            await bare.insert_many(rows[start : start + _INSERTED_ROWS], ordered=False)
        took += monotonic() - begun
    return took


async def _caught_up(journal: Journal, copy: Tables, clock: SystemClock) -> float:
    await copy.open()
    projector = Projector(journal, copy, clock, range(SHARDS))
    begun = monotonic()
    await projector.start()
    await projector.catch_up()
    took = monotonic() - begun
    await projector.stop()
    await copy.close()
    return took
