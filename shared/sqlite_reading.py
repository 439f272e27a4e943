"""How a database file is opened by somebody who only reads it, perhaps where nothing can be written."""

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.errors import RetrySafe

Connect = Callable[[str], sqlite3.Connection]
"""Connects to a database by its ``file:`` URI."""

_SHUT: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
"""What SQLite says if it cannot make the files that it reads a write-ahead log by."""


@dataclass(frozen=True, slots=True)
class Unlocked:
    """A file that is read without locks, and what it was like before the first reading."""

    path: Path
    size: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> "Unlocked":
        """Take note of a file."""
        found = path.stat()
        return cls(path, found.st_size, found.st_mtime_ns)

    def check(self) -> None:
        """Make sure that nobody has written since.

        Raises
        ------
        RetrySafe
            If somebody has, or may have: what was read is worth nothing.
        """
        if _has_log(self.path) or Unlocked.of(self.path) != self:
            raise RetrySafe(f"{self.path} changes while it is read, an engine has begun to work there: do it again")


def connect_reading(path: Path, connect: Connect) -> tuple[sqlite3.Connection, Unlocked | None]:
    """Connect to a file that exists, without ever writing it.

    Beside an engine at work, and behind one that was killed, its log is read too. Where the folder takes no files and
    there is no log, which is what a clean stop leaves, the file is read without locks.

    Returns
    -------
    tuple of Connection and Unlocked
        The second only without locks: check it after each reading.
    """
    uri = path.absolute().as_uri()
    found = Unlocked.of(path)
    connection = connect(f"{uri}?mode=ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF not in _SHUT or not os.access(path, os.R_OK) or _has_log(path):
            raise
        return connect(f"{uri}?mode=ro&immutable=1"), found
    except BaseException:
        connection.close()
        raise
    return connection, None


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0
