"""One step of a measurement: signals at an even rate, and when each was decided and its order was on the wire."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from tests.benchmarks.figures import MS, percentile
from tests.benchmarks.load import Seen

LATEST_NS: Final = 250 * MS
"""99th percentile up to which a rate holds."""
_S: Final = 1_000_000_000


class Cost(NamedTuple):
    """What consumers took: processor time of all of them in nanoseconds, and bytes that they logged."""

    cpu_ns: int = 0
    log_bytes: int = 0


class Step(NamedTuple):
    """What one step found.

    Parameters
    ----------
    rate
        Signals a second that were due.
    wire
        When the order of a signal arrived at the exchange, nanoseconds of the machine's monotonic clock, by the
        signal's place in the step.
    records
        Records of the journal that the signals and what they led to came to; 0 where there is no journal.
    rejected
        Why signals were rejected: pods that wait too long for what they share refuse to open.
    """

    rate: float
    seen: Seen
    wire: Mapping[int, int] = {}
    cost: Cost = Cost()
    records: int = 0
    rejected: Sequence[str] = ()

    @property
    def to_decision(self) -> list[int]:
        """Nanoseconds from publication to acknowledgement, without the first tenth."""
        return self._after(self.seen.published, dict(enumerate(self.seen.acked)))

    @property
    def to_wire(self) -> list[int]:
        """Nanoseconds from publication to the order's arrival at the exchange, without the first tenth of signals."""
        return self._after(self.seen.published, self.wire)

    @property
    def holds(self) -> bool:
        """Whether decisions and orders kept up with what was due, not only with what the load could publish."""
        if self.rejected:
            return False
        due = [self.seen.begun + int(number / self.rate * _S) for number in range(len(self.seen.acked))]
        ends = [dict(enumerate(self.seen.acked)), self.wire]
        return all(percentile(times, 0.99) <= LATEST_NS for end in ends if (times := self._after(due, end)))

    def _after(self, starts: Sequence[int], ends: Mapping[int, int]) -> list[int]:
        warm = len(self.seen.acked) // 10
        return [end - starts[number] for number, end in ends.items() if number >= warm]
