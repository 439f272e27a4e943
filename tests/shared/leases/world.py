"""Several keepers on one store in virtual time: frozen, cut off, slow, unlucky, and with clocks of their own.

A pod is a process as its keeper sees the world. Its code stands still while it is frozen, but what it has sent goes
on its way. Each request to the store takes its time there and back; the caller gives up after a while, and a request
that is late takes effect all the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from random import Random
from typing import Any, Final, NamedTuple, TypeVar

from shared.clock import Clock
from shared.errors import EngineError, OutcomeUnknown, RetrySafe
from shared.leases.base import Lease, LeaseStore, Member
from shared.leases.keeper import LeaseKeeper
from shared.leases.memory import MemoryLeases
from tests.campaigns.warp import WarpLoop

TTL_S: Final = 15.0
GIVES_UP_S: Final = 3.0
LATEST_S: Final = 12.0
"""Longest time for which anything is under way."""
MOST_DRAIN_S: Final = 1.0
MOST_TOLD: Final = 3

T = TypeVar("T")


class Weather(NamedTuple):
    """What happens to requests on one pod's way to the store: longest time for each way, and shares of misfortunes."""

    there_s: float = 0.01
    back_s: float = 0.01
    refused: float = 0.0
    lost: float = 0.0


GOOD: Final = Weather()
WEATHERS: Final = {
    "good": GOOD,
    "slow": Weather(there_s=2.0, back_s=2.0),
    "slow answers": Weather(back_s=GIVES_UP_S - 0.1),
    "late": Weather(there_s=LATEST_S / 2, back_s=LATEST_S / 2),
    "lossy": Weather(lost=0.4),
    "rough": Weather(there_s=2.0, back_s=2.0, refused=0.2, lost=0.2),
    "away": Weather(refused=1.0),
    "swallowed": Weather(lost=1.0),
}


class PodClock(Clock):
    """A clock that began somewhere and runs a little fast or slow."""

    def __init__(self, pod: "Pod", rate: float, offset_s: float) -> None:
        self._pod = pod
        self._rate = rate
        self._offset_s = offset_s

    def now_ms(self) -> int:
        return int(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return self._offset_s + self._pod.world.loop.time() * self._rate

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._rate)
        await self._pod.awake()


class Link(LeaseStore):
    """The way from a pod to the store."""

    def __init__(self, pod: "Pod", store: LeaseStore, random: Random) -> None:
        self.weather = GOOD
        self.asked: list[tuple[float, str]] = []
        self.loses_next = ""
        self._pod = pod
        self._store = store
        self._random = random

    async def open(self) -> None:
        await self._ask("open", self._store.open, RetrySafe)

    async def close(self) -> None:
        pass

    async def read(self) -> list[Lease]:
        return await self._ask("read", self._store.read, RetrySafe)

    async def take(self, seen: Lease | None, shard: int, owner: str, ttl_ms: int) -> Lease | None:
        return await self._ask("take", lambda: self._store.take(seen, shard, owner, ttl_ms))

    async def renew(self, owner: str, epochs: Mapping[int, int]) -> set[int]:
        return await self._ask("renew", lambda: self._store.renew(owner, epochs))

    async def release(self, owner: str, shard: int, epoch: int) -> bool:
        return await self._ask("release", lambda: self._store.release(owner, shard, epoch))

    async def announce(self, member: str, beat: int, version: str = "", since_ms: int = 0) -> None:
        await self._ask("announce", lambda: self._store.announce(member, beat, version, since_ms))

    async def members(self) -> dict[str, Member]:
        return await self._ask("members", self._store.members, RetrySafe)

    async def drain(self, member: str, drained: bool) -> bool:
        return await self._ask("drain", lambda: self._store.drain(member, drained))

    async def withdraw(self, member: str) -> None:
        await self._ask("withdraw", lambda: self._store.withdraw(member))

    async def _ask(self, name: str, work: Callable[[], Awaitable[T]], unknown: type[EngineError] = OutcomeUnknown) -> T:
        self.asked.append((self._pod.world.loop.time(), name))
        weather, fate = self.weather, self._random.random()
        there, back = (self._random.uniform(0.001, most_s) for most_s in (weather.there_s, weather.back_s))
        if fate < weather.refused:
            await asyncio.sleep(there)
            await self._pod.awake()
            raise RetrySafe("the store refuses")
        arrives, comes_back = fate < 1 - weather.lost / 2, fate < 1 - weather.lost
        if name == self.loses_next:
            self.loses_next, comes_back = "", False
        answer = self._pod.world.start(self._under_way(work, there, back)) if arrives else None
        if answer is not None and comes_back:
            await asyncio.wait([answer], timeout=GIVES_UP_S)
        else:
            await asyncio.sleep(GIVES_UP_S)
        await self._pod.awake()
        if answer is None or not comes_back or not answer.done():
            raise unknown("the store does not answer")
        return answer.result()

    async def _under_way(self, work: Callable[[], Awaitable[T]], there: float, back: float) -> T:
        await asyncio.sleep(there)
        done = await work()
        await asyncio.sleep(back)
        return done


