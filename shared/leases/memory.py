"""Leases in memory: for tests, and for one process alone."""

from collections.abc import Mapping

from shared.leases.base import Lease, Member


class MemoryLeases:
    """The contract in its plainest form; see :class:`~shared.leases.base.LeaseStore`.

    Several keepers on one event loop may share it.
    """

    def __init__(self) -> None:
        self._leases: dict[int, Lease] = {}
        self._members: dict[str, Member] = {}

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def read(self) -> list[Lease]:
        """Every shard's document, in order of the shards."""
        return sorted(self._leases.values())

    async def take(self, seen: Lease | None, shard: int, owner: str, ttl_ms: int) -> Lease | None:
        """Make an owner of a shard, if its document still is what was seen."""
        if self._leases.get(shard) != seen:
            return None
        epoch, renewals = (seen.epoch, seen.renewals) if seen is not None else (0, 0)
        self._leases[shard] = Lease(shard, owner, epoch + 1, renewals + 1, ttl_ms)
        return self._leases[shard]

    async def renew(self, owner: str, epochs: Mapping[int, int]) -> set[int]:
        """Renew an owner's leases."""
        return {shard for shard, epoch in epochs.items() if self._change(shard, owner, epoch, owner)}

    async def release(self, owner: str, shard: int, epoch: int) -> bool:
        """Give a lease back."""
        return self._change(shard, owner, epoch, None)

    async def announce(self, member: str, beat: int, version: str = "", since_ms: int = 0) -> None:
        """Set a process's beat."""
        former = self._members.get(member)
        self._members[member] = Member(beat, version, since_ms, former is not None and former.drained)

    async def members(self) -> dict[str, Member]:
        """All processes, by name."""
        return dict(self._members)

    async def drain(self, member: str, drained: bool) -> bool:
        """Set or take away a process's mark."""
        found = self._members.get(member)
        if found is not None:
            self._members[member] = found._replace(drained=drained)
        return found is not None

    async def withdraw(self, member: str) -> None:
        """Take a process out of the members."""
        self._members.pop(member, None)

    def _change(self, shard: int, owner: str, epoch: int, successor: str | None) -> bool:
        lease = self._leases.get(shard)
        if lease is None or (lease.owner, lease.epoch) != (owner, epoch):
            return False
        self._leases[shard] = lease._replace(owner=successor, renewals=lease.renewals + 1)
        return True
