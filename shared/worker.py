"""A thread for work that blocks: one at a time, in order, and never on the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class WorkerThread:
    """One thread in which calls are made in the order in which they were asked for.

    A caller that is cancelled stops waiting; its call is made all the same, before any that is asked for later.

    Parameters
    ----------
    name
        Of what the thread works on, for the thread's name and for errors.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._executor: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Begin; the thread itself starts with the first call."""
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._name)

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function in the thread and return what it returns.

        Raises
        ------
        RuntimeError
            If the thread was not started, or is closed.
        """
        if self._executor is None:
            raise RuntimeError(f"{self._name} is not open")
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._executor, function))

    async def close(self, last: Callable[[], None]) -> None:
        """Finish the calls that were asked for, make a last one, and end; nothing if it is closed already."""
        executor, self._executor = self._executor, None
        if executor is None:
            return
        try:
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(executor, last))
        finally:
            executor.shutdown(wait=False)
