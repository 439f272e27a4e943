"""The journal's Protocol: an append-only log per shard, with the position as fence."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tradeengine.journal.record import Record


class Snapshot(NamedTuple):
    """A shard's state after the record of a sequence, as :meth:`ShardState.canonical` bytes."""

    sequence: int
    state: bytes


class Journal(Protocol):
    """Commit log of all shards. One contract suite holds for every implementation."""

    async def open(self) -> None:
        """Make ready for use.

        Raises
        ------
        ConfigError
            If the store is of a newer schema, or cannot be written; the text says what to do.
        RetrySafe
            If the store does not answer now; it may be opened again.
        """
        ...

    async def close(self) -> None:
        """Release the store; a closed journal cannot be used again."""
        ...

    async def append(self, records: Sequence[Record]) -> None:
        """Commit records durably, in order.

        No record is ever written without those before it. If it raises ``Fenced`` or ``OutcomeUnknown``, a prefix may
        be written: compare what is stored with what was to be, and append the rest again. A store that has
        transactions writes all or none.

        Raises
        ------
        Fenced
            If a record's position is taken, or leaves a hole: another owner has written there.
        Rejected
            If one is too large for the store and always will be; nothing was written.
        RetrySafe
            If the store did not take them; nothing was written.
        OutcomeUnknown
            If it cannot be told whether they were written.
        """
        ...

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        """Records of a shard with a sequence above ``after``, in order, at most ``limit``."""
        ...

    async def last_sequence(self, shard: int) -> int:
        """Sequence of a shard's last record, 0 while it has none."""
        ...

    async def shards(self) -> list[int]:
        """Shards that have records, in order."""
        ...

    async def is_decided(self, key: str) -> bool:
        """Whether a committed record decides the signal of this key (see ``Record.decision_keys``)."""
        ...

    async def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a snapshot; it replaces the shard's former one unless that is newer."""
        ...

    async def load_snapshot(self, shard: int) -> Snapshot | None:
        """The shard's newest snapshot, if there is one."""
        ...

    async def digest(self) -> str:
        """SHA-256 (hex) over all records in shard and sequence order: equal journals, equal digests."""
        ...
