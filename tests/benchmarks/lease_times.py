"""What lease stores and keepers take, by the clock: runs in a process of its own."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter_ns
from typing import Final
from uuid import uuid4

import structlog

from shared.clock import SystemClock
from shared.leases.base import LeaseStore
from shared.leases.keeper import LeaseKeeper
from shared.leases.mongodb import MongoLeases
from shared.leases.sqlite import SqliteLeases
from shared.mongodb import MongoStore
from tests.benchmarks.load import SHARDS

BARE: Final = "one find_one_and_update"
STORES: Final = ("SQLite", "MongoDB")
TAKEOVER: Final = "takeover after a silence"
HANDOVER: Final = "handover after a clean stop"
_WARM = 10
_TTL_MS = 60_000
_MOST_S = 60.0


def commands(uri: str, count: int) -> dict[str, list[int]]:
    """Nanoseconds of each command, so many of each kind."""
    return asyncio.run(_commands(uri, count))


def takeovers(uri: str, ttl_s: float) -> dict[str, float]:
    """Seconds for which shards had no owner, after a silence and after a clean stop."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return asyncio.run(_takeovers(uri, ttl_s))


async def _commands(uri: str, count: int) -> dict[str, list[int]]:
    times: dict[str, list[int]] = {}
    async with _stores(uri) as (mongo, stores):
        bare = mongo.collection("bare")
        await bare.insert_one({"_id": 0, "renewals": 0})
        kinds: dict[str, Callable[[], Awaitable[object]]] = {
            BARE: lambda: bare.find_one_and_update({"_id": 0}, {"$inc": {"renewals": 1}})
        }
        for name, store in stores.items():
            epochs = {}
            for shard in range(SHARDS):
                lease = await store.take(None, shard, "bench", _TTL_MS)
                epochs[shard] = lease.epoch if lease is not None else 0
            kinds |= _kinds(name, store, epochs)
        for number in range(count + _WARM):
            for name, command in kinds.items():
                begun = perf_counter_ns()
                await command()
                if number >= _WARM:
                    times.setdefault(name, []).append(perf_counter_ns() - begun)
    return times


def _kinds(name: str, store: LeaseStore, epochs: dict[int, int]) -> dict[str, Callable[[], Awaitable[object]]]:
    async def take() -> None:
        seen = next((lease for lease in await store.read() if lease.shard == SHARDS), None)
        if await store.take(seen, SHARDS, "bench", _TTL_MS) is None:
            raise RuntimeError(f"nobody else takes shard {SHARDS} on {name}")

    async def renew(several: dict[int, int]) -> None:
        if await store.renew("bench", several) != several.keys():
            raise RuntimeError(f"nobody else takes shards on {name}")

    first = {0: epochs[0]}
    return {
        f"renewal of 1, {name}": lambda: renew(first),
        f"renewal of {SHARDS}, {name}": lambda: renew(epochs),
        f"read and take, {name}": take,
    }


async def _takeovers(uri: str, ttl_s: float) -> dict[str, float]:
    found = {}
    for what, orderly in ((TAKEOVER, False), (HANDOVER, True)):
        async with _stores(uri) as (_, stores):
            for name, store in stores.items():
                found[f"{what}, {name}"] = await _takeover(store, ttl_s, orderly=orderly)
    return found


async def _takeover(store: LeaseStore, ttl_s: float, *, orderly: bool) -> float:
    clock = SystemClock()
    former, heir = _keeper(store, clock, "former", ttl_s), _keeper(store, clock, "heir", ttl_s)
    running = asyncio.create_task(former.run())
    async with asyncio.timeout(_MOST_S):
        await _until(lambda: len(former.held) == SHARDS, clock)
        inheriting = asyncio.create_task(heir.run())
        # The heir's first look is over, and it lacks shards, as in the middle of a handover.
        await _until(lambda: bool(heir.members), clock)
        renewals = former.renewals
        await _until(lambda: former.renewals >= renewals + SHARDS, clock)
        begun = clock.monotonic()
        running.cancel()
        if orderly:
            await former.stop()
        await _until(lambda: len(heir.held) == SHARDS, clock)
        took = clock.monotonic() - begun
    inheriting.cancel()
    await asyncio.gather(running, inheriting, return_exceptions=True)
    return took


def _keeper(store: LeaseStore, clock: SystemClock, owner: str, ttl_s: float) -> LeaseKeeper:
    return LeaseKeeper(
        store,
        clock,
        owner,
        SHARDS,
        ttl_s,
        on_taken=lambda shard, epoch: None,
        on_lost=lambda shard, reason: None,
        on_surplus=lambda shard: None,
    )


async def _until(condition: Callable[[], bool], clock: SystemClock) -> None:
    while not condition():
        await clock.sleep(0.002)


@asynccontextmanager
async def _stores(uri: str) -> AsyncIterator[tuple[MongoStore, dict[str, LeaseStore]]]:
    """Both kinds, empty; the database is dropped in the end."""
    mongo = MongoStore(uri, f"bench_{uuid4().hex[:12]}")
    with tempfile.TemporaryDirectory() as folder:
        stores: dict[str, LeaseStore] = {
            "SQLite": SqliteLeases(Path(folder) / "leases.db"),
            "MongoDB": MongoLeases(mongo),
        }
        await mongo.open()
        for store in stores.values():
            await store.open()
        try:
            yield mongo, stores
        finally:
            await mongo.database.client.drop_database(mongo.name)
            for store in stores.values():
                await store.close()
            await mongo.close()
