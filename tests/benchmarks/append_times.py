"""What a commit takes on each journal, by the clock: runs in a process of its own."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import perf_counter_ns
from typing import Final

from shared.mongodb import MongoStore
from tests.benchmarks.journal_of_orders import journal_records
from tests.benchmarks.load import SHARDS
from tradeengine.journal.base import Journal
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.journal.record import Record, encode
from tradeengine.journal.sqlite import SqliteJournal

BARE: Final = "one insert_one"
ORDERS: Final = 20
_WARM = 20


def commits(environment: Mapping[str, str], count: int) -> dict[str, list[int]]:
    """Nanoseconds of each commit, so many of each kind; the settings name an empty database."""
    return asyncio.run(_commits(environment, count))


async def _commits(environment: Mapping[str, str], count: int) -> dict[str, list[int]]:
    times: dict[str, list[int]] = {}
    store = MongoStore(environment["MONGODB_URI"], environment["MONGODB_DATABASE"])
    with tempfile.TemporaryDirectory() as folder:
        journals: dict[str, Journal] = {"MongoDB": MongoJournal(store), "SQLite": SqliteJournal(Path(folder) / "j.db")}
        for journal in journals.values():
            await journal.open()
        # Their content is the same each time: what a commit costs does not depend on it.
        (template,) = journal_records(ORDERS, shards=1, orders_a_record=ORDERS)
        kinds = {BARE: _bare(store, encode(template))}
        for name, journal in journals.items():
            kinds[f"1 record, {name}"] = _appending(journal, template, [0])
            kinds[f"{SHARDS} records, {name}"] = _appending(journal, template, range(1, SHARDS + 1))
        for number in range(1, _WARM + count + 1):
            for name, commit in kinds.items():
                begun = perf_counter_ns()
                await commit(number)
                if number > _WARM:
                    times.setdefault(name, []).append(perf_counter_ns() - begun)
        for journal in journals.values():
            await journal.close()
    return times


def _bare(store: MongoStore, payload: bytes) -> Callable[[int], Awaitable[None]]:
    async def insert(number: int) -> None:
        await store.collection("bare").insert_one({"_id": number, "payload": payload})

    return insert


def _appending(journal: Journal, template: Record, shards: range | list[int]) -> Callable[[int], Awaitable[None]]:
    async def append(number: int) -> None:
        await journal.append([Record(shard, number, template.entries, epoch=1) for shard in shards])

    return append
