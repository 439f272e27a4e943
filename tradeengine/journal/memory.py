"""Journal in memory: for tests and for simulations that leave nothing behind."""

import hashlib
from collections.abc import Sequence

from tradeengine.journal.base import Snapshot, check_trim
from tradeengine.journal.fence import Last, check_positions
from tradeengine.journal.record import Record, decode, encode
from tradeengine.journal.stored import RecordsTrimmed, Stored, page_of


class MemoryJournal:
    """Commit log that ends with the process; see :class:`~tradeengine.journal.base.Journal`.

    Records are kept as the bytes that a store on disk would keep, so what comes back is what would come back there.
    """

    def __init__(self) -> None:
        self._payloads: dict[int, list[bytes]] = {}
        self._trimmed: dict[int, int] = {}
        self._epochs: dict[int, int] = {}
        self._decided: set[str] = set()
        self._snapshots: dict[int, Snapshot] = {}

    async def open(self) -> None:
        """Do nothing: memory is always ready."""

    async def close(self) -> None:
        """Do nothing: what is kept goes with the object."""

    async def append(self, records: Sequence[Record]) -> None:
        """Keep records, all or none."""
        check_positions(records, lambda shard: Last(self._last(shard), self._epochs.get(shard)))
        payloads = [encode(record) for record in records]
        for record, payload in zip(records, payloads, strict=True):
            self._payloads.setdefault(record.shard, []).append(payload)
            self._decided.update(record.decision_keys())
            self._epochs[record.shard] = record.epoch

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        """Records of a shard with a sequence above ``after``, in order; see ``Journal.stored``."""
        return [decode(payload) for _, payload in self._page(shard, after, limit)]

    async def stored(self, shard: int, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Records of a shard as they were appended; see ``Journal.stored``."""
        return self._page(shard, after, limit)

    async def first_sequence(self, shard: int) -> int:
        """Sequence of a shard's oldest record that was not trimmed: one beyond the last if all were."""
        return self._trimmed.get(shard, 0) + 1

    async def last_sequence(self, shard: int) -> int:
        """Sequence of a shard's last record, 0 while it has none."""
        return self._last(shard)

    async def shards(self) -> list[int]:
        """Shards that have had records, in order."""
        return sorted(self._payloads)

    async def trim(self, shard: int, through: int) -> None:
        """Drop the content of a shard's oldest records; see ``Journal.trim``."""
        check_trim(shard, through, self._last(shard))
        dropped = through - self._trimmed.get(shard, 0)
        if dropped > 0:
            del self._payloads[shard][:dropped]
            self._trimmed[shard] = through

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
        """SHA-256 (hex) over all records that are held, in shard and sequence order."""
        digest = hashlib.sha256()
        for _, payloads in sorted(self._payloads.items()):
            for payload in payloads:
                digest.update(payload)
        return digest.hexdigest()

    def _last(self, shard: int) -> int:
        return self._trimmed.get(shard, 0) + len(self._payloads.get(shard, ()))

    def _page(self, shard: int, after: int, limit: int) -> list[Stored]:
        trimmed = self._trimmed.get(shard, 0)
        if after < trimmed and limit > 0:
            raise RecordsTrimmed(shard, after + 1)
        payloads = self._payloads.get(shard, [])[after - trimmed : after - trimmed + limit]
        return page_of([Stored(number, payload) for number, payload in enumerate(payloads, after + 1)], limit)
