"""Doing the same for many things, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 4


async def each(things: Iterable[T], act: Callable[[T], Awaitable[None]], at_once: int = AT_ONCE) -> None:
    """Act on all things; the first failure ends it, when what was begun has ended.

    Parameters
    ----------
    at_once
        How many at a time, at least 1.
    """
    waiting = iter(list(things))
    failures: list[BaseException] = []

    async def work() -> None:
        for thing in waiting:
            if failures:
                return
            try:
                await act(thing)
            except Exception as error:  # noqa: BLE001 - raised again below, when the others have ended
                failures.append(error)

    await asyncio.gather(*(work() for _ in range(at_once)))
    if failures:
        raise failures[0]
