"""A stage on which processes write one read model on a real MongoDB, and each command's fate is directed."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

from pymongo.errors import NetworkTimeout

from shared.clock import ManualClock
from shared.errors import OutcomeUnknown, RetrySafe
from shared.mongodb import MongoStore
from tests.support.deadline import PATIENCE_S
from tests.support.records import T0
from tradeengine.journal.record import Record
from tradeengine.projection.base import DoesNotFollow
from tradeengine.projection.mongodb import MongoReadModel
from tradeengine.projection.mongodb_shard import MAX_REDO_BYTES

DEADLINE_S = PATIENCE_S


class Fate(StrEnum):
    """What becomes of a command."""

    GO = "go"
    LOST = "lost"
    """The server never sees it, and the caller is told after its deadline."""
    UNANSWERED = "unanswered"
    """The server does it, and the caller hears nothing."""
    KILLED = "killed"
    """The process dies before it is sent."""
    KILLED_AFTER = "killed after"
    """The process dies when the server has done it."""


class KilledError(Exception):
    """The process is dead: it does nothing more."""


Decide = Callable[[str], Awaitable[Fate]]
"""Fate of a process's next command, by the command's name."""


class Sender(Protocol):
    """Who sends commands, and sees what becomes of them."""

    async def command(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any: ...


class Process:
    """What a process sees of the store, until it is killed."""

    def __init__(self, decide: Decide, done: Callable[[], None] = lambda: None) -> None:
        self._decide = decide
        self._done = done
        self._dead = False

    async def command(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if self._dead:
            raise KilledError
        fate = await self._decide(name)
        try:
            if self._dead:
                raise KilledError
            if fate is Fate.KILLED:
                self._dead = True
                raise KilledError
            if fate is Fate.LOST:
                raise NetworkTimeout("the network has lost the request")
            result = await work()
            if fate is Fate.KILLED_AFTER:
                self._dead = True
            if self._dead:
                raise KilledError
            if fate is Fate.UNANSWERED:
                raise NetworkTimeout("the network has lost the answer")
            return result
        finally:
            self._done()


class StagedStore(MongoStore):
    """A store whose commands a process sends."""

    def __init__(self, real: MongoStore, process: Sender) -> None:
        self.name = real.name
        self._real = real
        self._process = process

    async def open(self) -> None:
        """The real one is open."""

    async def close(self) -> None:
        """The real one is closed by the test."""

    def collection(self, name: str) -> Any:
        return _Collection(name, self._real.collection(name), self._process)


class _Collection:
    def __init__(self, name: str, real: Any, process: Sender) -> None:
        self._name, self._real, self._process = name, real, process

    def with_options(self, **options: Any) -> "_Collection":
        return _Collection(self._name, self._real.with_options(**options), self._process)

    def find(self, *question: Any, **options: Any) -> "_Cursor":
        return _Cursor(f"{self._name}.find", self._real.find(*question, **options), self._process)

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        work = getattr(self._real, method)

        async def command(*arguments: Any, **options: Any) -> Any:
            return await self._process.command(f"{self._name}.{method}", lambda: work(*arguments, **options))

        return command


class _Cursor:
    def __init__(self, name: str, real: Any, process: Sender) -> None:
        self._name, self._real, self._process = name, real, process

    def sort(self, *order: Any) -> "_Cursor":
        self._real = self._real.sort(*order)
        return self

    def limit(self, most: int) -> "_Cursor":
        self._real = self._real.limit(most)
        return self

    def batch_size(self, size: int) -> "_Cursor":
        self._real = self._real.batch_size(size)
        return self

    async def __aenter__(self) -> "_Cursor":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._real.close()

    async def to_list(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._process.command(self._name, self._real.to_list)
        return found

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        for document in await self.to_list():
            yield document


async def project(
    store: MongoStore,
    records: Sequence[Record],
    decide: Decide,
    *,
    done: Callable[[], None] = lambda: None,
    batch: int = 1_000,
    max_redo_bytes: int = MAX_REDO_BYTES,
) -> int:
    """Apply a shard's records as the projector does, in a process that is started again whenever it is killed.

    Returns
    -------
    int
        How often it was killed.
    """
    kills = 0
    while True:
        staged = StagedStore(store, Process(decide, done))
        model = MongoReadModel(staged, venue="paper", clock=ManualClock(T0), max_redo_bytes=max_redo_bytes)
        try:
            await _apply_all(model, records, batch)
        except KilledError:
            kills += 1
            continue
        return kills


async def _apply_all(model: MongoReadModel, records: Sequence[Record], batch: int) -> None:
    applied: int | None = None
    while True:
        try:
            if applied is None:
                applied = await model.checkpoint(records[0].shard)
            if applied >= len(records):
                return
            piece = records[applied : applied + batch]
            await model.apply(piece)
            applied = piece[-1].sequence
        except (RetrySafe, OutcomeUnknown, DoesNotFollow):
            applied = None


class Director:
    """Lets processes send one command at a time, in the order of a script, and all of them freely after it.

    Parameters
    ----------
    script
        Whose command is next, by the number of the process, and what becomes of it.
    """

    def __init__(self, processes: int, script: Sequence[tuple[int, Fate]]) -> None:
        self._script = script
        self._waiting: list[deque[asyncio.Future[Fate]]] = [deque() for _ in range(processes)]
        self._changed = asyncio.Event()
        self._free = False
        self._under_way = 0
        self.ended = [False] * processes

    def decider(self, process: int) -> Decide:
        """Decide for one process."""

        async def decide(name: str) -> Fate:
            if self._free:
                self._under_way += 1
                return Fate.GO
            turn: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
            self._waiting[process].append(turn)
            self._changed.set()
            return await turn

        return decide

    def done(self) -> None:
        """Take note that a command has come to its end."""
        self._under_way -= 1
        self._changed.set()

    def end(self, process: int) -> None:
        """Take note that a process has nothing more to do."""
        self.ended[process] = True
        self._changed.set()

    async def direct(self) -> None:
        """Go through the script."""
        async with asyncio.timeout(DEADLINE_S):
            for process, fate in self._script:
                await self._until(partial(self._wants_turn, process))
                if self._waiting[process]:
                    self._send(process, fate)
                    await self._until(lambda: self._under_way == 0)
            self._free = True
            for process, waiting in enumerate(self._waiting):
                for _ in range(len(waiting)):
                    self._send(process, Fate.GO)

    def _wants_turn(self, process: int) -> bool:
        return bool(self._waiting[process]) or self.ended[process]

    def _send(self, process: int, fate: Fate) -> None:
        self._under_way += 1
        self._waiting[process].popleft().set_result(fate)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()
