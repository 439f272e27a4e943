"""Leases on SQLite: several processes on one machine, one file."""

import sqlite3
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from shared.errors import ConfigError
from shared.leases.base import Lease, Member
from shared.sqlite import SqliteThread, transaction

SCHEMA_VERSION: Final = 2

_SCHEMA = (
    "CREATE TABLE leases (shard INTEGER PRIMARY KEY, owner TEXT, epoch INTEGER NOT NULL, renewals INTEGER NOT NULL,"
    " ttl_ms INTEGER NOT NULL)",
    "CREATE TABLE members (name TEXT PRIMARY KEY, beat INTEGER NOT NULL) WITHOUT ROWID",
)
_SECOND_VERSION = (
    "ALTER TABLE members ADD COLUMN version TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE members ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE members ADD COLUMN drained INTEGER NOT NULL DEFAULT 0",
)
_SELECT = "SELECT shard, owner, epoch, renewals, ttl_ms FROM leases"
_RENEW = "UPDATE leases SET renewals = renewals + 1 WHERE shard = ? AND owner = ? AND epoch = ?"
_RELEASE = "UPDATE leases SET owner = NULL, renewals = renewals + 1 WHERE shard = ? AND owner = ? AND epoch = ?"
_ANNOUNCE = (
    "INSERT INTO members (name, beat, version, since_ms) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE"
    " SET beat = excluded.beat, version = excluded.version, since_ms = excluded.since_ms"
)
_DRAIN = "UPDATE members SET drained = ? WHERE name = ?"


class SqliteLeases:
    """Leases in a file; see :class:`~shared.leases.base.LeaseStore`.

    Each change is a transaction that locks the file before it reads (``BEGIN IMMEDIATE``), and waits for the disk: a
    take that a loss of power undid would give its epoch to a second owner.

    Parameters
    ----------
    path
        The file; its folder must exist and be on a local disk.
    busy_timeout_ms
        How long to wait for another process's change, in milliseconds; well below the lease time.
    existing
        Whether the file must be there as this version makes it: it is neither made nor migrated. For tools beside the
        engine, which must not take the file away from an older one that works with it.
    """

    def __init__(self, path: Path, *, busy_timeout_ms: int = 1_000, existing: bool = False) -> None:
        self.path = path
        self._existing = existing
        self._busy_timeout_ms = busy_timeout_ms
        self._thread: SqliteThread | None = None

    async def open(self) -> None:
        """Open the file, or make it; nothing happens if it is open.

        Raises
        ------
        ConfigError
            If the file cannot be used, or is of a newer schema; the text says what to do.
        """
        if self._thread is not None:
            return
        pragmas = ("synchronous=FULL",) if self._existing else ("journal_mode=WAL", "synchronous=FULL")
        thread = SqliteThread(
            self.path, pragmas=pragmas, create=not self._existing, busy_timeout_ms=self._busy_timeout_ms
        )
        await thread.open(self._prepare)
        self._thread = thread

    async def close(self) -> None:
        """Finish the work under way and close the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await thread.close()

    async def read(self) -> list[Lease]:
        """Every shard's document, in order of the shards."""
        return await self._open_thread.run(_read)

    async def take(self, seen: Lease | None, shard: int, owner: str, ttl_ms: int) -> Lease | None:
        """Make an owner of a shard, if its document still is what was seen."""
        return await self._open_thread.run(partial(_take, seen, shard, owner, ttl_ms))

    async def renew(self, owner: str, epochs: Mapping[int, int]) -> set[int]:
        """Renew an owner's leases, all in one transaction."""
        return await self._open_thread.run(partial(_renew, owner, dict(epochs)))

    async def release(self, owner: str, shard: int, epoch: int) -> bool:
        """Give a lease back."""
        return await self._open_thread.run(partial(_execute, _RELEASE, (shard, owner, epoch))) == 1

    async def announce(self, member: str, beat: int, version: str = "", since_ms: int = 0) -> None:
        """Set a process's beat."""
        await self._open_thread.run(partial(_execute, _ANNOUNCE, (member, beat, version, since_ms)))

    async def members(self) -> dict[str, Member]:
        """All processes, by name."""
        return await self._open_thread.run(_members)

    async def drain(self, member: str, drained: bool) -> bool:
        """Set or take away a process's mark."""
        return await self._open_thread.run(partial(_execute, _DRAIN, (drained, member))) == 1

    async def withdraw(self, member: str) -> None:
        """Take a process out of the members."""
        await self._open_thread.run(partial(_execute, "DELETE FROM members WHERE name = ?", (member,)))

    @property
    def _open_thread(self) -> SqliteThread:
        if self._thread is None:
            raise RuntimeError(f"{self.path} is not open")
        return self._thread

    def _prepare(self, connection: sqlite3.Connection) -> None:
        with transaction(connection):
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            if found > SCHEMA_VERSION:
                raise ConfigError(
                    f"cannot open {self.path}: its schema is version {found}, this engine knows {SCHEMA_VERSION}; "
                    "start the engine that wrote it, or a newer one"
                )
            if tables and not {"leases", "members"} <= tables:
                raise ConfigError(f"cannot open {self.path}: it holds no leases of the engine; name another file")
            if found < SCHEMA_VERSION and self._existing:
                raise ConfigError(
                    f"cannot open {self.path}: its schema is version {found}, this command knows {SCHEMA_VERSION}; "
                    "give that of the engine that wrote it, or start the new engine, which brings the file up to date"
                )
            if found < SCHEMA_VERSION:
                for statement in (*([] if tables else _SCHEMA), *_SECOND_VERSION):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _read(connection: sqlite3.Connection) -> list[Lease]:
    return [Lease(*row) for row in connection.execute(f"{_SELECT} ORDER BY shard")]


def _take(seen: Lease | None, shard: int, owner: str, ttl_ms: int, connection: sqlite3.Connection) -> Lease | None:
    with transaction(connection):
        row = connection.execute(f"{_SELECT} WHERE shard = ?", (shard,)).fetchone()
        if (Lease(*row) if row is not None else None) != seen:
            return None
        epoch, renewals = (seen.epoch, seen.renewals) if seen is not None else (0, 0)
        taken = Lease(shard, owner, epoch + 1, renewals + 1, ttl_ms)
        connection.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)", taken)
    return taken


def _renew(owner: str, epochs: Mapping[int, int], connection: sqlite3.Connection) -> set[int]:
    with transaction(connection):
        return {shard for shard, epoch in epochs.items() if connection.execute(_RENEW, (shard, owner, epoch)).rowcount}


def _execute(statement: str, values: tuple[object, ...], connection: sqlite3.Connection) -> int:
    with transaction(connection):
        return connection.execute(statement, values).rowcount


def _members(connection: sqlite3.Connection) -> dict[str, Member]:
    rows = connection.execute("SELECT name, beat, version, since_ms, drained FROM members")
    return {name: Member(beat, version, since_ms, bool(drained)) for name, beat, version, since_ms, drained in rows}
