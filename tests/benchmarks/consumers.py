"""Consumers of the signals of one broker, one or several: engine pods that trade at an exchange, or bare loops."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

import httpx

from tests.benchmarks import bare_loop, load
from tests.benchmarks.apart import Child
from tests.benchmarks.bare_loop import Stored
from tests.benchmarks.flights import check, server
from tests.benchmarks.load import SHARDS, Seen
from tests.benchmarks.pods_exchange import Exchange, by_signal, exchange
from tests.benchmarks.pods_journal import Trail
from tests.benchmarks.signals import Workload, asks_for_order, signal_id
from tests.benchmarks.soak_watch import look
from tests.benchmarks.steps import Cost, Step
from tests.support.process import READ, EngineProcess
from tradeengine.runtime.copies import MYSQL, READ_MODEL

TRADERS: Final = 1
"""Strategies that ask for orders: each of their positions has a stop, and the exchange lets 200 rest."""

_START_S: Final = 120.0
_WORK_S: Final = 600.0
_LOOK_S: Final = 0.5


class Consumers(Protocol):
    """Whoever takes the signals."""

    async def step(self, workload: Workload, number: int, rate: float) -> Step:
        """Publish so many signals evenly, so many a second, and wait until everything that they led to is over."""
        ...


class Loops:
    """Bare loops that share one consumer."""

    def __init__(self, url: str, children: list[Child]) -> None:
        self._url = url
        self._children = children
        self._first = 0

    async def step(self, workload: Workload, number: int, rate: float) -> Step:
        """See :class:`Consumers`."""
        before = self._cpu_ns()
        seen = await _published(self._url, workload, number, rate, self._first)
        self._first += number
        return Step(rate, seen, cost=Cost(self._cpu_ns() - before))

    def _cpu_ns(self) -> int:
        return sum(look(child.pid).cpu_ns for child in self._children)

    async def stop(self) -> list[int]:
        """End them; nanoseconds of each of their commits."""
        for child in self._children:
            child.tell("stop")
        times: list[int] = []
        for child in self._children:
            stored: Stored = await asyncio.to_thread(child.hear, _WORK_S)
            check(stored.signals, self._first, "stored by the bare loops")
            times += stored.times
        return times


@asynccontextmanager
async def loops(environment: Mapping[str, str], number: int) -> AsyncIterator[Loops]:
    """Run so many bare loops on an empty database, until :meth:`Loops.stop`."""
    async with server() as (url, folder):
        with ExitStack() as stack:
            children = []
            for _ in range(number):
                child = stack.enter_context(Child("a bare loop", bare_loop.work, url, folder, dict(environment)))
                await asyncio.to_thread(child.hear, _START_S)
                children.append(child)
            yield Loops(url, children)


class Pods:
    """Engine pods that share an account and stores."""

    def __init__(self, url: str, engines: Sequence[EngineProcess], venue: Exchange, trail: Trail) -> None:
        self._url = url
        self._engines = engines
        self._exchange = venue
        self._trail = trail
        self._first = 0

    async def step(self, workload: Workload, number: int, rate: float) -> Step:
        """See :class:`Consumers`."""
        before, since = self._cost(), await asyncio.to_thread(self._exchange.moment)
        seen = await _published(self._url, workload, number, rate, self._first)
        await self._trail.rest()
        after = self._cost()
        decided = await self._trail.read()
        arrivals = await asyncio.to_thread(self._exchange.arrivals, since)
        numbers = range(self._first, self._first + number)
        ids = {signal_id(each): place for place, each in enumerate(numbers)}
        self._first += number
        check(sum(decided.signals.values()), number, "decisions")
        check(len(decided.signals.keys() & ids.keys()), number, "signals decided")
        asking = sum(asks_for_order(workload, each) for each in numbers)
        check(len(decided.orders) + len(decided.rejected), asking, "orders and rejections")
        orders = {order_id: ids[asking] for order_id, asking in decided.orders.items()}
        wire = by_signal(arrivals, orders)
        check(len(wire), len(decided.orders), "orders that arrived at the exchange")
        await self._copied()
        cost = Cost(after.cpu_ns - before.cpu_ns, after.log_bytes - before.log_bytes)
        return Step(rate, seen, wire, cost, decided.records, tuple(decided.rejected.values()))

    async def spread(self) -> None:
        """Wait until they share the shards fairly."""

        async def is_fair() -> bool:
            held = [len(await _held(engine)) for engine in self._engines]
            return sum(held) == SHARDS and max(held) - min(held) <= 1

        await _until(is_fair, "a fair spread of the shards")

    async def _copied(self) -> None:
        """Wait until the copies have everything: no step is to suffer from the one before."""

        async def is_level() -> bool:
            behind = [
                await engine.metric("tradeengine_copy_lag_records", copy=copy)
                for engine in self._engines
                for copy in (READ_MODEL, MYSQL)
            ]
            return not any(behind)

        await _until(is_level, "the copies")

    def _cost(self) -> Cost:
        engines = self._engines
        return Cost(
            sum(look(engine.pid).cpu_ns for engine in engines),
            sum(engine.log_file.stat().st_size for engine in engines),
        )


@asynccontextmanager
async def pods(environment: Mapping[str, str], number: int, profile: Path | None = None) -> AsyncIterator[Pods]:
    """Run so many pods on empty databases.

    Parameters
    ----------
    profile
        Folder for their profiles, if they are wanted.
    """
    async with AsyncExitStack() as stack:
        url, folder = await stack.enter_async_context(server())
        venue = await stack.enter_async_context(exchange())
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=60, trust_env=False))
        engines = []
        for name in (f"pod-{place}" for place in range(number)):
            given = {**environment, **venue.settings, "POD_NAME": name, "SHARDS": str(SHARDS)}
            through = (
                [sys.executable, "-m", "tests.benchmarks.profiled", str(profile / f"{number}-{name}")]
                if profile
                else []
            )
            engine = EngineProcess(folder / name, client, nats_url=url, settings=given, through=through)
            stack.callback(engine.close)
            engine.spawn()
            engines.append(engine)
        for engine in engines:
            await engine.until_ready(_START_S)
        trail = Trail(environment)
        await trail.open()
        stack.push_async_callback(trail.close)
        made = Pods(url, engines, venue, trail)
        await made.spread()
        if profile:
            for engine in engines:
                engine.terminate(signal.SIGUSR1)
        yield made
        for engine in engines:
            await engine.stop()


async def _published(url: str, workload: Workload, number: int, rate: float, first: int) -> Seen:
    with Child("the load", load.stream, url, workload, number, rate, first, TRADERS) as publisher:
        seen: Seen = await asyncio.to_thread(publisher.hear, _WORK_S)
    return seen


async def _held(engine: EngineProcess) -> list[int]:
    answer = await engine.request("GET", "/health", headers=READ)
    found: list[int] = answer.json()["components"]["distributed_lock_manager"]["shards_held"]
    return found


async def _until(fits: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = monotonic() + _WORK_S
    while not await fits():
        if monotonic() > deadline:
            raise RuntimeError(f"waited {_WORK_S:.0f} s for {what}")
        await asyncio.sleep(_LOOK_S)
