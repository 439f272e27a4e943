"""Lag: how far a read model is behind, and how fast it catches up."""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from shared.clock import Clock
from tradeengine.journal.record import Record

_WINDOW_S: Final = 10.0
_MOST_STEPS: Final = 1_000


class Lag(NamedTuple):
    """How far a read model is behind.

    Parameters
    ----------
    records, events
        Committed and not applied; events by the mean of the records that were seen, as the journal counts records.
    seconds
        Age of what is shown.
    events_per_second
        How fast events were applied while there were any, 0 before the first.
    """

    records: int
    seconds: float
    events: int
    events_per_second: float

    @property
    def remaining_seconds(self) -> float | None:
        """How long it takes to catch up if it goes on as fast; ``None`` while that is not known."""
        if not self.events:
            return 0.0
        return self.events / self.events_per_second if self.events_per_second else None


class Pace:
    """Speed of the last ten seconds of work, and events in a record.

    Parameters
    ----------
    clock
        Real time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steps: deque[tuple[float, int]] = deque()
        self._seconds = 0.0
        self._recent = 0
        self._records = 0
        self._events = 0

    def applied(self, records: Sequence[Record], began: float) -> None:
        """Take note of a batch that was begun at a time of the clock's ``monotonic`` and is applied now."""
        events = sum(len(entry.events) for record in records for entry in record.entries)
        self._records += len(records)
        self._events += events
        self._add(self._clock.monotonic() - began, events)
        while len(self._steps) > 1 and (self._seconds > _WINDOW_S or len(self._steps) > _MOST_STEPS):
            seconds, former = self._steps.popleft()
            self._seconds -= seconds
            self._recent -= former

    @property
    def events_per_second(self) -> float:
        """Events applied in a second of work, 0 before the first."""
        return self._recent / self._seconds if self._seconds > 0 else 0.0

    def events_in(self, records: int) -> int:
        """About how many events so many records hold."""
        return round(records * self._events / self._records) if self._records else records

    def _add(self, seconds: float, events: int) -> None:
        self._steps.append((seconds, events))
        self._seconds += seconds
        self._recent += events
