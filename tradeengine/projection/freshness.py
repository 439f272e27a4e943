"""Freshness: how far a read model lies behind the journal."""

from dataclasses import dataclass

from shared.clock import Clock
from tradeengine.journal.record import Record


@dataclass(slots=True)
class _Progress:
    committed: int = 0
    applied: int = 0
    complete_ms: int = 0


class Freshness:
    """What is committed, what of it is applied, and since when anything is missing.

    Health asks from threads of its own, so whoever looks at all shards looks at a copy.

    Parameters
    ----------
    clock
        Tells the age of what is shown.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shards: dict[int, _Progress] = {}

    def found(self, shard: int, sequence: int) -> None:
        """Note that the journal holds records up to a sequence."""
        progress = self._of(shard)
        progress.committed = max(progress.committed, sequence)

    def committed(self, record: Record) -> None:
        """Note a record that was committed just now."""
        progress = self._of(record.shard)
        if progress.applied >= progress.committed:
            # Nothing was missing until this one.
            progress.complete_ms = record_time(record)
        progress.committed = max(progress.committed, record.sequence)

    def applied(self, shard: int, sequence: int, time_ms: int) -> None:
        """Note the newest applied record of a shard and its time, milliseconds since 1970 UTC."""
        progress = self._of(shard)
        progress.applied = sequence
        progress.complete_ms = max(progress.complete_ms, time_ms)

    def forget(self, shard: int) -> None:
        """Stop to compare a shard with the journal: somebody else applies it."""
        self._shards.pop(shard, None)

    def heads(self) -> dict[int, int]:
        """Newest sequence that is known to be committed, by shard."""
        return {shard: progress.committed for shard, progress in tuple(self._shards.items())}

    def has_applied(self, heads: dict[int, int]) -> bool:
        """Whether everything up to these sequences is applied."""
        return all(self._of(shard).applied >= sequence for shard, sequence in heads.items())

    def behind(self) -> dict[int, int]:
        """Number of records that are committed and not applied, by shard."""
        return {shard: max(0, p.committed - p.applied) for shard, p in tuple(self._shards.items())}

    @property
    def records_behind(self) -> int:
        """Number of records that are committed and not applied."""
        return sum(self.behind().values())

    @property
    def age_seconds(self) -> float:
        """How long the rows have been incomplete: now less the time up to which they are complete; 0 when they are."""
        behind = [p.complete_ms for p in tuple(self._shards.values()) if p.applied < p.committed]
        return max(0, self._clock.now_ms() - min(behind)) / 1000 if behind else 0.0

    def _of(self, shard: int) -> _Progress:
        return self._shards.setdefault(shard, _Progress())


def record_time(record: Record) -> int:
    """Time of a record's last input, milliseconds since 1970 UTC."""
    return record.entries[-1].input.time_ms if record.entries else 0
