"""Opening and closing at the exchange through the engine, both as processes of their own; and through the bare loop."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter_ns
from typing import NamedTuple

import httpx

from tests.benchmarks import bare_stops
from tests.benchmarks.apart import result_of
from tests.benchmarks.exchange_server import ROOMY
from tests.benchmarks.stop_times import stop_times
from tests.support.cycles import LEGS, Cycles, open_positions, resting_orders, watching
from tests.support.rig import Exchange, rig

HURRIED_EVERY = 4
_SETUP = {"options": ROOMY}
_S = 1e9


class Cycled(NamedTuple):
    """What so many cycles came to.

    Parameters
    ----------
    per_second
        Cycles a second.
    stop_ms
        Milliseconds from each opening fill to its stop's being accepted.
    resting
        Conditional orders that rest in the end.
    held
        Positions that are open in the end.
    stored_ns
        Nanoseconds of each durable insert of the bare loop.
    """

    per_second: float
    stop_ms: list[int]
    resting: int
    held: int
    stored_ns: list[int]


def through_engine(count: int) -> Cycled:
    """Open and close so often with ``tradeengine run``, then leave each leg open."""
    return asyncio.run(_in_folder(_through_engine, count))


def through_bare_loop(count: int) -> Cycled:
    """The same with the bare loop."""
    return asyncio.run(_in_folder(_through_bare_loop, count))


async def _in_folder(work: Callable[[Path, int], Awaitable[Cycled]], count: int) -> Cycled:
    with tempfile.TemporaryDirectory(prefix="tradeengine-bench-") as name:
        return await work(Path(name), count)


async def _through_engine(folder: Path, count: int) -> Cycled:
    async with rig(folder, setup=_SETUP, LOG_LEVEL="WARNING") as made, watching(made.exchange) as watch:
        cycles = Cycles(made.engine, watch)
        begun = perf_counter_ns()
        await cycles.run(LEGS, count, hurried_every=HURRIED_EVERY)
        took = perf_counter_ns() - begun
        for leg in LEGS:
            await cycles.open(leg)
        return await _found(made.exchange, count / took * _S, [])


async def _through_bare_loop(folder: Path, count: int) -> Cycled:
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
        exchange = Exchange(folder, client)
        await exchange.start()
        try:
            await exchange.reset(**_SETUP)
            bare = await asyncio.to_thread(
                result_of, "the bare loop", bare_stops.work, exchange.url, folder, count, HURRIED_EVERY
            )
            return await _found(exchange, count / bare.cycles_ns * _S, bare.stored_ns)
        finally:
            exchange.kill()


async def _found(exchange: Exchange, per_second: float, stored_ns: list[int]) -> Cycled:
    resting, held = await resting_orders(exchange), await open_positions(exchange)
    if sorted(held) != sorted(leg.place for leg in LEGS):
        raise RuntimeError(f"held are {held}, not one position of each leg; the figures would say nothing")
    return Cycled(per_second, stop_times(await exchange.requests()), len(resting), len(held), stored_ns)
