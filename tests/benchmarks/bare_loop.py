"""The least that any consumer must do: fetch a batch, store it durably with one insert, acknowledge it.

It reads all shards with one consumer, does not look into the messages, and tells nobody of what it did.
"""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Final, NamedTuple, Protocol

import nats

from contracts.subjects import SHARDED_WILDCARD, SIGNALS_STREAM
from shared.mongodb import MongoStore
from tests.benchmarks.apart import Line, say
from tests.benchmarks.load import SHARDS
from tradeengine.runtime.intake import StreamSettings
from tradeengine.runtime.intake.streams import ensure_streams

READY: Final = "ready"
BATCH: Final = 500
_FETCH_S = 0.5
_TIMEOUT_MS = 60_000


class Stored(NamedTuple):
    """What the loop did: signals and commits, and nanoseconds of each commit."""

    signals: int
    commits: int
    times: list[int]


def work(line: Line, url: str, folder: Path, environment: Mapping[str, str]) -> Stored:
    """Run the loop until told to stop; it stores in MongoDB if the settings name one, else in SQLite."""
    named = "MONGODB_URI" in environment
    store: _Store = _Mongo(environment) if named else _Sqlite(folder / "bare.db")
    return asyncio.run(_work(line, url, store))


class _Store(Protocol):
    async def open(self) -> None: ...

    async def insert(self, payloads: Sequence[bytes]) -> None: ...

    async def close(self) -> int:
        """How many signals are stored."""
        ...


async def _work(line: Line, url: str, store: _Store) -> Stored:
    client = await nats.connect(url)
    jetstream = client.jetstream()
    await ensure_streams(jetstream, SHARDS, StreamSettings())
    subscription = await jetstream.pull_subscribe(SHARDED_WILDCARD, "bare", stream=SIGNALS_STREAM)
    times = []
    await store.open()
    say(line, READY)
    stop = asyncio.create_task(asyncio.to_thread(line.recv))
    while not stop.done():
        try:
            messages = await subscription.fetch(BATCH, timeout=_FETCH_S)
        except TimeoutError:
            continue
        if not messages:
            # nats-py returns nothing at all where the end of an older request is the first thing that it reads.
            continue
        begun = perf_counter_ns()
        await store.insert([message.data for message in messages])
        times.append(perf_counter_ns() - begun)
        for message in messages:
            await message.ack()
    signals = await store.close()
    await client.close()
    return Stored(signals, len(times), times)


class _Mongo:
    """A document a signal, one command a batch, as durable as the engine asks for."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        uri, database = environment["MONGODB_URI"], environment["MONGODB_DATABASE"]
        # The loop repeats nothing: a command that a busy machine answers late must not end it.
        self._store = MongoStore(uri, database, timeout_ms=_TIMEOUT_MS)

    async def open(self) -> None:
        await self._store.open()

    async def insert(self, payloads: Sequence[bytes]) -> None:
        documents: list[dict[str, Any]] = [{"payload": payload} for payload in payloads]
        await self._store.collection("bare").insert_many(documents)

    async def close(self) -> int:
        signals = await self._store.collection("bare").count_documents({})
        await self._store.close()
        return signals


class _Sqlite:
    """A row a batch, in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1)

    async def open(self) -> None:
        self._store = await self._run(self._opened)

    async def insert(self, payloads: Sequence[bytes]) -> None:
        statement = "INSERT INTO batches (signals, payload) VALUES (?, ?)"
        await self._run(lambda: self._store.execute(statement, (len(payloads), b"\n".join(payloads))))

    async def close(self) -> int:
        rows = await self._run(lambda: self._store.execute("SELECT sum(signals) FROM batches").fetchall())
        await self._run(self._store.close)
        self._thread.shutdown()
        return rows[0][0] or 0

    def _opened(self) -> sqlite3.Connection:
        store = sqlite3.connect(self._path, isolation_level=None)
        store.execute("PRAGMA journal_mode=WAL")
        store.execute("PRAGMA synchronous=FULL")
        store.execute(
            "CREATE TABLE batches (number INTEGER PRIMARY KEY, signals INTEGER NOT NULL, payload BLOB NOT NULL)"
        )
        return store

    async def _run(self, work: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
