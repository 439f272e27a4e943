"""The event loop of the simulation: no sockets, no threads, no clock; a seed decides what runs next."""

import asyncio
import gc
import heapq
import sys
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from random import Random
from typing import Any, Final, NoReturn, TypeVar

from tests.simulation.handle import Handle
from tests.simulation.process import HERE, Process, spawn

_MOST_AT_ONCE: Final = 500_000
"""Callbacks at one instant after which time has evidently stopped."""
_PRUNE_AT: Final = 2_000

T = TypeVar("T")


class Stuck(Exception):
    """Nothing will ever happen again, or time does not move any more; the text says which."""


class _Numbered:
    """Equal by identity, and hashed by the order in which hashes were asked for: sets iterate alike in every run."""

    _numbers = 0
    _number: int | None = None

    def __hash__(self) -> int:
        if self._number is None:
            _Numbered._numbers += 1
            self._number = _Numbered._numbers
        return self._number

    __eq__ = object.__eq__


class _Future(_Numbered, asyncio.Future[Any]):
    pass


class _Task(_Numbered, asyncio.Task[Any]):
    pass


class SimLoop(asyncio.BaseEventLoop):
    """Runs one callback after the other, chosen by the seed among the processes that have any.

    Within a process callbacks run in the order in which they became ready, as on a real loop, unless ``shuffled``:
    then any of the first few may be next, as if each had come over a connection of its own. Time moves only when
    nothing can run, and then to the next timer.

    Parameters
    ----------
    random
        Decides.
    shuffled
        How many of a process's callbacks compete for being next, at least 1.
    """

    def __init__(self, random: Random, *, shuffled: int = 1) -> None:
        super().__init__()
        _Numbered._numbers = 0
        self.outside = Process("world")
        self.troubles: list[str] = []
        """What went wrong in callbacks and tasks that nobody waited for."""
        self.turns = 0
        self._now_s = 0.0
        self._draw = random.random
        self._shuffled = shuffled
        self._timers: list[tuple[float, int, Handle]] = []
        self._timer_number = 0
        self._busy: list[Process] = []
        self._is_over = False
        self._stuck: Stuck | None = None
        self._sought: asyncio.Future[Any] | None = None
        self.set_exception_handler(self._note_trouble)
        self.set_task_factory(self._make_task)

    # ---------------------------------------------------------------- time and order

    def time(self) -> float:
        return self._now_s

    def call_soon(  # type: ignore[override] # TypeVarTuple
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Handle:
        if context is None:
            context = copy_context()
        handle = Handle(callback, args, context, self._now_s)
        self._put(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Handle:
        if context is None:
            context = copy_context()
        handle = Handle(callback, args, context, when)
        self._timer_number += 1
        heapq.heappush(self._timers, (when, self._timer_number, handle))
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Handle:
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def _put(self, handle: Handle) -> None:
        process = handle.context.get(HERE, self.outside)
        if process.is_dead or self._is_over:
            return
        if not process.ready and not process.is_frozen:
            self._busy.append(process)
        process.ready.append(handle)

    def _run_once(self) -> None:
        instant, count = self._now_s, 0
        while not self._stopping:  # type: ignore[attr-defined]
            if not self._busy:
                try:
                    self._advance()
                except Stuck as stuck:
                    self._give_up(stuck)
                    return
            process = self._choose()
            handle = self._take(process)
            self.turns += 1
            count += 1
            if self._now_s != instant:
                instant, count = self._now_s, 0
            elif count > _MOST_AT_ONCE:
                self._give_up(Stuck(f"time stands still at {instant:.3f} s: {handle!r} is one of many callbacks"))
                return
            if handle.callback is not None:
                self._call(handle)
                if process.fuse:
                    process.fuse -= 1
                    if not process.fuse:
                        process.on_fuse()

    def _call(self, handle: Handle) -> None:
        assert handle.callback is not None
        try:
            handle.context.run(handle.callback, *handle.args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - as on a real loop: told, and the next callback runs
            self.call_exception_handler({"message": f"Exception in {handle!r}", "exception": error})

    def _give_up(self, stuck: Stuck) -> None:
        self._stuck = stuck
        self.stop()

    def _choose(self) -> Process:
        busy = self._busy
        return busy[int(self._draw() * len(busy))] if len(busy) > 1 else busy[0]

    def _take(self, process: Process) -> Handle:
        ready = process.ready
        if self._shuffled > 1 and len(ready) > 1:
            place = int(self._draw() * min(self._shuffled, len(ready)))
            handle = ready[place]
            del ready[place]
        else:
            handle = ready.popleft()
        if not ready:
            self._busy.remove(process)
        return handle

    def _advance(self) -> None:
        """Move to the next instant at which something can run."""
        timers, busy = self._timers, self._busy
        while not busy:
            while timers and timers[0][2].is_cancelled:
                heapq.heappop(timers)
            if not timers:
                raise Stuck(f"nobody waits for anything at {self._now_s:.3f} s")
            self._now_s = now_s = max(self._now_s, timers[0][0])
            while timers and timers[0][0] <= now_s:
                timer = heapq.heappop(timers)[2]
                if not timer.is_cancelled:
                    self._put(timer)

    # ---------------------------------------------------------------- processes

    def freeze(self, process: Process) -> None:
        """Let a process stand still: what becomes ready waits."""
        if not process.is_frozen and not process.is_dead:
            process.is_frozen = True
            if process.ready:
                self._busy.remove(process)

    def thaw(self, process: Process) -> None:
        """Let a frozen process go on, with whatever has become ready."""
        if process.is_frozen and not process.is_dead:
            process.is_frozen = False
            if process.ready:
                self._busy.append(process)

    def kill(self, process: Process) -> None:
        """Let nothing of a process ever run again."""
        if process.is_dead:
            return
        if process.ready and not process.is_frozen:
            self._busy.remove(process)
        process.is_dead = True
        process.ready.clear()

    def revive(self, process: Process) -> None:
        """Let a dead process begin anew; what was under way in it stays forgotten."""
        process.is_dead = process.is_frozen = False

    def spawn(self, process: Process, job: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
        """Begin a task of a process."""
        return spawn(self, process, job, name)

    # ---------------------------------------------------------------- what asyncio asks of a loop

    def create_future(self) -> "asyncio.Future[Any]":
        return _Future(loop=self)

    def _make_task(self, loop: asyncio.AbstractEventLoop, job: Any, context: Context | None = None) -> Any:
        task = _Task(job, loop=loop) if context is None else _Task(job, loop=loop, context=context)
        process = (context or copy_context()).get(HERE, self.outside)
        process.tasks.append(task)
        if len(process.tasks) >= _PRUNE_AT:
            process.tasks = [each for each in process.tasks if not each.done()]
        return task

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        """Run a job of the world around the processes to its end.

        Raises
        ------
        Stuck
            If it cannot end any more.
        """
        task = self.spawn(self.outside, job, "history")
        task.add_done_callback(lambda _: self.stop())
        self.run_forever()
        if self._stuck is not None:
            raise self._stuck
        return task.result()

    def end(self) -> None:
        """Let nothing run any more; what clean-ups ask for from now on is forgotten."""
        self._is_over = True
        self._timers.clear()
        self._busy.clear()
        self.close()

    def _note_trouble(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if self._is_over:
            return
        error = context.get("exception")
        text = f"{context.get('message')}: {type(error).__name__}: {error}" if error else str(context.get("message"))
        self.troubles.append(text)

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        """Close what was dropped half-way, in the process that dropped it."""
        self._asyncgens.discard(agen)  # type: ignore[attr-defined]
        if not self._is_over:
            self.call_soon(self.create_task, agen.aclose())


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("the simulation has no sockets, threads, processes or signals: something escapes it")


for _name in (
    "add_reader",
    "add_signal_handler",
    "add_writer",
    "call_soon_threadsafe",
    "connect_read_pipe",
    "connect_write_pipe",
    "create_connection",
    "create_datagram_endpoint",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "getaddrinfo",
    "getnameinfo",
    "remove_reader",
    "remove_signal_handler",
    "remove_writer",
    "run_in_executor",
    "sock_accept",
    "sock_connect",
    "sock_recv",
    "sock_sendall",
    "subprocess_exec",
    "subprocess_shell",
):
    setattr(SimLoop, _name, _refuse)


@contextmanager
def unheard() -> Iterator[None]:
    """Let what is left of a history be collected: clean-ups of coroutines that never ended fail, and nobody minds."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
            # What a history made is young: collection was off while it happened. Clean-ups that refuse to end keep what
            # they hold from the first sweep, and must not be left to one that somebody hears.
            gc.collect(0)
            gc.collect(1)
    finally:
        sys.unraisablehook = hook
