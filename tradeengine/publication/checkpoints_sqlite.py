"""Checkpoints in a file of the data folder."""

import sqlite3
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from shared.errors import ConfigError
from shared.sqlite import SqliteThread, transaction
from tradeengine.publication.checkpoints import Checkpoint, FirstTime, LedgerImage

SCHEMA_VERSION: Final = 2

_SCHEMA: Final = (
    "CREATE TABLE publications (shard INTEGER PRIMARY KEY, sequence INTEGER NOT NULL,"
    " ledger_sequence INTEGER NOT NULL, ledger BLOB)"
)
_SECOND_VERSION: Final = (
    "ALTER TABLE publications ADD COLUMN first_through INTEGER",
    "ALTER TABLE publications ADD COLUMN began_ms INTEGER",
)
_ADVANCE: Final = (
    "INSERT INTO publications VALUES (?, ?, 0, NULL, ?, ?)"
    " ON CONFLICT (shard) DO UPDATE SET sequence = max(sequence, excluded.sequence)"
)
_REPLACE: Final = (
    "UPDATE publications SET ledger_sequence = ?, ledger = ?"
    " WHERE shard = ? AND (ledger IS NULL OR ledger_sequence < ?)"
)


class SqliteCheckpoints:
    """Checkpoints in a file; see :class:`.checkpoints.CheckpointStore`.

    A commit does not wait for the disk: after a loss of power a little is published once more, under the ids that it
    had.

    Parameters
    ----------
    path
        The file; its folder must exist.
    read_only
        Whether nothing is ever written, nor is the file made.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        self._thread: SqliteThread | None = None

    async def open(self) -> None:
        """Open the file, or make it; nothing happens if it is open.

        Raises
        ------
        ConfigError
            If it cannot be used, or is of a newer schema; the text says what to do.
        """
        if self._thread is not None:
            return
        pragmas = () if self._read_only else ("journal_mode=WAL", "synchronous=NORMAL")
        thread = SqliteThread(self.path, pragmas=pragmas, read_only=self._read_only)
        await thread.open(self._check if self._read_only else self._prepare)
        self._thread = thread

    async def close(self) -> None:
        """Finish the work under way and close the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await thread.close()

    async def load(self, shard: int) -> Checkpoint:
        """How far a shard is published."""
        return await self._open_thread.run(partial(_load, shard))

    async def save(self, checkpoints: Mapping[int, Checkpoint]) -> None:
        """Note how far shards are published, all in one transaction."""
        await self._open_thread.run(partial(_save, dict(checkpoints)))

    @property
    def _open_thread(self) -> SqliteThread:
        if self._thread is None:
            raise RuntimeError(f"{self.path} is not open")
        return self._thread

    def _prepare(self, connection: sqlite3.Connection) -> None:
        with transaction(connection):
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if not found and not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
                connection.execute(_SCHEMA)
                found = 1
            self._check(connection)
            if found == 1:
                for statement in _SECOND_VERSION:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _check(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > SCHEMA_VERSION:
            raise ConfigError(
                f"cannot open {self.path}: its schema is version {found}, this engine knows {SCHEMA_VERSION}; "
                "start the engine that wrote it, or a newer one"
            )
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'publications'").fetchone():
            raise ConfigError(f"cannot open {self.path}: it holds no checkpoints of the engine; move it away")


def _load(shard: int, connection: sqlite3.Connection) -> Checkpoint:
    # All columns there are: a file that is only read may be of the first version.
    row = connection.execute("SELECT * FROM publications WHERE shard = ?", (shard,)).fetchone()
    if row is None:
        return Checkpoint()
    _, sequence, ledger_sequence, data, *first = row
    ledger = None if data is None else LedgerImage(ledger_sequence, data)
    return Checkpoint(sequence, ledger, FirstTime(*first) if None not in (first or [None]) else None)


def _save(checkpoints: Mapping[int, Checkpoint], connection: sqlite3.Connection) -> None:
    with transaction(connection):
        for shard, (sequence, ledger, first) in checkpoints.items():
            connection.execute(_ADVANCE, (shard, sequence, *(first or (None, None))))
            if ledger is not None:
                connection.execute(_REPLACE, (ledger.sequence, ledger.data, shard, ledger.sequence))
