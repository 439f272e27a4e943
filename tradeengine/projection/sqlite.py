"""Read model on SQLite: one file, made anew from the journal whenever it is missing or of an older schema."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from contracts.query import Page
from shared.clock import Clock
from shared.errors import ConfigError
from shared.sqlite import SqliteThread, transaction
from tradeengine.journal.record import Record
from tradeengine.projection.freshness import Freshness
from tradeengine.projection.query import parse_query
from tradeengine.projection.sqlite_codec import COLUMN_TYPES
from tradeengine.projection.sqlite_reader import prepare_reader, read_page
from tradeengine.projection.sqlite_writer import Checkpoints, apply_records, read_checkpoints
from tradeengine.projection.tables import TABLES, Table

SCHEMA_VERSION = 6


class SqliteReadModel:
    """Tables in a file, written in one thread and read in another.

    A commit here needs no sync: after a crash of the machine the file may lack the newest rows, and with them their
    checkpoint, so they are applied again.

    Parameters
    ----------
    path
        The file; its folder must exist.
    venue
        Name of the venue, for ``positions.exchange``.
    clock
        For the age of what queries return.
    busy_timeout_ms
        How long to wait for another process's lock, in milliseconds.
    """

    def __init__(self, path: Path, *, venue: str, clock: Clock, busy_timeout_ms: int = 5_000) -> None:
        self.path = path
        self.freshness = Freshness(clock)
        self._venue = venue
        pragmas = ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536")
        self._writer = SqliteThread(path, pragmas=pragmas, busy_timeout_ms=busy_timeout_ms)
        self._reader = SqliteThread(path, pragmas=("query_only=ON",), busy_timeout_ms=busy_timeout_ms)

    async def open(self) -> None:
        """Open the file, or make it.

        Raises
        ------
        ConfigError
            If it cannot be written, or is of a newer schema; the text says what to do.
        """
        await self._writer.open(self._prepare)
        try:
            await self._reader.open(prepare_reader)
            self._note(await self._writer.run(read_checkpoints))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish the transaction under way and close the file."""
        await self._reader.close()
        await self._writer.close()

    async def checkpoint(self, shard: int) -> int:
        """Sequence of the newest applied record of a shard, 0 while there is none."""
        checkpoints = await self._writer.run(read_checkpoints)
        return checkpoints[shard][0] if shard in checkpoints else 0

    async def apply(self, records: Sequence[Record]) -> None:
        """Apply records in one transaction; see :class:`~tradeengine.projection.base.ReadModel`."""
        self._note(await self._writer.run(partial(apply_records, records, self._venue)))

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        """Rows of a table; parameters and errors as of :func:`~tradeengine.projection.query.parse_query`."""
        query = parse_query(table, filters, sort, cursor, limit)
        # Before the read: what becomes stale during it is not counted, what becomes fresh is not promised.
        age = self.freshness.age_seconds
        rows, following = await self._reader.run(partial(read_page, query))
        return Page(rows=rows, next_cursor=following, source="sqlite", age_seconds=age)

    def _note(self, checkpoints: Checkpoints) -> None:
        for shard, (sequence, time_ms) in checkpoints.items():
            self.freshness.applied(shard, sequence, time_ms)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        with transaction(connection):
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            if tables and "schema_version" not in tables:
                raise ConfigError(f"cannot open {self.path}: it is no read model of the engine; name another file")
            found = connection.execute("SELECT version FROM schema_version").fetchone()[0] if tables else 0
            if found > SCHEMA_VERSION:
                raise ConfigError(
                    f"cannot open {self.path}: its schema is version {found}, this engine knows {SCHEMA_VERSION}; "
                    "start the engine that wrote it, or move the file away and it is made anew"
                )
            if tables:
                # SQLite begins a transaction on a read-only file all the same: only a write tells.
                connection.execute("UPDATE schema_version SET version = version")
            if found < SCHEMA_VERSION:
                for name in tables:
                    connection.execute(f"DROP TABLE {name}")
                for statement in _schema():
                    connection.execute(statement)


def _schema() -> Iterator[str]:
    yield "CREATE TABLE schema_version (version INTEGER NOT NULL)"
    yield f"INSERT INTO schema_version VALUES ({SCHEMA_VERSION})"  # noqa: S608 - a constant of this module
    yield "CREATE TABLE checkpoints (shard INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, time_ms INTEGER NOT NULL)"
    for table in TABLES.values():
        yield _table(table)
        for columns in table.indexes:
            yield f"CREATE INDEX {table.name}_by_{'_'.join(columns)} ON {table.name} ({', '.join(columns)})"


def _table(table: Table) -> str:
    columns = [f"{name} {COLUMN_TYPES[kind]}" for name, kind in table.columns.items()]
    return (
        f"CREATE TABLE {table.name} (row_number INTEGER PRIMARY KEY, {', '.join(columns)},"
        f" UNIQUE ({', '.join(table.key)}))"
    )
