"""The least that any consumer must do: fetch a batch, store it durably with one insert, acknowledge it.

It reads all shards with one consumer, does not look into the messages, and tells nobody of what it did.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import nats

from contracts.subjects import SHARDED_WILDCARD, SIGNALS_STREAM
from tests.benchmarks.apart import Line, say
from tests.benchmarks.load import SHARDS
from tradeengine.runtime.intake import StreamSettings
from tradeengine.runtime.intake.streams import ensure_streams

READY: Final = "ready"
BATCH: Final = 500
_FETCH_S = 0.5


class Stored(NamedTuple):
    """What the loop did."""

    signals: int
    commits: int


def work(line: Line, url: str, folder: Path) -> Stored:
    """Run the loop until told to stop."""
    return asyncio.run(_work(line, url, folder))


async def _work(line: Line, url: str, folder: Path) -> Stored:
    client = await nats.connect(url)
    jetstream = client.jetstream()
    await ensure_streams(jetstream, SHARDS, StreamSettings())
    subscription = await jetstream.pull_subscribe(SHARDED_WILDCARD, "bare", stream=SIGNALS_STREAM)
    loop = asyncio.get_running_loop()
    commits = 0
    with ThreadPoolExecutor(1) as thread:
        store = await loop.run_in_executor(thread, _open, folder / "bare.db")
        say(line, READY)
        stop = asyncio.create_task(asyncio.to_thread(line.recv))
        while not stop.done():
            try:
                messages = await subscription.fetch(BATCH, timeout=_FETCH_S)
            except TimeoutError:
                continue
            await loop.run_in_executor(thread, _insert, store, [message.data for message in messages])
            commits += 1
            for message in messages:
                await message.ack()
        signals = await loop.run_in_executor(thread, _close, store)
    await client.close()
    return Stored(signals, commits)


def _open(path: Path) -> sqlite3.Connection:
    store = sqlite3.connect(path, isolation_level=None)
    store.execute("PRAGMA journal_mode=WAL")
    store.execute("PRAGMA synchronous=FULL")
    store.execute("CREATE TABLE batches (number INTEGER PRIMARY KEY, signals INTEGER NOT NULL, payload BLOB NOT NULL)")
    return store


def _insert(store: sqlite3.Connection, payloads: Sequence[bytes]) -> None:
    store.execute("INSERT INTO batches (signals, payload) VALUES (?, ?)", (len(payloads), b"\n".join(payloads)))


def _close(store: sqlite3.Connection) -> int:
    (signals,) = store.execute("SELECT sum(signals) FROM batches").fetchone()
    store.close()
    return signals or 0
