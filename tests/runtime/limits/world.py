"""Several processes that share the limits of one account, in virtual time: slow, cut off, killed, frozen out.

A shard's journal is what it uses, and whose it is. A former owner does not know that it is one until it is told; what
it decides meanwhile is refused by the journal. What a pod asks of the ledger may be refused, lost on its way there or
back, or be late: then it takes effect when nobody waits for it any more.
"""

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from random import Random
from typing import Any, Final

from shared.errors import OutcomeUnknown, RetrySafe
from shared.registers.base import Entry as Document
from shared.registers.memory import MemoryRegister
from tests.campaigns.warp import WarpClock, WarpLoop
from tradeengine.domain.inputs import ShardTaken
from tradeengine.journal.record import Entry, Record
from tradeengine.runtime.limits import ledger
from tradeengine.runtime.limits.escrow import Escrow
from tradeengine.runtime.limits.figures import NOTHING, Amounts, Figures, Limits

SHARDS: Final = 4
LIMITS: Final = Limits(Decimal(1_000), 20)
MOST: Final = Amounts(Decimal(1_000), 20)
GIVES_UP_S: Final = 1.0
LATEST_S: Final = 3.0


class Link:
    """A pod's way to the register.

    ``misfortune`` is the share of requests that are refused, lost or late.
    """

    def __init__(self, world: "World", random: Random) -> None:
        self._world = world
        self._random = random
        self.misfortune = 0.0
        self.is_cut = False

    async def open(self) -> None:
        """It is open."""

    async def close(self) -> None:
        """It stays open."""

    async def read(self) -> Document | None:
        await asyncio.sleep(self._random.uniform(0.001, 0.02))
        if self.is_cut or self._random.random() < self.misfortune / 2:
            raise RetrySafe("the register does not answer")
        return await self._world.register.read()

    async def replace(self, seen: int, content: str) -> bool:
        await asyncio.sleep(self._random.uniform(0.001, 0.02))
        fate = self._random.choice(("refused", "lost", "done", "late"))
        if self.is_cut or self._random.random() >= self.misfortune:
            fate = "refused" if self.is_cut else ""
        if fate == "refused":
            raise RetrySafe("the register refuses")
        if not fate:
            return await self._replaced(seen, content)
        if fate == "done":
            await self._replaced(seen, content)
        elif fate == "late":
            self._world.start(self._late(seen, content))
        await asyncio.sleep(GIVES_UP_S)
        raise OutcomeUnknown("the register does not answer")

    async def _late(self, seen: int, content: str) -> None:
        await asyncio.sleep(self._random.uniform(0, LATEST_S))
        await self._replaced(seen, content)

    async def _replaced(self, seen: int, content: str) -> bool:
        is_done = await self._world.register.replace(seen, content)
        if is_done:
            self._world.check_ledger(ledger.decode(content))
        return is_done


class Pod:
    """A process, as its escrow sees the world."""

    def __init__(self, world: "World", seed: int) -> None:
        self._world = world
        self.link = Link(world, Random(seed))
        self.used: dict[int, Amounts] = {}
        self.tenures: dict[int, int] = {}
        self.shown: dict[int, Figures] = {}
        self.escrow = Escrow(
            self.link,
            world.clock,
            LIMITS,
            SHARDS,
            figures=lambda: {shard: Figures(used=used) for shard, used in self.used.items()},
            show=self.shown.update,
            losses=False,
        )
        self._life = world.start(self.escrow.run())

    def take(self, shard: int) -> None:
        """Take a shard: its journal says so, and what it uses."""
        self.used[shard] = self._world.used[shard]
        tenure = self.tenures[shard] = self._world.tenures[shard]
        taken = ShardTaken(time_ms=0, owner="pod", epoch=1)
        self.escrow.observe(Record(shard, tenure, (Entry(taken, ()),), 1))

    def lose(self, shard: int, tenure: int) -> None:
        """Learn that a shard has been another's since a tenure."""
        if self.tenures.get(shard, tenure) < tenure:
            del self.tenures[shard], self.used[shard]
            self.escrow.leave(shard)

    async def open(self, shard: int, amounts: Amounts) -> bool:
        """Open something, if there is room; whether it was opened."""
        if shard not in self.tenures:
            return False
        if not self._has_room(shard, amounts) and self.escrow.may_help(shard, amounts):
            await self.escrow.ask(shard, amounts)
        if shard not in self.tenures or not self._has_room(shard, amounts):
            return False
        self.used[shard] += amounts
        return self._world.commit(shard, self.tenures[shard], self.used[shard])

    def close(self, shard: int) -> None:
        """Close everything of a shard: nobody is asked for that."""
        if shard in self.tenures and self._world.commit(shard, self.tenures[shard], NOTHING):
            self.used[shard] = NOTHING

    def _has_room(self, shard: int, amounts: Amounts) -> bool:
        return self.escrow.room(shard, self.used[shard]).holds(amounts)

    def kill(self) -> None:
        """End it; what it has sent is on its way."""
        self._life.cancel()
        self.tenures.clear()


class World:
    """The pods, the register, and the journals."""

    def __init__(self, loop: WarpLoop, pods: int) -> None:
        self.clock = WarpClock(loop)
        self.register = MemoryRegister()
        self.used = dict.fromkeys(range(SHARDS), NOTHING)
        self.tenures = dict.fromkeys(range(SHARDS), 0)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._seeds = 0
        self.pods = [self._pod() for _ in range(pods)]
        self.owners: dict[int, Pod] = {}
        for shard in range(SHARDS):
            self.move(shard, self.pods[shard % pods])

    def _pod(self) -> Pod:
        self._seeds += 1
        return Pod(self, self._seeds)

    def start(self, job: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Let something go on by itself."""
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        return task

    async def end(self) -> None:
        """End what goes on; what failed by itself fails here."""
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome

    def move(self, shard: int, pod: Pod, told_after_s: float = 0.0) -> None:
        """Let another pod take a shard; the former owner learns of it after a while."""
        former = self.owners.get(shard)
        tenure = self.tenures[shard] = self.tenures[shard] + 1
        self.owners[shard] = pod
        if former is pod:
            pod.lose(shard, tenure)
        elif former is not None:
            asyncio.get_running_loop().call_later(told_after_s, former.lose, shard, tenure)
        pod.take(shard)

    def kill(self, number: int) -> None:
        """Kill a pod; the others take its shards, and a new one takes its place."""
        dead = self.pods[number]
        dead.kill()
        self.pods[number] = self._pod()
        for shard, owner in tuple(self.owners.items()):
            if owner is dead:
                self.move(shard, self.pods[(number + 1 + shard) % len(self.pods)])

    def commit(self, shard: int, tenure: int, used: Amounts) -> bool:
        """Append to a shard's journal, if it still is the pod's."""
        if tenure != self.tenures[shard]:
            return False
        self.used[shard] = used
        total = sum(self.used.values(), NOTHING)
        assert total.least(MOST) == total, f"{self.used} is beyond the limits"
        return True

    def check_ledger(self, rows: dict[int, ledger.Row]) -> None:
        """Insist that no more is granted than there is."""
        granted = ledger.granted(rows)
        assert granted.least(MOST) == granted, f"more is granted than there is: {rows}"


def played(job: Any, pods: int = 3) -> None:
    """Run a job on a fresh world in virtual time."""

    async def play(loop: WarpLoop) -> None:
        world = World(loop, pods)
        try:
            await job(world)
        finally:
            await world.end()

    with asyncio.Runner(loop_factory=WarpLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, WarpLoop)
        runner.run(play(loop))
