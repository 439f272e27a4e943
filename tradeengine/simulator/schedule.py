"""What falls due at a time."""

import heapq
from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Due(StrEnum):
    """Kinds of things that fall due."""

    MATCH = "match"
    ORDER_GOOD_TILL = "order-good-till"
    ALGO_GOOD_TILL = "algo-good-till"
    COUNTDOWN = "countdown"
    FUNDING = "funding"
    PRICE = "price"


class Task(msgspec.Struct, frozen=True, order=True):
    """One thing to do.

    Parameters
    ----------
    at_ms
        When, milliseconds since 1970 UTC.
    number
        Order among those of one time.
    what
        Its kind.
    symbol
        Of the order, price or funding.
    subject
        Order id, algo id, or place in a price path.
    """

    at_ms: int
    number: int
    what: Due
    symbol: str
    subject: int


class Schedule:
    """Tasks, earliest first; those of one time in the order in which they were planned."""

    def __init__(self, tasks: Iterable[Task] = (), number: int = 0) -> None:
        self._heap = sorted(tasks)
        self.number = number

    def plan(self, at_ms: int, what: Due, symbol: str, subject: int = 0) -> None:
        """Add a task."""
        self.number += 1
        heapq.heappush(self._heap, Task(at_ms, self.number, what, symbol, subject))

    def take(self, now_ms: int) -> Task | None:
        """Remove the earliest task that is due, if there is one."""
        if self._heap and self._heap[0].at_ms <= now_ms:
            return heapq.heappop(self._heap)
        return None

    def tasks(self) -> list[Task]:
        """All tasks, earliest first."""
        return sorted(self._heap)
