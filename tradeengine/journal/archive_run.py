"""Archiving: a shard's oldest records go to the archive, are read back and compared, and are trimmed then.

Each record is in the journal until it is in a file that was verified. So the process may die anywhere: what is in both
is the same, nothing is in neither, and the next run goes on with it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from shared.errors import ConfigError
from tradeengine.journal.archive import FILE_BYTES, Archive
from tradeengine.journal.base import Journal
from tradeengine.journal.stored import Stored, gist_of, pages

_EVERYTHING: Final = "everything is archived"


class Limit(NamedTuple):
    """Newest record that may be trimmed, and what the others are needed for, in words."""

    sequence: int
    why: str


class Keep(NamedTuple):
    """What is to stay in the journal.

    Parameters
    ----------
    since_ms
        The first record as new as this, milliseconds since 1970 UTC, and all behind it; ``None`` for no such rule.
    records
        So many of the newest records.
    """

    since_ms: int | None = None
    records: int = 0


class Archived(NamedTuple):
    """What became of a shard.

    Parameters
    ----------
    first, through
        Records that were archived and trimmed; none if ``through`` is below ``first``.
    files
        Number of files that were written.
    held_by
        Why no more were.
    """

    shard: int
    first: int
    through: int
    files: int
    held_by: str


class ShardArchiver:
    """Moves one shard's oldest records to the archive; the folder is :meth:`~Archive.held`.

    Parameters
    ----------
    journal
        An engine may work on it meanwhile.
    journal_id
        Of the journal, for the files.
    limits
        What else needs the records; the shard's newest snapshot is one of them.
    file_bytes
        About how many bytes of records one file holds.
    tell
        Told of the number of records after each step.
    """

    def __init__(
        self,
        journal: Journal,
        archive: Archive,
        shard: int,
        journal_id: str,
        limits: Sequence[Limit],
        keep: Keep,
        *,
        file_bytes: int = FILE_BYTES,
        tell: Callable[[int], None] = lambda records: None,
    ) -> None:
        self._journal = journal
        self._archive = archive
        self._shard = shard
        self._journal_id = journal_id
        self._limits = limits
        self._keep = keep
        self._file_bytes = file_bytes
        self._tell = tell

    async def run(self, *, dry: bool = False) -> Archived:
        """Archive what may be archived.

        Parameters
        ----------
        dry
            Change nothing, and say what would be done.

        Raises
        ------
        ConfigError
            If the archive does not end where the journal begins, or holds other records.
        RetrySafe
            If journal or folder do not take something; it may be run again.
        """
        first, last = await self._journal.first_sequence(self._shard), await self._journal.last_sequence(self._shard)
        await self._check_seam(first)
        kept = Limit(last - self._keep.records, f"the newest {self._keep.records} records are to stay")
        limit = min([*self._limits, kept], key=lambda one: one.sequence)
        through, files, held_by = first - 1, 0, limit.why if limit.sequence < last else _EVERYTHING
        while through < limit.sequence:
            rows, is_young = await self._gather(through, limit.sequence)
            if rows and not dry:
                rows, written = await self._move(rows)
                files += written
            if rows:
                through = rows[-1].sequence
                self._tell(len(rows))
            if is_young:
                held_by = "the records behind it are too new"
                break
        return Archived(self._shard, first, through, files, held_by)

    async def _check_seam(self, first: int) -> None:
        end = await asyncio.to_thread(self._archive.last_sequence, self._shard)
        if end < first - 1:
            raise ConfigError(
                f"the archive {self._archive.folder} ends at record {end} of shard {self._shard}, the journal begins "
                f"at {first}: what lies between was archived elsewhere; name that folder with --to or ARCHIVE_DIR, or "
                "bring its newest files here"
            )

    async def _gather(self, after: int, through: int) -> tuple[list[Stored], bool]:
        """Records for one file; whether the one behind them is too new."""
        rows: list[Stored] = []
        size = 0
        async for page in pages(self._journal, self._shard, after, through):
            for row in page:
                if self._keep.since_ms is not None and gist_of(row.payload).time_ms >= self._keep.since_ms:
                    return rows, True
                rows.append(row)
                size += len(row.payload)
                if size >= self._file_bytes:
                    return rows, False
        return rows, False

    async def _move(self, rows: list[Stored]) -> tuple[list[Stored], int]:
        """Trim records once a file that was read back holds them; which ones, and how many files were written."""
        found = await asyncio.to_thread(self._archive.covering, self._shard, rows[0].sequence)
        if found is None:
            await asyncio.to_thread(self._archive.write, self._shard, self._journal_id, rows)
        else:
            # A run that was interrupted has written them.
            rows = rows[: found.last - rows[0].sequence + 1]
            _, archived = await asyncio.to_thread(self._archive.load, found)
            at = rows[0].sequence - found.first
            if archived[at : at + len(rows)] != rows:
                raise ConfigError(
                    f"{found.path} holds other records {rows[0].sequence} to {rows[-1].sequence} of shard "
                    f"{self._shard} than the journal: it is another journal's archive; name another folder with --to "
                    "or ARCHIVE_DIR"
                )
        await self._journal.trim(self._shard, rows[-1].sequence)
        return rows, int(found is None)
