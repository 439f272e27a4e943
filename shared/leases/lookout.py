"""A lookout: watches the leases from outside, without being a member."""

from collections.abc import Mapping
from typing import Final

from shared.clock import Clock
from shared.leases.base import Lease, LeaseStore, Member
from shared.leases.sight import Sight, Watches, sight_of
from shared.leases.watch import Watch

_MARGIN: Final = 1.1
"""A beat may come a little late without anything being wrong."""


class Lookout:
    """Tells who lives by watching, for no clock of another machine is read: one that beats within the lease time.

    Parameters
    ----------
    ttl_s
        Lease time of processes that hold nothing, seconds; of the others the leases say it.
    """

    def __init__(self, store: LeaseStore, clock: Clock, shards: int, ttl_s: float) -> None:
        self.leases: Mapping[int, Lease] = {}
        self.members: Mapping[str, Member] = {}
        self._store = store
        self._clock = clock
        self._shards = shards
        self._ttl_s = ttl_s
        self._watches: Watches = Watches(Watch(), Watch())
        self._first: dict[str, int] | None = None
        self._looked = clock.monotonic()

    async def look(self) -> None:
        """Look once.

        Raises
        ------
        RetrySafe
            If the store does not answer.
        """
        self.leases = {lease.shard: lease for lease in await self._store.read()}
        self.members = await self._store.members()
        self._looked = self._clock.monotonic()
        beats = {name: member.beat for name, member in self.members.items()}
        self._watches.leases.look(self.leases, self._looked)
        self._watches.beats.look(beats, self._looked)
        if self._first is None:
            self._first = beats

    @property
    def living(self) -> set[str]:
        """Members that have been seen to beat, or to come, within the lease time."""
        first = self._first or {}
        return {
            name
            for name, member in self.members.items()
            if first.get(name) != member.beat and not self._is_silent(name)
        }

    @property
    def undecided(self) -> set[str]:
        """Members of whom it cannot be told yet whether they live."""
        return {name for name in self.members.keys() - self.living if not self._is_silent(name)}

    def sight(self) -> Sight:
        """Everything that was seen."""
        now = self._clock.monotonic()
        return sight_of(self._watches, self.members, self.living, self._shards, self._looked, now)

    def _is_silent(self, name: str) -> bool:
        own = [lease.ttl_ms / 1000 for lease in self.leases.values() if lease.owner == name]
        return self._watches.beats.unchanged_s(name, self._clock.monotonic()) >= _MARGIN * max([self._ttl_s, *own])
