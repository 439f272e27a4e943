"""Journal in memory: for tests and for simulations that leave nothing behind."""

import hashlib
from collections.abc import Sequence

from tradeengine.journal.base import Snapshot
from tradeengine.journal.fence import check_positions
from tradeengine.journal.record import Record, decode, encode


class MemoryJournal:
    """Commit log that ends with the process; see :class:`~tradeengine.journal.base.Journal`.

    Records are kept as the bytes that a store on disk would keep, so what comes back is what would come back there.
    """

    def __init__(self) -> None:
        self._payloads: dict[int, list[bytes]] = {}
        self._decided: set[str] = set()
        self._snapshots: dict[int, Snapshot] = {}

    async def open(self) -> None:
        """Do nothing: memory is always ready."""

    async def close(self) -> None:
        """Do nothing: what is kept goes with the object."""

    async def append(self, records: Sequence[Record]) -> None:
        """Keep records, all or none."""
        check_positions(records, lambda shard: len(self._payloads.get(shard, ())))
        payloads = [encode(record) for record in records]
        for record, payload in zip(records, payloads, strict=True):
            self._payloads.setdefault(record.shard, []).append(payload)
            self._decided.update(record.decision_keys())

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        """Records of a shard with a sequence above ``after``, in order, at most ``limit``."""
        return [decode(payload) for payload in self._payloads.get(shard, [])[after : after + limit]]

    async def last_sequence(self, shard: int) -> int:
        """Sequence of a shard's last record, 0 while it has none."""
        return len(self._payloads.get(shard, ()))

    async def shards(self) -> list[int]:
        """Shards that have records, in order."""
        return sorted(self._payloads)

    async def is_decided(self, key: str) -> bool:
        """Whether a kept record decides the signal of this key."""
        return key in self._decided

    async def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a snapshot; it replaces the shard's former one unless that is newer."""
        held = self._snapshots.get(shard)
        if held is None or held.sequence <= snapshot.sequence:
            self._snapshots[shard] = snapshot

    async def load_snapshot(self, shard: int) -> Snapshot | None:
        """The shard's newest snapshot, if there is one."""
        return self._snapshots.get(shard)

    async def digest(self) -> str:
        """SHA-256 (hex) over all records in shard and sequence order."""
        digest = hashlib.sha256()
        for _, payloads in sorted(self._payloads.items()):
            for payload in payloads:
                digest.update(payload)
        return digest.hexdigest()
