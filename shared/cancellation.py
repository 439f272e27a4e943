"""Lets no cancellation get lost in ``asyncio.wait_for`` of Python 3.11."""

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

_T = TypeVar("_T")


async def wait_for(fut: Awaitable[_T], timeout: float | None) -> _T:
    """Wait for an awaitable, seconds at most; who is cancelled meanwhile is cancelled, whatever ends beside it.

    What Python has had since 3.12 (https://github.com/python/cpython/issues/86296). 3.11 returns the result and forgets
    the cancellation if both come in the same turn of the loop.

    Raises
    ------
    TimeoutError
        If the time is over; the awaitable is cancelled then.
    """
    if timeout is None or timeout > 0:
        async with asyncio.timeout(timeout):
            return await fut
    # Nothing is begun that has no time at all.
    future = asyncio.ensure_future(fut)
    if future.done():
        return future.result()
    future.cancel()
    await asyncio.wait([future])
    try:
        return future.result()
    except asyncio.CancelledError:
        raise TimeoutError from None


def mend() -> None:
    """Put it in the place of Python's own, before 3.12.

    For the libraries' sake: PyMongo sends every command through it, and nats-py waits for every answer so. A task that
    goes on after its cancellation makes whoever stops it wait for ever, and a deadline pass unseen.
    """
    if sys.version_info < (3, 12):
        asyncio.wait_for = asyncio.tasks.wait_for = wait_for  # type: ignore[assignment]  # generators are of the past