class Pod:
    """A process that holds leases; it brings a shard that it hands over to rest within a second, if it does at all."""

    def __init__(
        self,
        world: "World",
        name: str,
        *,
        ttl_s: float = TTL_S,
        rate: float = 1.0,
        alone: bool = False,
        version: str = "",
    ) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.ending = False
        self.drains = True
        self.told: list[tuple[str, int]] = []
        self.clock = PodClock(self, rate, world.random.uniform(0, 1e6))
        self.link = Link(self, world.store, world.random)
        self.keeper = LeaseKeeper(
            self.link,
            self.clock,
            name,
            world.shards,
            ttl_s,
            on_taken=self._taken,
            on_lost=lambda shard, reason: self.told.append(("lost", shard)),
            on_surplus=self._surplus,
            alone=alone,
            version=version,
        )
        self.leaving: set[int] = set()
        self.most_drain_s = MOST_DRAIN_S
        """Longest time for which a shard is brought to rest."""
        self._awake = asyncio.Event()
        self._awake.set()
        self._run = world.start(self.keeper.run())

    async def awake(self) -> None:
        """Where a frozen process stands still."""
        await self._awake.wait()

    def freeze(self) -> None:
        self._awake.clear()

    def thaw(self) -> None:
        self._awake.set()

    @property
    def frozen(self) -> bool:
        return not self._awake.is_set()

    def kill(self) -> None:
        """End without a word."""
        self.alive, self.ending = False, True
        self._run.cancel()

    def stop(self) -> None:
        """End in order, which may take a while."""
        self.ending = True
        self._run.cancel()
        self.world.start(self._stop())

    def valid(self) -> set[int]:
        """Shards that the process believes to hold now."""
        return {shard for shard in range(self.world.shards) if self.alive and self.keeper.valid_for(shard) > 0}

    async def _stop(self) -> None:
        await self.keeper.stop()
        self.alive = False

    def _taken(self, shard: int, epoch: int) -> None:
        self.told.append(("taken", shard))
        self.world.note_taken(self, shard, epoch)

    def _surplus(self, shard: int) -> None:
        self.told.append(("surplus", shard))
        self.leaving.add(shard)
        self.world.handed.add(shard)
        if self.drains:
            self.world.start(self._drain(shard))

    async def _drain(self, shard: int) -> None:
        await self.clock.sleep(self.world.random.uniform(0, self.most_drain_s))
        await self.keeper.give_back(shard)
        self.leaving.discard(shard)


class _WatchedLoop(WarpLoop):
    """Looks at the world whenever nothing more happens at an instant."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        super().__init__()

    def _wake_idlers(self) -> bool:
        self._look()
        return super()._wake_idlers()


class World:
    """The store, the pods, and everything that was wrong at any instant."""

    def __init__(self, seed: int, *, shards: int = 5) -> None:
        self.loop = _WatchedLoop(self.look)
        self.shards = shards
        self.random = Random(seed)
        self.store = MemoryLeases()
        self.pods: list[Pod] = []
        self.epochs: dict[int, list[int]] = {shard: [] for shard in range(shards)}
        self.wrong: list[str] = []
        self.handed: set[int] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def pod(
        self, name: str = "", *, ttl_s: float = TTL_S, rate: float = 1.0, alone: bool = False, version: str = ""
    ) -> Pod:
        """Start a process."""
        pod = Pod(self, name or f"pod-{len(self.pods)}", ttl_s=ttl_s, rate=rate, alone=alone, version=version)
        self.pods.append(pod)
        return pod

    def drain(self, pod: Pod, drained: bool = True) -> bool:
        """Mark a process as drained, as an operator does, or take the mark away; whether it is a member."""
        return self.loop.run_until_complete(self.store.drain(pod.name, drained))

    def drained(self) -> set[str]:
        """Who is marked as drained."""
        members = self.loop.run_until_complete(self.store.members())
        return {name for name, member in members.items() if member.drained}

    @property
    def living(self) -> list[Pod]:
        return [pod for pod in self.pods if not pod.ending]

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def pass_time(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def owners(self) -> dict[int, str]:
        """Who believes to hold what."""
        return {shard: pod.name for pod in self.pods for shard in sorted(pod.valid())}

    def announced(self) -> set[str]:
        """Who stands among the members."""
        return set(self.loop.run_until_complete(self.store.members()))

    def spread(self) -> list[int]:
        """Numbers of shards that the living hold, in order of the pods."""
        return [len(pod.valid()) for pod in self.living]

    def look(self) -> None:
        for shard in range(self.shards):
            believers = [pod.name for pod in self.pods if shard in pod.valid()]
            if len(believers) > 1 and len(self.wrong) < MOST_TOLD:
                self.wrong.append(f"at {self.loop.time():.3f} s shard {shard} belongs to {believers}")

    def note_taken(self, pod: Pod, shard: int, epoch: int) -> None:
        self.look()
        former = self.epochs[shard]
        if former and epoch <= former[-1]:
            self.wrong.append(f"{pod.name} took shard {shard} with epoch {epoch} after {former[-1]}")
        former.append(epoch)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self.loop.close()

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.wrong.append(f"a task failed: {error!r}")
