"""The whole journal: what was archived and what is still in the store, read as one."""

import asyncio
import hashlib
from collections.abc import Sequence

import msgspec

from tradeengine.journal.archive import Archive
from tradeengine.journal.base import Journal, Snapshot
from tradeengine.journal.record import Record, decode
from tradeengine.journal.stored import RecordsTrimmed, Stored, pages


class WholeJournal:
    """A journal with its archive behind it; see :class:`~tradeengine.journal.base.Journal`.

    What the store holds is read there. The archive is asked for what was trimmed, and for nothing else, so a folder
    that is not there does no harm before something was.

    Parameters
    ----------
    archive
        Files of this journal's records.
    journal
        Opened and closed with this one.
    """

    def __init__(self, archive: Archive, journal: Journal) -> None:
        self._archive = archive
        self._journal = journal
        self._ids: dict[int, str] = {}

    async def open(self) -> None:
        """Make the journal ready; see ``Journal.open``."""
        await self._journal.open()

    async def close(self) -> None:
        """Release the journal."""
        await self._journal.close()

    async def append(self, records: Sequence[Record]) -> None:
        """Commit records to the journal; see ``Journal.append``."""
        await self._journal.append(records)

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        """Records of a shard with a sequence above ``after``, in order; see :meth:`stored`."""
        return [decode(payload) for _, payload in await self.stored(shard, after, limit)]

    async def stored(self, shard: int, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Records of a shard as they were appended, from the journal or from its archive; see ``Journal.stored``.

        Raises
        ------
        ConfigError
            If they were trimmed, and the archive lacks them, is damaged, or is another journal's.
        """
        try:
            return await self._journal.stored(shard, after, limit)
        except RecordsTrimmed:
            journal_id = await self._journal_id(shard)
            return await asyncio.to_thread(self._archive.stored, shard, after, limit, journal_id)

    async def first_sequence(self, shard: int) -> int:
        """Sequence of a shard's oldest record: nothing is missing here, so 1."""
        return 1

    async def last_sequence(self, shard: int) -> int:
        """Sequence of a shard's last record, 0 while it has none."""
        return await self._journal.last_sequence(shard)

    async def shards(self) -> list[int]:
        """Shards that have had records, in order."""
        return await self._journal.shards()

    async def trim(self, shard: int, through: int) -> None:
        """Drop the content of records from the journal, not from the archive; see ``Journal.trim``."""
        await self._journal.trim(shard, through)

    async def is_decided(self, key: str) -> bool:
        """Whether a committed record decides the signal of this key."""
        return await self._journal.is_decided(key)

    async def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a snapshot; it replaces the shard's former one unless that is newer."""
        await self._journal.save_snapshot(shard, snapshot)

    async def load_snapshot(self, shard: int) -> Snapshot | None:
        """The shard's newest snapshot, if there is one."""
        return await self._journal.load_snapshot(shard)

    async def digest(self) -> str:
        """SHA-256 (hex) over all records, archived or not: the digest that the journal had before it was trimmed."""
        digest = hashlib.sha256()
        for shard in await self.shards():
            async for page in pages(self, shard, 0, await self.last_sequence(shard)):
                for _, payload in page:
                    digest.update(payload)
        return digest.hexdigest()

    async def _journal_id(self, shard: int) -> str:
        if shard not in self._ids:
            snapshot = await self._journal.load_snapshot(shard)
            self._ids[shard] = "" if snapshot is None else journal_id_of(snapshot)
        return self._ids[shard]


class _Identity(msgspec.Struct):
    journal_id: str = ""


def journal_id_of(snapshot: Snapshot) -> str:
    """Journal that a snapshot is of; empty if it cannot be read."""
    try:
        return msgspec.json.decode(snapshot.state, type=_Identity).journal_id
    except msgspec.MsgspecError:
        return ""
