"""The simulator's time: the machine's clock with an offset, or a clock that only ``POST /sim/clock`` moves."""

import asyncio
import time

VIRTUAL_START_MS = 1_767_225_600_000
"""Where virtual time starts unless something else is said: 2026-01-01 00:00 UTC."""


class SimulatorClock:
    """What the exchange, its limits and its listen keys go by.

    Parameters
    ----------
    virtual
        Stand still until :meth:`advance` or :meth:`set` is called.
    start_ms
        Where virtual time starts, milliseconds since 1970 UTC.
    """

    def __init__(self, *, virtual: bool = False, start_ms: int = VIRTUAL_START_MS) -> None:
        self.virtual = virtual
        # Virtual: the time itself. Real: how far the simulator is ahead of the machine.
        self._ms = start_ms if virtual else 0

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        return self._ms if self.virtual else time.time_ns() // 1_000_000 + self._ms

    @property
    def ahead_ms(self) -> int:
        """How far real time is ahead of the machine's clock; 0 for virtual time."""
        return 0 if self.virtual else self._ms

    def advance(self, ms: int) -> None:
        """Move ahead of where time is; real time goes on from there."""
        self._ms += ms

    def set(self, now_ms: int) -> None:
        """Move to a time, ahead or back; real time goes on from there."""
        self._ms += now_ms - self.now_ms()


async def hold(ms: int) -> None:
    """Wait by the machine's clock, whatever the simulator's says: clients' timeouts run on it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(ms / 1000, done.set_result, None)
    try:
        await done
    finally:
        timer.cancel()
