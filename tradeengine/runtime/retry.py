"""Patience: a request that is made again until it is answered."""

from collections.abc import Callable

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
