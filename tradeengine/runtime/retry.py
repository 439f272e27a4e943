"""Patience: a request that is made again until it is answered, and an answer that is not waited for without end."""

import asyncio
from collections.abc import Callable
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from shared.clock import Clock

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0


def until_answered(clock: Clock, tell: Callable[[str], None], *errors: type[Exception]) -> AsyncRetrying:
    """Make a request again after each of the errors named, with growing pauses and no end.

    Parameters
    ----------
    clock
        What the pauses wait on.
    tell
        Called with the error's text before each pause.
    errors
        What is no answer; everything else is handed on.

    Returns
    -------
    AsyncRetrying
        To be awaited with the request and its arguments.
    """

    def told(attempt: RetryCallState) -> None:
        tell(str(attempt.outcome.exception()) if attempt.outcome else "")

    return AsyncRetrying(
        retry=retry_if_exception_type(errors),
        wait=wait_exponential(multiplier=FIRST_PAUSE_S, max=LONGEST_PAUSE_S),
        sleep=clock.sleep,
        before_sleep=told,
    )


async def answered(answer: "asyncio.Future[Any]", seconds: float) -> bool:
    """Wait for an answer, but not for longer than so many seconds; whether there is one.

    Like ``asyncio.wait``, which takes half as long again; a shard waits so for each of its commits.
    """
    loop = asyncio.get_running_loop()
    woken = loop.create_future()

    def wake(_: object = None) -> None:
        if not woken.done():
            woken.set_result(None)

    answer.add_done_callback(wake)
    timer = loop.call_later(seconds, wake)
    try:
        await woken
    finally:
        timer.cancel()
        answer.remove_done_callback(wake)
    return answer.done()
