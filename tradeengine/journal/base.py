"""The journal's Protocol: an append-only log per shard, with the position as fence."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tradeengine.journal.record import Record
from tradeengine.journal.stored import Stored


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
        """Records of a shard with a sequence above ``after``, in order; see :meth:`stored`."""
        ...

    async def stored(self, shard: int, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Records of a shard as they were appended, byte for byte.

        There may be fewer than ``limit``, because a page is bounded in bytes too
        (:data:`~tradeengine.journal.stored.PAGE_BYTES`). Only an empty page is the end.

        Raises
        ------
        RecordsTrimmed
            If records above ``after`` were trimmed: none is ever passed over.
        """
        ...

    async def first_sequence(self, shard: int) -> int:
        """Sequence of a shard's oldest record that was not trimmed: one beyond the last if all were."""
        ...

    async def last_sequence(self, shard: int) -> int:
        """Sequence of a shard's last record, 0 while it has none; trimming does not change it."""
        ...

    async def shards(self) -> list[int]:
        """Shards that have had records, in order."""
        ...

    async def trim(self, shard: int, through: int) -> None:
        """Drop the content of a shard's oldest records, up to a sequence; what was dropped before changes nothing.

        Their positions stay taken, and their decisions known, for ever. It may be interrupted anywhere and repeated;
        then some of them are dropped, the oldest first. Whoever calls keeps a copy, and a snapshot that is as new.

        Raises
        ------
        ValueError
            If the journal has no such record.
        """
        ...

    async def is_decided(self, key: str) -> bool:
        """Whether a committed record decides the signal of this key (see ``Record.decision_keys``); never forgotten."""
        ...

    async def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a snapshot; it replaces the shard's former one unless that is newer."""
        ...

    async def load_snapshot(self, shard: int) -> Snapshot | None:
        """The shard's newest snapshot, if there is one."""
        ...

    async def digest(self) -> str:
        """SHA-256 (hex) over all records that are held, in shard and sequence order: equal journals, equal digests."""
        ...


def check_trim(shard: int, through: int, last: int) -> None:
    """Check that records to be trimmed are there.

    Raises
    ------
    ValueError
        If the shard's last record comes before ``through``.
    """
    if through > last:
        raise ValueError(f"shard {shard} cannot be trimmed through {through}: its last record is {last}")
