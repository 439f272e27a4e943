"""Waiting for a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

_POLL_SECONDS = 0.02

_T = TypeVar("_T")


def wait_until(condition: Callable[[], _T], *, what: str, seconds: float) -> _T:
    """Wait until a condition holds.

    Parameters
    ----------
    what
        The condition in words, for the error.
    seconds
        The deadline, from now.

    Returns
    -------
    object
        What the condition was in the end.

    Raises
    ------
    TimeoutError
        If it does not hold in time.
    """
    deadline = time.monotonic() + seconds  # noqa: TID251 - a tool for people: nothing here is ever replayed
    while not (found := condition()):
        if time.monotonic() > deadline:  # noqa: TID251 - as above
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(_POLL_SECONDS)  # noqa: TID251 - as above
    return found
