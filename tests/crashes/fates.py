"""Fates of commands, and who decides them."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from tests.projection.mongodb_stage import Fate

FROZEN: Final = "frozen"
"""The process stands still in front of the command, and does it much later, when another has taken its place. Threads
go on until their work is done: they may hold locks."""

AnyFate = Fate | str
"""A :class:`~tests.projection.mongodb_stage.Fate`, or :data:`FROZEN`."""

DEADLY: Final = (Fate.KILLED, Fate.KILLED_AFTER)


class Plan(Protocol):
    """Decides what becomes of each command."""

    def fate(self, command: str) -> AnyFate:
        """Fate of the next command, by its name."""
        ...


class Point(NamedTuple):
    """A command of a run: its name, and how many of that name came before."""

    command: str
    number: int

    def __str__(self) -> str:
        return f"{self.command} #{self.number}"


class Undisturbed:
    """Everything goes.

    Parameters
    ----------
    points
        All that was sent, in order.
    """

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self.points: list[Point] = []

    def fate(self, command: str) -> AnyFate:
        self.points.append(Point(command, self._seen[command]))
        self._seen[command] += 1
        return Fate.GO


class Strike:
    """One command meets its fate; all others go.

    Parameters
    ----------
    met
        Whether it was sent at all.
    """

    def __init__(self, point: Point, fate: AnyFate) -> None:
        self._point = point
        self._fate = fate
        self._seen = 0
        self.met = False

    def __str__(self) -> str:
        return f"{self._point} {self._fate}"

    def fate(self, command: str) -> AnyFate:
        if command != self._point.command or self.met:
            return Fate.GO
        self._seen += 1
        if self._seen <= self._point.number:
            return Fate.GO
        self.met = True
        return self._fate


class Volley:
    """Several commands of different names each meet their fate, whoever sends them."""

    def __init__(self, strikes: Sequence[Strike]) -> None:
        self.strikes = strikes

    def __str__(self) -> str:
        return ", ".join(map(str, self.strikes))

    def fate(self, command: str) -> AnyFate:
        fates = [strike.fate(command) for strike in self.strikes]
        return next((fate for fate in fates if fate is not Fate.GO), Fate.GO)


class Schedule:
    """Several commands meet fates.

    Parameters
    ----------
    blows
        Each a number of commands that go, and the fate of the one after them.
    """

    def __init__(self, blows: Sequence[tuple[int, AnyFate]]) -> None:
        self._left = list(blows)
        self._gone = 0
        self.met: list[str] = []

    def __str__(self) -> str:
        return f"{self.met}, {self._left} never came"

    def fate(self, command: str) -> AnyFate:
        if not self._left:
            return Fate.GO
        self._gone += 1
        after, fate = self._left[0]
        if self._gone <= after:
            return Fate.GO
        self._gone = 0
        self._left.pop(0)
        self.met.append(f"{command} {fate}")
        return fate
