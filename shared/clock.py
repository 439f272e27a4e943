"""Clocks: the one place where time is read and waited for."""

import asyncio
import time
from typing import Final, Protocol

_MONOTONIC: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Source of time."""

    def now_ms(self) -> int:
        """Wall-clock time, milliseconds since 1970 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Wall-clock time, milliseconds since 1970 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds of the machine's monotonic clock, which goes on while the machine sleeps where the system has such.

        Who wakes up must see that a lease has run out meanwhile; ``CLOCK_MONOTONIC`` of Linux would not tell.
        """
        return time.clock_gettime(_MONOTONIC)

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is set: virtual time for backtests and tests.

    Parameters
    ----------
    now_ms
        Where it starts, milliseconds since 1970 UTC.
    """

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Virtual time, milliseconds since 1970 UTC."""
        return self._now_ms

    def monotonic(self) -> float:
        """Virtual time in seconds."""
        return self._now_ms / 1000

    def set(self, now_ms: int) -> None:
        """Move to a time, never back."""
        self._now_ms = max(self._now_ms, now_ms)

    async def sleep(self, seconds: float) -> None:
        """Move ahead by that much, without waiting."""
        self.set(self._now_ms + int(seconds * 1000))
        await asyncio.sleep(0)
