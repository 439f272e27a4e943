"""The store of the truth, as MongoDB keeps it: journal, snapshots, leases and what else pods share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from contracts.enums import OrderKind
from shared.errors import OutcomeUnknown
from shared.leases.base import Lease, Member
from shared.leases.memory import MemoryLeases
from shared.registers.base import Entry
from shared.registers.memory import MemoryRegister
from tests.simulation.plan import LEASE_S
from tests.simulation.road import Road
from tests.simulation.store import StoreClient
from tradeengine.domain.events import OrderPlanned
from tradeengine.journal.base import Snapshot
from tradeengine.journal.fence import Last, check_positions
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.journal.stored import Stored
from tradeengine.publication.checkpoints import Checkpoint, MemoryCheckpoints

LEASE_TIMEOUT_S: Final = LEASE_S / 4
"""A quarter of the lease time, as the engine chooses it."""


class _KeptJournal(MemoryJournal):
    """Records as the server has them."""

    def check(self, records: Sequence[Record]) -> None:
        """See that records fit, before the first is written."""
        check_positions(records, lambda shard: Last(self._last(shard), self._epochs.get(shard)))


class Truth:
    """What the server holds.

    Parameters
    ----------
    on_append
        Told of each record that is committed.
    """

    def __init__(self, on_append: Callable[[Record], None] = lambda record: None) -> None:
        self.journal = _KeptJournal()
        self.leases = MemoryLeases()
        self.register = MemoryRegister()
        self.publications = MemoryCheckpoints()
        self.tears: list[int] = []
        """For the next appends, after how many records the server fails."""
        self._on_append = on_append

    async def append(self, records: Sequence[Record]) -> None:
        """Append in order; what is refused, or the server's end, leaves a prefix."""
        self.journal.check(records)
        whole = self.tears.pop(0) if self.tears and len(records) > 1 else len(records)
        for record in records[:whole]:
            await self.journal.append([record])
            self._on_append(record)
        if whole < len(records):
            raise OutcomeUnknown("the server failed in the middle of an append")


class SimJournal:
    """A pod's journal."""

    def __init__(self, road: Road, truth: Truth) -> None:
        self._client = StoreClient(road)
        self._truth = truth
        self._kept = truth.journal

    async def open(self) -> None:
        await self._client.read("ping", self._kept.open)

    async def close(self) -> None:
        """Nothing to do."""

    async def append(self, records: Sequence[Record]) -> None:
        point = "market planned" if any(map(_plans_at_market, records)) else "append answered"
        await self._client.write("append", lambda: self._truth.append(records), point)

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        return await self._client.read("read", lambda: self._kept.read(shard, after, limit))

    async def stored(self, shard: int, after: int = 0, limit: int = 1000) -> list[Stored]:
        return await self._client.read("read", lambda: self._kept.stored(shard, after, limit))

    async def first_sequence(self, shard: int) -> int:
        return await self._client.read("read", lambda: self._kept.first_sequence(shard))

    async def last_sequence(self, shard: int) -> int:
        return await self._client.read("read", lambda: self._kept.last_sequence(shard))

    async def shards(self) -> list[int]:
        return await self._client.read("read", self._kept.shards)

    async def trim(self, shard: int, through: int) -> None:
        await self._client.write("trim", lambda: self._kept.trim(shard, through))

    async def is_decided(self, key: str) -> bool:
        return await self._client.read("lookup", lambda: self._kept.is_decided(key))

    async def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        await self._client.write("snapshot", lambda: self._kept.save_snapshot(shard, snapshot))

    async def load_snapshot(self, shard: int) -> Snapshot | None:
        return await self._client.read("read", lambda: self._kept.load_snapshot(shard))

    async def digest(self) -> str:
        return await self._client.read("read", self._kept.digest)


def _plans_at_market(record: Record) -> bool:
    return any(isinstance(event, OrderPlanned) and event.order.kind is OrderKind.MARKET for event in record.events())


class SimLeases:
    """A pod's leases."""

    def __init__(self, road: Road, truth: Truth, timeout_s: float = LEASE_TIMEOUT_S) -> None:
        self._client = StoreClient(road, timeout_s)
        self._kept = truth.leases

    async def open(self) -> None:
        await self._client.read("ping", self._kept.open)

    async def close(self) -> None:
        """Nothing to do."""

    async def read(self) -> list[Lease]:
        return await self._client.read("leases", self._kept.read)

    async def take(self, seen: Lease | None, shard: int, owner: str, ttl_ms: int) -> Lease | None:
        return await self._client.write("take", lambda: self._kept.take(seen, shard, owner, ttl_ms))

    async def renew(self, owner: str, epochs: Mapping[int, int]) -> set[int]:
        return await self._client.write("renew", lambda: self._kept.renew(owner, dict(epochs)))

    async def release(self, owner: str, shard: int, epoch: int) -> bool:
        return await self._client.write("release", lambda: self._kept.release(owner, shard, epoch))

    async def announce(self, member: str, beat: int, version: str = "", since_ms: int = 0) -> None:
        await self._client.write("announce", lambda: self._kept.announce(member, beat, version, since_ms))

    async def members(self) -> dict[str, Member]:
        return await self._client.read("leases", self._kept.members)

    async def drain(self, member: str, drained: bool) -> bool:
        return await self._client.write("drain", lambda: self._kept.drain(member, drained))

    async def withdraw(self, member: str) -> None:
        await self._client.write("withdraw", lambda: self._kept.withdraw(member))


class SimRegister:
    """A pod's register of the account's limits."""

    def __init__(self, road: Road, truth: Truth) -> None:
        self._client = StoreClient(road)
        self._kept = truth.register

    async def open(self) -> None:
        await self._client.read("ping", self._kept.open)

    async def close(self) -> None:
        """Nothing to do."""

    async def read(self) -> Entry | None:
        return await self._client.read("register", self._kept.read)

    async def replace(self, seen: int, content: str) -> bool:
        return await self._client.write("register", lambda: self._kept.replace(seen, content))


class SimCheckpoints:
    """How far publications are, as a pod sees it."""

    def __init__(self, road: Road, truth: Truth) -> None:
        self._client = StoreClient(road)
        self._kept = truth.publications

    async def open(self) -> None:
        await self._client.read("ping", self._kept.open)

    async def close(self) -> None:
        """Nothing to do."""

    async def load(self, shard: int) -> Checkpoint:
        return await self._client.read("publications", lambda: self._kept.load(shard))

    async def save(self, checkpoints: Mapping[int, Checkpoint]) -> None:
        await self._client.write("publications", lambda: self._kept.save(dict(checkpoints)))
