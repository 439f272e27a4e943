"""A process on the loop that it shares with others: it may die at any command, or stand still in front of one."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, TypeVar, TypeVarTuple
from unittest.mock import patch

import aiohttp
from pymongo.errors import NetworkTimeout

from tests.campaigns.warp import WarpLoop
from tests.crashes.fates import FROZEN, Plan
from tests.projection.mongodb_stage import Fate
from tests.support.pods import StoppingClock

T = TypeVar("T")
_Ts = TypeVarTuple("_Ts")

Unheard = Callable[[Any], object]

_ROUNDS: Final = 200
_LOST: Final = "the network has lost it"


class Life:
    """One process from its start to its end.

    Every task that is made by its tasks is its own, and ends with it.

    Parameters
    ----------
    died
        Set when it is dead: it does nothing more.
    frozen
        Set while it stands still: its clock shows one time, and none of its commands is sent or answered.
    """

    def __init__(self, loop: WarpLoop, clock: StoppingClock, plan: Plan) -> None:
        self.loop = loop
        self.clock = clock
        self.died = asyncio.Event()
        self.frozen = asyncio.Event()
        self._going = asyncio.Event()
        self._going.set()
        self._plan = plan
        self._dead = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._outside: set[asyncio.Task[Any]] = set()
        self.sessions: set[aiohttp.ClientSession] = set()
        """Connections to the exchange."""

    @property
    def dead(self) -> bool:
        """Whether it does nothing more; true in every thread from the moment of the blow on."""
        return self._dead

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Let the process do something."""
        context = copy_context()
        context.run(_LIFE.set, self)
        return self.loop.create_task(work, context=context)

    def own(self, task: "asyncio.Task[Any]") -> None:
        """Take note of a task."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---------------------------------------------------------------- commands

    async def command(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """Send a command to a database; who waits for it may be cancelled, the database does it all the same."""
        return await self.send(name, lambda: self._done_elsewhere(work), lambda: NetworkTimeout(_LOST))

    async def send(
        self,
        name: str,
        work: Callable[[], Awaitable[Any]],
        lost: Callable[[], Exception],
        unheard: Unheard | None = None,
    ) -> Any:
        """Send a command, or let it meet its fate.

        Parameters
        ----------
        lost
            Makes the error of a command, or an answer, that was lost.
        unheard
            Called with an answer that nobody hears.
        """
        await self.going()
        fate = self._plan.fate(name)
        if fate == FROZEN:
            self.freeze()
            await self.going()
        if fate is Fate.KILLED:
            self.die()
        self._live()
        if fate is Fate.LOST:
            raise lost()
        answer = await work()
        if fate is Fate.KILLED_AFTER:
            self.die()
        try:
            self._live()
            if fate is Fate.UNANSWERED:
                raise lost()
            await self.going()
        except BaseException:
            if unheard is not None:
                unheard(answer)
            raise
        return answer

    def fate_in_thread(self, name: str) -> Fate:
        """Fate of a command that a thread of this process is about to send; threads do not stand still there."""
        fate = self._plan.fate(name)
        return Fate.GO if fate == FROZEN else Fate(fate)

    def die_in_thread(self) -> None:
        """Die, in a thread of this process."""
        self._dead = True
        self.loop.call_soon_threadsafe(self.die)

    async def going(self) -> None:
        """Wait while the process stands still."""
        self._live()
        await self._going.wait()
        self._live()

    def _live(self) -> None:
        if self._dead:
            raise asyncio.CancelledError

    async def _done_elsewhere(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def do() -> Any:
            with self.loop.elsewhere():
                return await work()

        context = copy_context()
        context.run(_LIFE.set, None)
        task = self.loop.create_task(do(), context=context)
        self._outside.add(task)
        task.add_done_callback(self._heard)
        return await asyncio.shield(task)

    def _heard(self, task: "asyncio.Task[Any]") -> None:
        self._outside.discard(task)
        # Who waited for it may be dead.
        if not task.cancelled():
            task.exception()

    # ---------------------------------------------------------------- the end

    def freeze(self) -> None:
        """Stand still."""
        self._going.clear()
        self.clock.stop()
        self.frozen.set()

    def thaw(self) -> None:
        """Go on: first with what was about to be sent."""
        self.frozen.clear()
        self._going.set()
        self.clock.go_on()

    def die(self) -> None:
        """Do nothing more."""
        self._dead = True
        for task in tuple(self._tasks):
            task.cancel()
        self.died.set()

    async def bury(self) -> None:
        """Let go of what a dead process held: the servers have seen its connections end."""
        self._going.set()
        for _ in range(_ROUNDS):
            left = {*self._tasks}
            if not left:
                break
            for task in left:
                task.cancel()
            # Some clean up before they end, and are cancelled again at whatever they wait for then.
            await asyncio.wait(left, timeout=0.01)
        assert not self._tasks, f"tasks that outlive their process: {self._tasks}"
        await asyncio.gather(*self._outside, return_exceptions=True)
        for session in self.sessions:
            await session.close()


_LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


class LifeLoop(WarpLoop):
    """Knows of each task whose it is, and lets time stand still while threads work."""

    def __init__(self) -> None:
        super().__init__()
        self.set_task_factory(_owned)

    def run_in_executor(self, executor: Executor | None, func: Callable[[*_Ts], T], *args: *_Ts) -> "asyncio.Future[T]":
        """Work in a thread."""
        waits = ExitStack()
        waits.enter_context(self.elsewhere())

        def done(future: "asyncio.Future[T]") -> None:
            waits.close()
            # Who waited for it may be dead.
            if not future.cancelled():
                future.exception()

        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(done)
        return future


def _owned(loop: asyncio.AbstractEventLoop, coro: Any, context: Context | None = None) -> "asyncio.Future[Any]":
    task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, context=context)
    life = context.get(_LIFE) if context is not None else _LIFE.get()
    if life is not None:
        life.own(task)
    return task


@contextmanager
def staged_exchange() -> Iterator[None]:
    """Give every request that a process makes of the exchange its fate, once it is signed and fenced."""
    request = aiohttp.ClientSession._request

    async def send(self: aiohttp.ClientSession, method: str, url: Any, **options: Any) -> Any:
        life = _LIFE.get()
        if life is None:
            return await request(self, method, url, **options)
        life.sessions.add(self)
        path = str(url).partition("?")[0].partition("://")[2].partition("/")[2]
        return await life.send(
            f"exchange {method} /{path}",
            lambda: request(self, method, url, **options),
            lambda: aiohttp.ServerDisconnectedError(_LOST),
            lambda response: response.close(),
        )

    with patch.object(aiohttp.ClientSession, "_request", send):
        yield
