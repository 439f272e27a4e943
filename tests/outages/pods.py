"""Several ``tradeengine run`` that share MongoDB and an exchange."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.outages.stores import Stores
from tests.support.deadline import PATIENCE_S, Deadline
from tests.support.process import NO_NATS, READ, EngineProcess
from tests.support.rig import ROOMY, Exchange, settings_for
from tradeengine.domain.inputs import ShardTaken
from tradeengine.journal.record import Record


class Pods:
    """Makes engines that trade the same account out of the same stores; they end with the block."""

    def __init__(self, folder: Path, exchange: Exchange, client: httpx.AsyncClient, stack: AsyncExitStack) -> None:
        self.exchange = exchange
        self._folder = folder
        self._client = client
        self._stack = stack

    def pod(self, name: str, **settings: str) -> EngineProcess:
        """Make one, not started yet."""
        given = settings_for(self.exchange, POD_NAME=name, RECONCILE_INTERVAL_SECONDS="1", **settings)
        made = EngineProcess(self._folder / name, self._client, nats_url=NO_NATS, settings=given)
        self._stack.callback(made.close)
        return made


@asynccontextmanager
async def pods(folder: Path) -> AsyncIterator[Pods]:
    """Start an exchange for them."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False))
        exchange = Exchange(folder, client)
        await exchange.start()
        stack.callback(exchange.close)
        await exchange.reset(options=ROOMY)
        yield Pods(folder, exchange, client, stack)


async def health(engine: EngineProcess, component: str) -> dict[str, Any]:
    """What a component of an engine says of itself."""
    answer = await engine.request("GET", "/health", headers=READ)
    found: dict[str, Any] = answer.json()["components"][component]
    return found


async def until(fits: Callable[[], Awaitable[bool]], what: str, seconds: float = PATIENCE_S) -> None:
    """Wait for a condition."""
    deadline = Deadline(seconds)
    while not await fits():
        assert not deadline.passed(), f"waited {deadline} for {what}"
        await asyncio.sleep(0.05)


async def held_by(engine: EngineProcess) -> set[int]:
    """Shards whose leases an engine believes to hold."""
    found = await health(engine, "distributed_lock_manager")
    return set(found["shards_held"])


async def records_of(stores: Stores, shard: int) -> list[Record]:
    """Everything that was committed of a shard."""
    async with stores.journal() as journal:
        records: list[Record] = []
        while page := await journal.read(shard, after=len(records)):
            records += page
        return records


def takers(records: list[Record]) -> list[int]:
    """Positions of the records with which an owner began."""
    return [
        record.sequence for record in records if any(isinstance(entry.input, ShardTaken) for entry in record.entries)
    ]
