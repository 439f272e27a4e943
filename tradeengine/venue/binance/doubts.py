"""Doubts: what the user stream should have told, going by other evidence, and has not."""

from enum import StrEnum
from typing import NamedTuple


class DoubtKind(StrEnum):
    """What a doubt rests on."""

    TRADE = "trade"
    """An execution was told in short form, or cannot be attributed yet."""
    LEG = "leg"
    """A position changed, and no execution says why."""
    SUM = "sum"
    """The executions heard of an order are less than it says it executed."""
    END = "end"
    """What a conditional order became has ended, and its own message is missing."""
    MESSAGE = "message"
    """A message could not be read."""
    SILENCE = "silence"
    """The exchange answered a request whose effect the stream ought to have told."""

    @property
    def deaf(self) -> bool:
        """Whether the stream itself is in doubt, and not only one message of it."""
        return self is DoubtKind.SILENCE


class Doubt(NamedTuple):
    """One thing that should have been told.

    Parameters
    ----------
    symbol
        Whose trades tell the truth about it; empty if that is not known.
    what
        Names it among those of its kind: a trade id, an order id.
    """

    kind: DoubtKind
    symbol: str
    what: str


class Doubts:
    """Open doubts, each since when it is open; within a second or two most are settled by the next message."""

    def __init__(self) -> None:
        self._since: dict[Doubt, float] = {}

    def raise_(self, doubt: Doubt, now: float) -> None:
        """Open a doubt; one that is open stays as old as it is.

        Parameters
        ----------
        now
            Monotonic seconds.
        """
        self._since.setdefault(doubt, now)

    def settle(self, doubt: Doubt) -> None:
        """What was missing was told."""
        self._since.pop(doubt, None)

    def overdue(self, now: float, patience_s: float) -> list[Doubt]:
        """Doubts that are older than patience, oldest first."""
        return [doubt for doubt, since in self._since.items() if now - since >= patience_s]

    def settle_until(self, moment: float, symbol: str, *, connected: bool = False) -> None:
        """A symbol's truth was read, beginning at a moment: what was doubted of it before is settled.

        Parameters
        ----------
        connected
            Whether the stream was connected anew before. Else it may be as deaf as it was: that what it should have
            told is known by other means does not show that it hears.
        """
        self._since = {
            doubt: since
            for doubt, since in self._since.items()
            if since > moment or doubt.symbol != symbol or (doubt.kind.deaf and not connected)
        }

    def symbols(self) -> frozenset[str]:
        """Symbols that anything is in doubt of."""
        return frozenset(doubt.symbol for doubt in self._since)

    def __len__(self) -> int:
        return len(self._since)
