"""The fakes on an ordinary event loop, so that the suites of the real ones can be run on them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import ClassVar

from shared.clock import Clock, ManualClock
from tests.simulation.process import HERE, Process
from tests.simulation.road import Road, Server, Weather
from tests.simulation.tables import SimReadModel, Tables
from tests.support.records import T0


def road_to(server: Server, process: Process | None = None) -> Road:
    """A quick way to a server, on the loop that runs."""
    weather = Weather(Random(0))
    weather.latency_s = (0.0, 0.0)
    return Road(asyncio.get_running_loop(), process or Process("test"), server, weather)


@contextmanager
def inside(process: Process) -> Iterator[None]:
    """Let what is made meanwhile belong to a process."""
    token = HERE.set(process)
    try:
        yield
    finally:
        HERE.reset(token)


class SimPlace:
    """A server that lives as long as the test."""

    target: ClassVar[str] = "simulated"

    def __init__(self, folder: Path) -> None:
        self._tables = Tables("paper")
        self._server = Server("mongodb")

    async def prepare(self) -> None:
        """Nothing to do."""

    def model(self, clock: Clock | None = None) -> SimReadModel:
        return SimReadModel(self._tables, clock or ManualClock(T0), road_to(self._server))

    async def drop(self) -> None:
        """Nothing to do."""
