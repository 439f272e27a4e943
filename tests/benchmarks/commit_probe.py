"""Bare commits beside whatever else the store does: runs in a process of its own."""

import asyncio
from collections.abc import Mapping
from time import perf_counter_ns
from typing import Final

from shared.mongodb import MongoStore
from tests.benchmarks.apart import Line, say

READY: Final = "ready"
BYTES: Final = 4_096
_EVERY_S: Final = 0.04
_WARM: Final = 20


def work(line: Line, environment: Mapping[str, str]) -> list[int]:
    """Insert a small document 25 times a second at most until told to stop; nanoseconds of each insert."""
    return asyncio.run(_work(line, environment))


async def _work(line: Line, environment: Mapping[str, str]) -> list[int]:
    store = MongoStore(environment["MONGODB_URI"], environment["MONGODB_DATABASE"])
    await store.open()
    times: list[int] = []
    for _ in range(_WARM):
        await store.collection("probe").insert_one({"payload": bytes(BYTES)})
    say(line, READY)
    stop = asyncio.create_task(asyncio.to_thread(line.recv))
    while not stop.done():
        begun = perf_counter_ns()
        await store.collection("probe").insert_one({"payload": bytes(BYTES)})
        times.append(perf_counter_ns() - begun)
        await asyncio.sleep(_EVERY_S)
    await store.close()
    return times
