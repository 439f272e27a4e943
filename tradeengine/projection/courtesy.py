"""Courtesy: work in a thread rests as much as the rest of the process needs the interpreter.

Threads of one interpreter take turns, and who computes keeps the event loop waiting at each of its steps. Copies can
wait and signals cannot. So a copy works in slices of a millisecond and rests between them: the longer, the busier the
process is with other things.
"""

import time
from collections.abc import Callable
from threading import Event
from typing import Final, NamedTuple

LEAST: Final = 0.1
"""Share of the interpreter that a copy takes at least, as long as it is not far behind."""

MOST_WHEN_LATE: Final = 0.5
"""Share that it takes at least when it is far behind, so that it never falls behind for ever."""

_SLICE_S: Final = 0.001
_WINDOW_S: Final = 0.05
_LONGEST_REST_S: Final = 0.1
_LATE_S: Final = 100.0


class Used(NamedTuple):
    """Seconds of processor time that the process and the calling thread have used."""

    process: float
    thread: float

    @classmethod
    def now(cls) -> "Used":
        """Ask the system."""
        return cls(time.process_time(), time.thread_time())


class Courtesy:
    """Rests of one thread.

    Parameters
    ----------
    passed
        Seconds of a clock that goes on evenly; it is asked often.
    used
        Tells what the process and the thread have used.
    """

    def __init__(self, passed: Callable[[], float] = time.perf_counter, used: Callable[[], Used] = Used.now) -> None:
        self._passed = passed
        self._used = used
        self._ended = Event()
        self._least = LEAST
        self._due = 0.0
        self._thread = 0.0
        self._window: tuple[float, Used] | None = None
        self.share = 1.0
        """Share of the interpreter that the thread takes now, at most 1."""

    def begin(self, age_s: float) -> None:
        """Begin a piece of work, in the thread that does it.

        Parameters
        ----------
        age_s
            How old is what the copy shows, in seconds: a copy that is late is less courteous.
        """
        self._least = min(MOST_WHEN_LATE, max(LEAST, age_s / _LATE_S))
        self._resume()
        if self._window is None:
            # Only here is it sure which thread asks.
            self._window = (self._passed(), self._used())

    def rest(self) -> None:
        """Wait if a slice of work is done; to be called every few microseconds of work."""
        now = self._passed()
        if now < self._due:
            return
        used = self._used()
        self._look(now, used)
        if self.share < 1.0:
            # What the server took to answer, or others the interpreter, was no work of this thread.
            worked = used.thread - self._thread
            self._ended.wait(min(_LONGEST_REST_S, worked * (1 / self.share - 1)))
        self._resume()

    def end(self) -> None:
        """Rest no more: who closes the copy waits for its work."""
        self._ended.set()

    def _resume(self) -> None:
        self._thread = self._used().thread
        self._due = self._passed() + _SLICE_S

    def _look(self, now: float, used: Used) -> None:
        """Find out what the rest of the process uses, and leave it twice that."""
        began, before = self._window or (now, used)
        passed = now - began
        if passed < _WINDOW_S:
            return
        others = (used.process - before.process - (used.thread - before.thread)) / passed
        self.share = min(1.0, max(self._least, 1 - 2 * others))
        self._window = (now, used)
