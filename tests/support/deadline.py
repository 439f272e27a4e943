"""Deadlines of tests, which a machine that is slow or busy does not break.

Two kinds of waiting have one of these. What must come about some time is waited for with :data:`PATIENCE_S`: that
costs nothing where all is well. What must come about soon is waited for with the seconds that it may take on a machine
of the usual speed; on a slower one they are as many times more.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 60
"""Seconds that tests wait for what must come about."""

_LOOK_S: Final = 0.05
_FEW: Final = 0.7
"""Part of the looks that must have been made: a look takes time, too."""
_USUAL_S: Final = 0.04
"""Seconds of :func:`_work` on a machine of the usual speed that has nothing else to do."""
_TEXT: Final = json.dumps({"rows": [1.5, 2, "x" * 20] * 20})


class Deadline:
    """A deadline from now on; ask :meth:`passed` at every look.

    Parameters
    ----------
    seconds
        What it takes at most on a machine of the usual speed.
    look_s
        Pause between two looks, seconds.
    """

    def __init__(self, seconds: float = PATIENCE_S, look_s: float = _LOOK_S) -> None:
        self._seconds = seconds
        self._most_s = seconds
        self._look_s = look_s
        self._looks = 0
        self._began = time.monotonic()

    def __str__(self) -> str:
        return f"{self._elapsed():.1f} s"

    def passed(self) -> bool:
        """Whether it is over: so many looks were made, and so long was waited, on a machine as slow as this one is."""
        self._looks += 1
        if self._elapsed() < self._most_s:
            return False
        # A machine that stood still has let few looks pass, for whoever is waited for as well.
        if self._looks * self._look_s < _FEW * self._seconds and self._elapsed() < PATIENCE_S:
            return False
        slower = min(self._seconds * slowness(), PATIENCE_S)
        self._most_s = max(self._most_s, slower)
        return self._elapsed() >= self._most_s

    def _elapsed(self) -> float:
        return time.monotonic() - self._began


def slowness() -> float:
    """Measure how many times slower than usual the machine is at this moment; at least 1."""
    began = time.perf_counter()
    _work()
    return max((time.perf_counter() - began) / _USUAL_S, 1.0)


def _work() -> None:
    """Keep the processor busy for a moment, as an engine does."""
    for _ in range(5_000):
        json.loads(_TEXT)


async def eventually(
    condition: Callable[[], object], what: str, seconds: float = PATIENCE_S, look_s: float = 0.005
) -> None:
    """Wait for a condition; fail with what was waited for."""
    deadline = Deadline(seconds, look_s)
    while not condition():
        assert not deadline.passed(), f"waited {deadline} for {what}"
        await asyncio.sleep(look_s)
