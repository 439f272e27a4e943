"""What time it is: for the servers, exactly; for a pod, by clocks of its own that are wrong by what the seed says."""

import asyncio
from types import SimpleNamespace
from typing import Final

from shared.clock import Clock
from tests.simulation.loop import SimLoop
from tests.simulation.process import HERE

START_S: Final = 1_767_225_630.0
"""Where wall-clock time starts: 2026-01-01 00:00:30 UTC, away from the hour at which funding is settled."""


class TrueClock(Clock):
    """The time that it is."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return int((START_S + self._loop.time()) * 1000)

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class PodClock(Clock):
    """A machine's clocks.

    Parameters
    ----------
    skew_s
        What the wall clock is ahead, seconds.
    rate
        Seconds that both clocks count in one, about 1.
    base_s
        What the monotonic clock shows at the start.
    """

    def __init__(self, loop: SimLoop, *, skew_s: float = 0.0, rate: float = 1.0, base_s: float = 0.0) -> None:
        self._loop = loop
        self._skew_s = skew_s
        self._rate = rate
        self._base_s = base_s
        self._stopped_at: float | None = None
        self._lost_s = 0.0

    def now_ms(self) -> int:
        return int((START_S + self._skew_s + self._counted()) * 1000)

    def monotonic(self) -> float:
        return self._base_s + self._counted()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._rate)

    def jump(self, seconds: float) -> None:
        """Set the wall clock."""
        self._skew_s += seconds

    def stop(self) -> None:
        """Count nothing, as the clocks of a virtual machine that is suspended."""
        self._stopped_at = self._counted()

    def go_on(self) -> None:
        """Count from where it stopped."""
        if self._stopped_at is not None:
            self._lost_s += self._counted_in_all() - self._lost_s - self._stopped_at
            self._stopped_at = None

    def _counted(self) -> float:
        return self._counted_in_all() - self._lost_s if self._stopped_at is None else self._stopped_at

    def _counted_in_all(self) -> float:
        return self._loop.time() * self._rate


def machine_time(clocks: dict[str, Clock], world: Clock) -> SimpleNamespace:
    """A ``time`` module for those who read the machine's clock by themselves: that of the process that runs."""

    def now_ns() -> int:
        process = HERE.get(None)
        return clocks.get(process.name if process is not None else "", world).now_ms() * 1_000_000

    return SimpleNamespace(time=lambda: now_ns() / 1e9, time_ns=now_ns)
