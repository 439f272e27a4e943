"""The highest rate that holds: doubled until one does not, then halved in between."""

from collections.abc import Awaitable, Callable
from math import sqrt
from typing import Final

_CLOSE_ENOUGH: Final = 1.12
"""Ratio of the lowest rate that did not hold to the highest that did, from which on nothing is tried in between."""
LOWEST: Final = 8
"""By how much a first rate may turn out to be too high."""
TRIES: Final = 2
"""How often a rate is tried before it counts as one that does not hold: another's load on the machine passes."""

Holds = Callable[[float], Awaitable[bool]]


async def highest_rate(first: float, holds: Holds, *, tries: int = TRIES) -> float:
    """Find the highest rate that holds, to an eighth.

    Parameters
    ----------
    first
        Rate to begin with, a second.
    holds
        Tries a rate and says whether it holds.
    tries
        How often at most a rate is tried, at least 1.

    Returns
    -------
    float
        A rate that did hold; 0 if not even an eighth of the first one did.
    """

    async def tried(rate: float) -> bool:
        for _ in range(tries):
            if await holds(rate):
                return True
        return False

    good, bad = 0.0, 0.0
    rate = first
    while not (good and bad):
        if await tried(rate):
            good, rate = rate, 2 * rate
        elif rate <= first / LOWEST:
            return 0.0
        else:
            bad, rate = rate, rate / 2
    while bad / good > _CLOSE_ENOUGH:
        rate = sqrt(good * bad)
        if await tried(rate):
            good = rate
        else:
            bad = rate
    return good
