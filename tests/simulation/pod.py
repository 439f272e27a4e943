"""Pods: the real service, with the simulated world where its servers and its machine's clocks would be."""

import asyncio
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from contracts.signal import Signal
from contracts.subjects import shard_of
from shared.errors import EngineError
from tests.simulation import nats_client, wire
from tests.simulation.clock import PodClock
from tests.simulation.plan import SHARDS, Machine
from tests.simulation.process import Process
from tests.simulation.road import Road, Weather
from tests.simulation.tables import SimReadModel
from tests.simulation.truth import SimCheckpoints, SimJournal, SimLeases, SimRegister
from tradeengine.domain.events import SignalDecided
from tradeengine.journal.archive import Archive
from tradeengine.runtime.service import Service
from tradeengine.runtime.stores import MONGODB, Stores

if TYPE_CHECKING:
    from tests.simulation.world import World

NOWHERE: Final = Path("/nonexistent/tradeengine-simulation")
"""Folder that must never be asked for anything."""
_CRASHED_S: Final = 1.0
"""After how long a pod that ended by itself is started again."""


class Pod:
    """A pod, which may live several times, and the machine that it runs on."""

    def __init__(self, world: "World", number: int, machine: Machine) -> None:
        self.world = world
        self.number = number
        self.name = f"pod-{number}"
        self.clock = PodClock(world.loop, skew_s=machine.skew_s, rate=machine.rate, base_s=machine.base_s)
        seed = world.plan.seed
        self.weather: dict[str, Weather] = {
            name: Weather(Random(f"{seed} {self.name} {name}")) for name in world.servers
        }
        self.lives = 0
        self.process: Process | None = None
        self.service: Service | None = None
        self.is_up = False
        self._roads: dict[str, Road] = {}
        self._stopping: asyncio.Event | None = None

    @property
    def owner(self) -> str:
        """Name under which its present life holds leases."""
        return f"{self.name}-{self.lives}"

    # ---------------------------------------------------------------- life

    def start(self) -> None:
        """Begin a life, unless it lives."""
        if self.process is not None:
            return
        self.lives += 1
        loop, world = self.world.loop, self.world
        process = self.process = Process(self.name)
        process.on_point = lambda point: world.reached(self, point)
        self._roads = {name: Road(loop, process, server, self.weather[name]) for name, server in world.servers.items()}
        wire.connect(process, self._roads["exchange"])
        nats_client.connect(process, self._roads["nats"])
        loop.spawn(process, self._live(process), f"{self.name}-main")

    def kill(self) -> None:
        """End without a word, at whatever it is doing."""
        process, self.process, self.service, self.is_up = self.process, None, None, False
        if process is None:
            return
        self.world.loop.kill(process)
        for road in self._roads.values():
            road.hang_up()

    def stop(self) -> None:
        """Ask for the end in good order."""
        if self._stopping is not None and self.process is not None:
            # As a signal handler does: in the process itself, once it runs.
            self.world.loop.call_soon(self._stopping.set, context=self.process.context)

    def freeze(self) -> None:
        """Stand still."""
        if self.process is not None:
            self.world.loop.freeze(self.process)

    def thaw(self) -> None:
        """Go on."""
        if self.process is not None:
            self.world.loop.thaw(self.process)

    async def _live(self, process: Process) -> None:
        self._stopping = stopping = asyncio.Event()
        world = self.world
        self.service = service = Service(world.settings, self.clock, "simulation", ())
        starting = asyncio.create_task(service.start(), name="service-start")
        ending = asyncio.create_task(stopping.wait(), name="sigterm")
        try:
            await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                self.is_up = True
                world.note(self.name, "up")
                await ending
                self.is_up = False
                await service.stop()
            else:
                # What fails to start takes down again what was up.
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
            world.note(self.name, "stopped")
        except Exception as error:  # noqa: BLE001 - what ends a process: it is told, and the process is started again
            world.trouble(f"{self.name} ended by {type(error).__name__}: {error}")
            world.loop.call_later(_CRASHED_S, self.start, context=world.loop.outside.context)
        finally:
            if self.process is process:
                # Not at once: this is the process's own code.
                world.loop.call_soon(self._end, process, context=world.loop.outside.context)

    def _end(self, process: Process) -> None:
        if self.process is process:
            self.kill()
            if self.world.wants(self):
                self.start()

    # ---------------------------------------------------------------- what it is made of

    def stores(self) -> Stores:
        """Its stores, on the servers of the world."""
        world, roads = self.world, self._roads
        return Stores(
            MONGODB,
            SimJournal(roads["mongodb"], world.truth),
            SimLeases(roads["mongodb"], world.truth),
            SimReadModel(world.read_model, self.clock, roads["mongodb"]),
            SimReadModel(world.copy, self.clock, roads["mysql"]),
            Archive(NOWHERE),
            SimRegister(roads["mongodb"], world.truth),
            SimCheckpoints(roads["mongodb"], world.truth),
        )

    # ---------------------------------------------------------------- what the world asks of it

    async def decide(self, signal: Signal) -> SignalDecided:
        """Bring a signal to its desk; called in its process.

        Raises
        ------
        EngineError
            If it does not decide it now.
        """
        if self.service is None:
            raise EngineError(f"{self.name} is not up")
        (decision,) = await self.service.desk.decide(shard_of(signal.symbol, SHARDS), [signal])
        return decision
