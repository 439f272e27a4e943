"""A process of the simulated world: what runs in it is known by its context, so it can be stopped as a whole."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any, Final, TypeVar

from tests.simulation.handle import Handle

T = TypeVar("T")

HERE: Final[ContextVar["Process"]] = ContextVar("process")
"""The process whose code runs now."""


class Process:
    """What freezes, goes on and dies as one: a pod, a server, or the world around them.

    Tasks and callbacks belong to the process in whose context they were made. The loop runs nothing of one that is
    frozen or dead; what becomes ready meanwhile waits here, or is forgotten.

    Parameters
    ----------
    name
        For people, and in logs.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: deque[Handle] = deque()
        """Callbacks that could run now, in the order in which they became ready."""
        self.is_frozen = False
        self.is_dead = False
        self.tasks: list[asyncio.Task[object]] = []
        """What was begun here: held, for a coroutine that nobody holds would run its clean-up although it is dead."""
        self.on_point: Callable[[str], None] = lambda point: None
        """Told when its code comes to a point at which things like to go wrong, such as an order that is signed."""
        self.fuse = 0
        """After how many more callbacks :attr:`on_fuse` is called; 0 for never."""
        self.on_fuse: Callable[[], None] = lambda: None
        self.context = copy_context()
        self.context.run(HERE.set, self)

    def __repr__(self) -> str:
        return f"<{self.name}>"


def spawn(
    loop: asyncio.AbstractEventLoop, process: Process, job: Coroutine[Any, Any, T], name: str
) -> "asyncio.Task[T]":
    """Begin a task of a process."""
    return process.context.copy().run(lambda: loop.create_task(job, name=name))


def here() -> Process:
    """The process whose code runs now."""
    return HERE.get()
