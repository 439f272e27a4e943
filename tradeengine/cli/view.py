"""What there is to see of a working engine, as plain data."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from contracts.enums import Outcome
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.position import Leg
from tradeengine.journal.record import Record

DECISIONS_KEPT = 8


class View(NamedTuple):
    """All that is shown, at one moment.

    Parameters
    ----------
    time_ms
        The moment, milliseconds since 1970 UTC.
    legs
        Exchange positions with the strategy positions in them; those that hold nothing are left out.
    marks
        Newest price of each symbol; a symbol without one is shown without unrealised P&L.
    account
        Figures in quote currency, as ``Account.summary`` names them.
    outcomes
        How many signals had each outcome.
    decisions
        The last ones, newest first.
    links
        Where to look, by name.
    trouble
        Why the engine cannot do all its work now, if it cannot.
    """

    time_ms: int
    legs: Sequence[Leg]
    marks: Mapping[str, Decimal]
    account: Mapping[str, Decimal]
    outcomes: Mapping[Outcome, int]
    decisions: Sequence[SignalDecided]
    links: Mapping[str, str]
    trouble: str | None = None


class Activity:
    """Counts decisions and remembers the last ones; a listener of committed records."""

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self._last: deque[SignalDecided] = deque(maxlen=DECISIONS_KEPT)

    def __call__(self, record: Record) -> None:
        """Take a committed record in."""
        for event in record.events():
            if isinstance(event, SignalDecided):
                self.outcomes[event.outcome] += 1
                self._last.appendleft(event)

    @property
    def decisions(self) -> list[SignalDecided]:
        """The last decisions, newest first."""
        return list(self._last)
