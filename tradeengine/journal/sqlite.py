"""Journal on SQLite: one file, write-ahead log, a sync to disk with every commit."""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from shared.errors import ConfigError
from shared.sqlite import SqliteThread, transaction
from tradeengine.journal.base import Snapshot, check_trim
from tradeengine.journal.fence import Last, check_positions
from tradeengine.journal.record import Record, decision_hash, decode, encode
from tradeengine.journal.stored import RecordsTrimmed, Stored, page_of

SCHEMA_VERSION = 2

T = TypeVar("T")

_TRIMMED_AT_ONCE = 100

_TRIMMED = "CREATE TABLE trimmed (shard INTEGER PRIMARY KEY, through INTEGER NOT NULL)"
_SCHEMA = (
    # With its row ids: payloads are long, and commits were slower with them in the key's own tree.
    "CREATE TABLE records (shard INTEGER NOT NULL, sequence INTEGER NOT NULL, payload BLOB NOT NULL,"
    " PRIMARY KEY (shard, sequence))",
    # Its key is a decision_hash.
    "CREATE TABLE decided (key BLOB PRIMARY KEY, shard INTEGER NOT NULL, sequence INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE snapshots (shard INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, state BLOB NOT NULL)",
    _TRIMMED,
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
    read_only
        Whether it is only read, whatever the other parameters say: neither made nor brought to a newer schema. An
        engine may be at work there, and the folder may be one that takes no files.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        durable: bool = True,
        busy_timeout_ms: int = 5_000,
        max_pages: int | None = None,
        read_only: bool = False,
    ) -> None:
        self.path = path
        self._read_only = read_only
        limit = () if max_pages is None else (f"max_page_count={max_pages}",)
        pragmas = (
            "journal_mode=WAL",
            "synchronous=FULL" if durable else "synchronous=OFF",
            "cache_size=-32768",
            *limit,
        )
        self._writer = SqliteThread(
            path,
            pragmas=() if read_only else pragmas,
            create=create,
            busy_timeout_ms=busy_timeout_ms,
            read_only=read_only,
        )
        self._known: dict[int, Last] = {}
        self._reader = SqliteThread(
            path, pragmas=("query_only=ON",), busy_timeout_ms=busy_timeout_ms, read_only=read_only
        )

    async def open(self) -> None:
        """Open the file, or make it.

        Raises
        ------
        ConfigError
            If it is missing, no journal, or of a newer schema; to write, if it is read-only; to read only, if it is of
            an older schema. The text says what to do.
        """
        await self._writer.open(self._check if self._read_only else self._prepare)
        try:
            await self._reader.open(lambda connection: None)
        except BaseException:
            await self._writer.close()
            raise

    async def close(self) -> None:
        """Finish the append under way and close the file."""
        await self._reader.close()
        await self._writer.close()
        self._known.clear()

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
            await self._write(partial(_append, tuple(records), self._known))

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        """Records of a shard with a sequence above ``after``, in order; see ``Journal.stored``."""
        return await self._reader.run(partial(_read, shard, after, limit))

    async def stored(self, shard: int, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Records of a shard as they were appended; see ``Journal.stored``."""
        return await self._reader.run(partial(_stored, shard, after, limit))

    async def first_sequence(self, shard: int) -> int:
        """Sequence of a shard's oldest record that was not trimmed: one beyond the last if all were."""
        return 1 + await self._writer.run(partial(_trimmed, shard))

    async def last_sequence(self, shard: int) -> int:
        """Sequence of a shard's last record, 0 while it has none."""
        return await self._writer.run(partial(_last_sequence, shard))

    async def shards(self) -> list[int]:
        """Shards that have had records, in order."""
        return await self._reader.run(_shards)

    async def trim(self, shard: int, through: int) -> None:
        """Drop the content of a shard's oldest records; see ``Journal.trim``.

        The file does not become smaller: what is free in it takes the next records.
        """
        # A few at a time, for commits wait meanwhile.
        while not await self._write(partial(_trim, shard, through)):
            pass

    async def is_decided(self, key: str) -> bool:
        """Whether a committed record decides the signal of this key."""
        return await self._writer.run(partial(_is_decided, key))

    async def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        """Keep a snapshot; it replaces the shard's former one unless that is newer."""
        await self._write(partial(_save_snapshot, shard, snapshot))

    async def load_snapshot(self, shard: int) -> Snapshot | None:
        """The shard's newest snapshot, if there is one."""
        return await self._reader.run(partial(_load_snapshot, shard))

    async def digest(self) -> str:
        """SHA-256 (hex) over all records that are held, in shard and sequence order."""
        return await self._reader.run(_digest)

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._read_only:
            raise RuntimeError(f"{self.path} was opened to be read only")
        return await self._writer.run(work)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        with transaction(connection):
            if not _tables(connection):
                for statement in _SCHEMA:
                    connection.execute(statement)
                connection.execute("INSERT INTO meta VALUES ('schema_version', ?)", (SCHEMA_VERSION,))
            if self._version(connection) == 1:
                connection.execute(_TRIMMED)
            # Also where nothing changes: SQLite begins a transaction on a read-only file all the same, and only a write
            # tells. An engine that knows nothing of trimming would begin a shard anew where all of it was trimmed.
            connection.execute("UPDATE meta SET value = ? WHERE name = 'schema_version'", (SCHEMA_VERSION,))

    def _check(self, connection: sqlite3.Connection) -> None:
        found = self._version(connection)
        if found < SCHEMA_VERSION:
            raise ConfigError(
                f"cannot read {self.path}: its schema is version {found}, this engine reads {SCHEMA_VERSION}; read it "
                "with the engine that wrote it, or run: tradeengine schema apply --target sqlite"
            )

    def _version(self, connection: sqlite3.Connection) -> int:
        """Version of the schema, none that is newer than this engine's."""
        if not {"meta", "decided"} <= _tables(connection):
            raise ConfigError(f"cannot open {self.path}: it is no journal of the engine; name another file")
        (value,) = connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
        found = int(value)
        if found > SCHEMA_VERSION:
            raise ConfigError(
                f"cannot open {self.path}: its schema is version {found}, this engine knows {SCHEMA_VERSION}; "
                "start the engine that wrote it, or a newer one"
            )
        return found


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def _append(records: tuple[Record, ...], known: dict[int, Last], connection: sqlite3.Connection) -> None:
    payloads = [(record.shard, record.sequence, encode(record)) for record in records]
    # Sorted, because neighbours share a page of the tree.
    decided = sorted(
        (decision_hash(key), record.shard, record.sequence) for record in records for key in record.decision_keys()
    )
    with transaction(connection):
        check_positions(records, lambda shard: _last(shard, known, connection))
        connection.executemany("INSERT INTO records VALUES (?, ?, ?)", payloads)
        connection.executemany("INSERT OR IGNORE INTO decided VALUES (?, ?, ?)", decided)
    known |= {record.shard: Last(record.sequence, record.epoch) for record in records}


def _last(shard: int, known: dict[int, Last], connection: sqlite3.Connection) -> Last:
    """A shard's last record; its epoch is read only if this process has not written it."""
    sequence = _last_sequence(shard, connection)
    last = known.get(shard)
    if last is None or last.sequence != sequence:
        row = connection.execute(
            "SELECT payload FROM records WHERE shard = ? AND sequence = ?", (shard, sequence)
        ).fetchone()
        last = known[shard] = Last(sequence, None if row is None else decode(row[0]).epoch)
    return last


def _stored(shard: int, after: int, limit: int, connection: sqlite3.Connection) -> list[Stored]:
    rows = connection.execute(
        "SELECT sequence, payload FROM records WHERE shard = ? AND sequence > ? ORDER BY sequence LIMIT ?",
        (shard, after, max(0, limit)),
    )
    page = page_of(map(Stored._make, rows), limit)
    # Asked for after the read: what another process trims meanwhile shows in one of the two.
    if (not page or page[0].sequence != after + 1) and limit > 0 and after < _trimmed(shard, connection):
        raise RecordsTrimmed(shard, after + 1)
    return page


def _read(shard: int, after: int, limit: int, connection: sqlite3.Connection) -> list[Record]:
    return [decode(payload) for _, payload in _stored(shard, after, limit, connection)]


def _trimmed(shard: int, connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT through FROM trimmed WHERE shard = ?", (shard,)).fetchone()
    return 0 if row is None else int(row[0])


def _trim(shard: int, through: int, connection: sqlite3.Connection) -> bool:
    with transaction(connection):
        check_trim(shard, through, _last_sequence(shard, connection))
        before = _trimmed(shard, connection)
        now = min(through, before + _TRIMMED_AT_ONCE)
        if now > before:
            connection.execute("DELETE FROM records WHERE shard = ? AND sequence <= ?", (shard, now))
            connection.execute(
                "INSERT INTO trimmed VALUES (?, ?) ON CONFLICT (shard) DO UPDATE SET through = excluded.through",
                (shard, now),
            )
    return now >= through


def _last_sequence(shard: int, connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT max(sequence) FROM records WHERE shard = ?", (shard,)).fetchone()
    return last or _trimmed(shard, connection)


def _shards(connection: sqlite3.Connection) -> list[int]:
    rows = connection.execute("SELECT shard FROM records UNION SELECT shard FROM trimmed ORDER BY shard")
    return [shard for (shard,) in rows]


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
