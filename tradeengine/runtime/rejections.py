"""Whether everything is refused: an engine that opens nothing for minutes looks healthy and is of no use."""

from collections import Counter
from typing import Final

from contracts.enums import Outcome
from contracts.values import iso_millis
from shared.metrics import INVALID_SIGNAL
from tradeengine.domain.events import SignalDecided
from tradeengine.journal.record import Record

LEAST_SIGNALS: Final = 20
LASTING_MS: Final = 300_000


class Rejections:
    """Counts what was rejected since a signal was last accepted.

    What was held or decided before proves nothing, in either direction.
    """

    def __init__(self) -> None:
        self._reasons: Counter[str] = Counter()
        self._since_ms = 0

    def observe(self, record: Record) -> None:
        """Take one committed record in."""
        for entry in record.entries:
            for event in entry.events:
                if isinstance(event, SignalDecided):
                    self._decided(event)

    def invalid(self, number: int, now_ms: int) -> None:
        """Take in that messages came which are no signals."""
        self._rejected(INVALID_SIGNAL, number, now_ms)

    def trouble(self, now_ms: int) -> str | None:
        """What is wrong, for people: at least 20 signals in a row, over at least five minutes, were rejected."""
        number = self._reasons.total()
        if number < LEAST_SIGNALS or now_ms - self._since_ms < LASTING_MS:
            return None
        reasons = ", ".join(f"{reason} {times}" for reason, times in self._reasons.most_common())
        return (
            f"no signal has been accepted since {iso_millis(self._since_ms)}, {number} were rejected ({reasons}): see "
            f"/decisions?outcome=rejected and the strategies"
        )

    def _decided(self, event: SignalDecided) -> None:
        if event.outcome is Outcome.ACCEPTED:
            self._reasons.clear()
        elif event.outcome is Outcome.REJECTED:
            self._rejected(event.reason or "no reason", 1, event.time_ms)

    def _rejected(self, reason: str, number: int, now_ms: int) -> None:
        if not self._reasons:
            self._since_ms = now_ms
        self._reasons[reason] += number
