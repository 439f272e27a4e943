"""Ledger: keys and digests of the rows that two sides hold, in a throw-away file, to find those that differ."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from shared.sqlite import SqliteThread

Key = tuple[Any, ...]

_SCHEMA = "CREATE TABLE held (side TEXT, key TEXT, digest BLOB, PRIMARY KEY (side, key)) WITHOUT ROWID"


class Ledger:
    """Rows of one table on two sides, of which memory could not hold all.

    Parameters
    ----------
    path
        A file that does not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._thread = SqliteThread(path, pragmas=("journal_mode=OFF", "synchronous=OFF"), create=True)

    async def open(self) -> None:
        """Make the file."""
        await self._thread.open(_prepare)

    async def close(self) -> None:
        """Close the file."""
        await self._thread.close()

    async def clear(self, side: str | None = None) -> None:
        """Forget what a side holds, or what both do."""

        def run(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM held WHERE ?1 IS NULL OR side = ?1", (side,))

        await self._thread.run(run)

    async def add(self, side: str, rows: Iterable[tuple[Key, bytes]]) -> None:
        """Note rows that a side holds."""
        held = [(side, msgspec.json.encode(key).decode(), digest) for key, digest in rows]

        def run(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN")
            connection.executemany("INSERT OR REPLACE INTO held VALUES (?, ?, ?)", held)
            connection.execute("COMMIT")

        await self._thread.run(run)

    async def unequal(self, one: str, other: str) -> list[Key]:
        """Keys of rows that only one side holds, or that differ, in order."""

        def run(connection: sqlite3.Connection) -> list[Key]:
            found = connection.execute(
                "SELECT key FROM (SELECT key, digest FROM held WHERE side = ?1 UNION"
                " SELECT key, digest FROM held WHERE side = ?2) GROUP BY key HAVING count(*) > 1"
                " UNION SELECT key FROM held WHERE side IN (?1, ?2) GROUP BY key HAVING count(*) = 1 ORDER BY key",
                (one, other),
            )
            return [tuple(msgspec.json.decode(key)) for (key,) in found]

        return await self._thread.run(run)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute(_SCHEMA)
