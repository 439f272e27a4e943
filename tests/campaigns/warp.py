"""An event loop whose time stands still while anything is under way, and jumps where everybody waits.

Sockets are real: what is sent over loopback is read before time moves on. So waits of seconds and minutes cost nothing,
and "nothing is under way" is something that can be waited for.
"""

import asyncio
import os
import selectors
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

from shared.clock import Clock

START_S: Final = 1_767_225_600.0
"""Where wall-clock time starts: 2026-01-01 00:00 UTC."""
_TURN_S: Final = 0.000_05
"""What a turn of the loop takes that moved any byte: things happen one after the other, as on a network."""
_LONGEST_LOOK_S: Final = 0.1
"""Real seconds between two looks while a server or a thread works."""


class _WarpSelector(selectors.DefaultSelector):
    """Tells what is ready; where nothing is and nobody has work, it moves the loop's time instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.elsewhere = 0
        self.on_idle: Callable[[], bool] = lambda: False

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready:
            self.now_s += _TURN_S
            return ready
        if timeout is not None and timeout <= 0:
            return ready
        # The kernel may still be handing over what was sent.
        os.sched_yield()
        ready = super().select(0)
        if ready:
            self.now_s += _TURN_S
        elif self.elsewhere:
            return super().select(_LONGEST_LOOK_S)
        elif not self.on_idle():
            if timeout is None:
                # Nobody waits for time: only another thread can have work.
                return super().select(0.001)
            self.now_s += timeout
        return ready


class WarpLoop(asyncio.SelectorEventLoop):
    """The loop; :meth:`idle` waits until nothing is under way but timers."""

    def __init__(self) -> None:
        self._warp = _WarpSelector()
        super().__init__(self._warp)
        self._idlers: list[asyncio.Future[None]] = []
        self._warp.on_idle = self._wake_idlers

    def time(self) -> float:
        """Seconds that have passed for everybody on the loop."""
        return self._warp.now_s

    def begin(self) -> None:
        """Let time move on to the next full minute: what begins then happens as it would after any other."""
        self._warp.now_s = (self._warp.now_s // 60 + 1) * 60

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Let time stand still while a server of another process, or a thread, works on something."""
        self._warp.elsewhere += 1
        try:
            yield
        finally:
            self._warp.elsewhere -= 1

    async def idle(self) -> None:
        """Wait, without time passing for its sake, until no callback is ready and no byte is on its way."""
        waiter: asyncio.Future[None] = self.create_future()
        self._idlers.append(waiter)
        await waiter

    def _wake_idlers(self) -> bool:
        idlers, self._idlers = self._idlers, []
        for waiter in idlers:
            if not waiter.done():
                waiter.set_result(None)
        return bool(idlers)


class WarpClock(Clock):
    """The machine's clock, as everybody on the loop reads it."""

    def __init__(self, loop: WarpLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return int((START_S + self._loop.time()) * 1000)

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@contextmanager
def machine_time(loop: WarpLoop) -> Iterator[None]:
    """Let those who read the machine's clock by themselves, library and simulator, read the loop's."""
    machine = SimpleNamespace(
        time=lambda: START_S + loop.time(), time_ns=lambda: int((START_S + loop.time()) * 1000) * 1_000_000
    )
    with patch("binance.base_client.time", machine), patch("tradeengine.simulator.clock.time", machine):
        yield
