"""Which points are struck, and how: a few of each kind for every day, all of them for a campaign."""

import random
from collections.abc import Iterator, Sequence
from typing import Final

from tests.crashes.fates import Point, Strike, Volley
from tests.projection.mongodb_stage import Fate

FATES: Final = (Fate.KILLED, Fate.KILLED_AFTER, Fate.UNANSWERED)
"""A crash before a command, one after it, and a lost answer."""


def volleys(points: Sequence[Point], chance: random.Random, together: int) -> Iterator[Volley]:
    """Strike each kind of command once, several kinds in one play.

    Parameters
    ----------
    points
        Of an undisturbed run.
    chance
        Chooses which of each kind, and its fate.
    """
    counts = {command: 0 for command, _ in points}
    for command, number in points:
        counts[command] = max(counts[command], number)
    kinds = sorted(counts)
    chance.shuffle(kinds)
    # How often a copy is written depends on how much comes together, so the last of a kind may not come at all.
    strikes = [Strike(Point(kind, chance.randint(0, counts[kind] // 2)), chance.choice(FATES)) for kind in kinds]
    for first in range(0, len(strikes), together):
        yield Volley(strikes[first : first + together])


def every(points: Sequence[Point], chance: random.Random) -> list[Strike]:
    """Every point with every fate, in an order by chance: a run that is cut short has seen some of everything."""
    strikes = [Strike(point, fate) for point in points for fate in FATES]
    chance.shuffle(strikes)
    return strikes
