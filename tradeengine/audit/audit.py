"""Comparing a copy with the journal, while the engine may go on to write both."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import MsgspecError

from shared.clock import Clock
from shared.errors import EngineError
from tradeengine.audit.copy import Copy, Queried, Row, pages, row_of
from tradeengine.audit.digest import TableDigest, canonical
from tradeengine.audit.ledger import Key, Ledger
from tradeengine.audit.reference import Reference, Source
from tradeengine.audit.report import CopyReport, Difference, TableReport
from tradeengine.projection.tables import TABLES, Table

_EXPECTED, _FOUND = "expected", "found"
_AT_ONCE = 20
_TRIES = 25
_EXAMINED = 1_000
"""Most rows of a table that are looked at again, one by one; if they differ, so do the rest."""

Tell = Callable[[str, int], None]
"""Told of a step in words, and of how many records or rows it went on."""


def _silent(step: str, number: int) -> None:
    pass


class Audit:
    """Compares copies with the journal.

    Parameters
    ----------
    folder
        For throw-away files: about as much as the tables take.
    venue
        Name of the venue, as the copies were made with.
    limit
        Most differences of a table that are shown.
    """

    def __init__(
        self, source: Source, *, venue: str, clock: Clock, folder: Path, limit: int = 10, tell: Tell = _silent
    ) -> None:
        self._source = source
        self._venue = venue
        self._clock = clock
        self._folder = folder
        self._limit = limit
        self._tell = tell

    async def compare(self, name: str, copy: Copy, tables: Iterable[str] = TABLES) -> CopyReport:
        """Compare one copy; what does not answer is said in the report.

        Parameters
        ----------
        tables
            Names of the tables to compare.
        """
        async with self._scratch() as (reference, ledger):
            try:
                ends = {shard: await self._source.last_sequence(shard) for shard in await self._source.shards()}
                comparison = _Comparison(copy, reference, ledger, sorted(ends), self._limit)
                behind = await comparison.settle(ends)
                reports = []
                for table in tables:
                    step = f"{name}: {table}"
                    self._tell(step, 0)
                    reports.append(await comparison.table(TABLES[table], partial(self._tell, step)))
                parked = await copy.parked(self._limit)
            except (EngineError, ValueError, MsgspecError) as error:
                return CopyReport(name, trouble=str(error))
        return CopyReport(name, tuple(reports), behind, parked.number, tuple(parked.first))

    @asynccontextmanager
    async def _scratch(self) -> AsyncIterator[tuple[Reference, Ledger]]:
        with TemporaryDirectory(prefix="audit-", dir=self._folder) as name:
            reference = Reference(
                self._source,
                Path(name) / "reference.sqlite",
                venue=self._venue,
                clock=self._clock,
                tell=lambda records: self._tell("reading the journal", records),
            )
            ledger = Ledger(Path(name) / "ledger.sqlite")
            await reference.open()
            try:
                await ledger.open()
                try:
                    yield reference, ledger
                finally:
                    await ledger.close()
            finally:
                await reference.close()


class _Comparison:
    """One copy beside the reference."""

    def __init__(self, copy: Copy, reference: Reference, ledger: Ledger, shards: Sequence[int], limit: int) -> None:
        self._copy = copy
        self._reference = reference
        self._ledger = ledger
        self._shards = shards
        self._limit = limit

    async def settle(self, ends: dict[int, int]) -> dict[int, int]:
        """Bring the reference to where the copy is; how many records the copy lacks, by shard."""
        position = await self._position()
        await self._reference.advance(position)
        return {shard: ends[shard] - applied for shard, applied in position.items() if ends[shard] > applied}

    async def table(self, table: Table, read: Callable[[int], None]) -> TableReport:
        """Compare one table.

        Parameters
        ----------
        read
            Told how many rows of the copy were read.
        """
        await self._ledger.clear()
        expected = await self._take(_EXPECTED, self._reference.tables, table, lambda rows: None)
        found = await self._take(_FOUND, self._copy, table, read)
        suspects = await self._ledger.unequal(_EXPECTED, _FOUND)
        differences, moving = await self._confirm(table, suspects[:_EXAMINED])
        unexamined = len(suspects[_EXAMINED:]) if differences else 0
        sums = {
            name: (total, found.sums[name])
            for name, total in expected.sums.items()
            if differences and total != found.sums[name]
        }
        return TableReport(
            table.name,
            expected.rows,
            found.rows,
            sums,
            expected.digest,
            found.digest,
            differing=len(differences) + unexamined,
            differences=tuple(differences[: self._limit]),
            moving=moving,
        )

    async def _take(self, side: str, copy: Queried, table: Table, read: Callable[[int], None]) -> TableDigest:
        digest = TableDigest(table)
        async for rows in pages(copy, table.name):
            keys = [tuple([row[name] for name in table.key]) for row in rows]
            await self._ledger.add(side, zip(keys, digest.add(rows), strict=True))
            read(len(rows))
        return digest

    async def _confirm(self, table: Table, suspects: Sequence[Key]) -> tuple[list[Difference], int]:
        """Look at each suspect again at a moment at which the copy stands still: it may only have moved on."""
        differences: list[Difference] = []
        moving = 0
        for start in range(0, len(suspects), _AT_ONCE):
            found, unknown = await self._examine(table, suspects[start : start + _AT_ONCE])
            differences += found
            moving += unknown
        return differences, moving

    async def _examine(self, table: Table, keys: Sequence[Key]) -> tuple[list[Difference], int]:
        """Differences among rows, and how many never stood still."""
        rows = await self._at_rest(table, keys)
        if rows is None and len(keys) > 1:
            # Fewer are read in a shorter time.
            half = len(keys) // 2
            one, other = await self._examine(table, keys[:half]), await self._examine(table, keys[half:])
            return one[0] + other[0], one[1] + other[1]
        if rows is None:
            return [], 1
        differences = []
        for key, row in zip(keys, rows, strict=True):
            named = dict(zip(table.key, key, strict=True))
            difference = _difference(table, named, await row_of(self._reference.tables, table.name, named), row)
            if difference is not None:
                differences.append(difference)
        return differences, 0

    async def _at_rest(self, table: Table, keys: Sequence[Key]) -> list[Row | None] | None:
        """Rows of the copy with the reference brought to the same position; ``None`` if it never stood still."""
        for _ in range(_TRIES):
            before = await self._position()
            rows = [await row_of(self._copy, table.name, dict(zip(table.key, key, strict=True))) for key in keys]
            if await self._position() == before:
                await self._reference.advance(before)
                return rows
        return None

    async def _position(self) -> dict[int, int]:
        return {shard: await self._copy.checkpoint(shard) for shard in self._shards}


def _difference(table: Table, key: Row, expected: Row | None, found: Row | None) -> Difference | None:
    if expected is None or found is None:
        # Rows never go away: one that was seen, and is not to be had by its key, has a key that no engine wrote.
        return Difference(table.name, key, expected, key if expected is None and found is None else found)
    columns = [name for name in table.columns if canonical(expected[name]) != canonical(found[name])]
    if not columns:
        return None
    return Difference(
        table.name, key, {name: expected[name] for name in columns}, {name: found[name] for name in columns}
    )
