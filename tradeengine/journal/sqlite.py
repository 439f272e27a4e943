"""Journal on SQLite: one file, write-ahead log, a sync to disk with every commit."""

import hashlib
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from shared.errors import ConfigError
from shared.sqlite import SqliteThread, transaction
from tradeengine.journal.base import Snapshot
from tradeengine.journal.fence import check_positions
from tradeengine.journal.record import Record, decision_hash, decode, encode

SCHEMA_VERSION = 1

_SCHEMA = (
    # With its row ids: payloads are long, and commits were slower with them in the key's own tree.
    "CREATE TABLE records (shard INTEGER NOT NULL, sequence INTEGER NOT NULL, payload BLOB NOT NULL,"
    " PRIMARY KEY (shard, sequence))",
    # Its key is a decision_hash.
    "CREATE TABLE decided (key BLOB PRIMARY KEY, shard INTEGER NOT NULL, sequence INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE snapshots (shard INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, state BLOB NOT NULL)",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)


class SqliteJournal:
    """Commit log in a file; see :class:`~tradeengine.journal.base.Journal`.

    Commits go through one connection in one thread, long reads through another, so that neither waits for the other.
    Other processes may open the file too: the position of a record fences them.

    A caller that is cancelled while it appends does not know the outcome; the append goes on, and
    :meth:`last_sequence` answers after it.

    Parameters
    ----------
    path
        The file; its folder must exist.
    create
        Whether a journal that does not exist is made.
    durable
        Whether a commit waits for the disk; without it a loss of power may take the last records along, which suits
        what can be run again.
    busy_timeout_ms
        How long to wait for another process's commit, in milliseconds.
    max_pages
        Most pages of 4096 bytes that the file may have; ``None`` leaves it to the disk.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        durable: bool = True,
        busy_timeout_ms: int = 5_000,
        max_pages: int | None = None,
    ) -> None:
        self.path = path
        limit = () if max_pages is None else (f"max_page_count={max_pages}",)
        pragmas = (
            "journal_mode=WAL",
            "synchronous=FULL" if durable else "synchronous=OFF",
            "cache_size=-32768",
            *limit,
        )
        self._writer = SqliteThread(path, pragmas=pragmas, create=create, busy_timeout_ms=busy_timeout_ms)
        self._reader = SqliteThread(path, pragmas=("query_only=ON",), busy_timeout_ms=busy_timeout_ms)

    async def open(self) -> None:
        """Open the file, or make it.

        Raises
        ------
        ConfigError
            If it is missing, read-only, no journal, or of a newer schema; the text says what to do.
        """
        await self._writer.open(self._prepare)
        try:
            await self._reader.open(lambda connection: None)
        except BaseException:
            await self._writer.close()
            raise

    async def close(self) -> None:
        """Finish the append under way and close the file."""
        await self._reader.close()
        await self._writer.close()

    async def append(self, records: Sequence[Record]) -> None:
        """Commit records durably, all or none.

        Raises
        ------
        Fenced
            If a record's position is taken, or leaves a hole.
        RetrySafe
            If SQLite refused (disk full, read-only, locked, damaged): nothing was written.
        OutcomeUnknown
            If the disk failed while it confirmed the commit.
        """
        if records:
            await self._writer.run(partial(_append, tuple(records)))

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        """Records of a shard with a sequence above ``after``, in order, at most ``limit``."""
        return await self._reader.run(partial(_read, shard, after, limit))

    async def last_sequence(self, shard: int) -> int:
        """Sequence of a shard's last record, 0 while it has none."""
        return await self._writer.run(partial(_last_sequence, shard))

    async def shards(self) -> list[int]:
        """Shards that have records, in order."""
        return await self._reader.run(_shards)

    async def is_decided(self, key: str) -> bool:
        """Whether a committed record decides the signal of this key."""
        return await self._writer.run(partial(_is_decided, key))

    async def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a snapshot; it replaces the shard's former one unless that is newer."""
        await self._writer.run(partial(_save_snapshot, shard, snapshot))

    async def load_snapshot(self, shard: int) -> Snapshot | None:
        """The shard's newest snapshot, if there is one."""
        return await self._reader.run(partial(_load_snapshot, shard))

    async def digest(self) -> str:
        """SHA-256 (hex) over all records in shard and sequence order."""
        return await self._reader.run(_digest)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        with transaction(connection):
            tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            if not tables:
                for statement in _SCHEMA:
                    connection.execute(statement)
                connection.execute("INSERT INTO meta VALUES ('schema_version', ?)", (SCHEMA_VERSION,))
            elif ("meta",) not in tables or ("decided",) not in tables:
                raise ConfigError(f"cannot open {self.path}: it is no journal of the engine; name another file")
            else:
                # SQLite begins a transaction on a read-only file all the same: only a write tells.
                connection.execute("UPDATE meta SET value = value WHERE name = 'schema_version'")
            (found,) = connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
        if int(found) > SCHEMA_VERSION:
            raise ConfigError(
                f"cannot open {self.path}: its schema is version {found}, this engine knows {SCHEMA_VERSION}; "
                "start the engine that wrote it, or a newer one"
            )


def _append(records: tuple[Record, ...], connection: sqlite3.Connection) -> None:
    payloads = [(record.shard, record.sequence, encode(record)) for record in records]
    # Sorted, because neighbours share a page of the tree.
    decided = sorted(
        (decision_hash(key), record.shard, record.sequence) for record in records for key in record.decision_keys()
    )
    with transaction(connection):
        check_positions(records, lambda shard: _last_sequence(shard, connection))
        connection.executemany("INSERT INTO records VALUES (?, ?, ?)", payloads)
        connection.executemany("INSERT OR IGNORE INTO decided VALUES (?, ?, ?)", decided)


def _read(shard: int, after: int, limit: int, connection: sqlite3.Connection) -> list[Record]:
    rows = connection.execute(
        "SELECT payload FROM records WHERE shard = ? AND sequence > ? ORDER BY sequence LIMIT ?", (shard, after, limit)
    )
    return [decode(payload) for (payload,) in rows]


def _last_sequence(shard: int, connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT max(sequence) FROM records WHERE shard = ?", (shard,)).fetchone()
    return last or 0


def _shards(connection: sqlite3.Connection) -> list[int]:
    return [shard for (shard,) in connection.execute("SELECT DISTINCT shard FROM records ORDER BY shard")]


def _is_decided(key: str, connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM decided WHERE key = ?", (decision_hash(key),)).fetchone() is not None


def _save_snapshot(shard: int, snapshot: Snapshot, connection: sqlite3.Connection) -> None:
    with transaction(connection):
        connection.execute(
            "INSERT INTO snapshots VALUES (?, ?, ?) ON CONFLICT (shard) DO UPDATE"
            " SET sequence = excluded.sequence, state = excluded.state WHERE sequence <= excluded.sequence",
            (shard, snapshot.sequence, snapshot.state),
        )


def _load_snapshot(shard: int, connection: sqlite3.Connection) -> Snapshot | None:
    row = connection.execute("SELECT sequence, state FROM snapshots WHERE shard = ?", (shard,)).fetchone()
    return None if row is None else Snapshot(*row)


def _digest(connection: sqlite3.Connection) -> str:
    digest = hashlib.sha256()
    for (payload,) in connection.execute("SELECT payload FROM records ORDER BY shard, sequence"):
        digest.update(payload)
    return digest.hexdigest()
