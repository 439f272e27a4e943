"""Holdings: the leases that a process holds, those that it is to hand over, and those that it has dropped."""

from typing import NamedTuple

from contracts.enums import TakeoverCause
from shared.clock import Clock
from shared.leases.base import Lease


class Held(NamedTuple):
    """A lease that this process holds.

    Parameters
    ----------
    epoch
        Fencing token.
    until
        Own monotonic time, seconds, up to which nobody else can hold the shard.
    cause
        Why the shard was free to be taken.
    """

    epoch: int
    until: float
    cause: TakeoverCause | None = None


class Holdings:
    """What this process holds, by its own clock.

    Attributes
    ----------
    held : dict
        Leases by shard; one whose time is up may still be there for a moment, see :meth:`valid_for`.
    leaving : set of int
        Shards that are being brought to rest, so that another process can have them.
    """

    def __init__(self, clock: Clock) -> None:
        self.held: dict[int, Held] = {}
        self.leaving: set[int] = set()
        self._clock = clock
        self._dropped: dict[int, Held] = {}

    def valid_for(self, shard: int) -> float:
        """Seconds for which this process may count on a shard; 0 or less: it may not."""
        held = self.held.get(shard)
        return held.until - self._clock.monotonic() if held is not None else 0.0

    def let_go(self, shard: int) -> Held | None:
        """Hold a shard no more; what was held of it, if anything."""
        self.leaving.discard(shard)
        return self.held.pop(shard, None)

    def drop(self, shard: int) -> Held | None:
        """Hold a shard no more whose last requests may still take effect; what was held of it, if anything."""
        held = self.let_go(shard)
        if held is not None:
            self._dropped[shard] = held
        return held

    def may_have_effect(self, lease: Lease) -> bool:
        """Whether a lease was dropped whose last requests may still take effect: it has to run out."""
        dropped = self._dropped.get(lease.shard)
        return dropped is not None and dropped.epoch == lease.epoch and dropped.until > self._clock.monotonic()
