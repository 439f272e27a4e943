"""What an audit of the history has read, in a throw-away file: more than memory could hold."""

import sqlite3
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from shared.sqlite import SqliteThread

_SCHEMA: Final = """
CREATE TABLE decision (key TEXT, shard INTEGER, sequence INTEGER, time_ms INTEGER, sent_ms INTEGER, outcome TEXT,
    over_ms INTEGER, over_sequence INTEGER);
CREATE INDEX decision_key ON decision (key);
CREATE TABLE copy (key TEXT, shard INTEGER, sequence INTEGER);
CREATE TABLE planned (order_id TEXT PRIMARY KEY, symbol TEXT, quantity TEXT, time_ms INTEGER, shard INTEGER,
    sequence INTEGER, times INTEGER DEFAULT 1) WITHOUT ROWID;
CREATE TABLE booked (symbol TEXT, trade_id TEXT, order_id TEXT, quantity TEXT, price TEXT, time_ms INTEGER,
    shard INTEGER, sequence INTEGER, times INTEGER, PRIMARY KEY (symbol, trade_id)) WITHOUT ROWID;
CREATE TABLE sent (stream TEXT, number INTEGER, key TEXT, time_ms INTEGER);
CREATE INDEX sent_key ON sent (key);
CREATE TABLE told (event_id TEXT PRIMARY KEY, key TEXT, time_ms INTEGER) WITHOUT ROWID;
CREATE INDEX told_key ON told (key);
CREATE TABLE taken (symbol TEXT, conditional INTEGER, number INTEGER, order_id TEXT, quantity TEXT, executed TEXT,
    time_ms INTEGER, PRIMARY KEY (symbol, conditional, number)) WITHOUT ROWID;
CREATE INDEX taken_id ON taken (order_id);
CREATE TABLE traded (symbol TEXT, trade_id TEXT, number INTEGER, quantity TEXT, price TEXT, time_ms INTEGER,
    PRIMARY KEY (symbol, trade_id)) WITHOUT ROWID;
CREATE TABLE held (store TEXT, kind TEXT, key TEXT, shard INTEGER, sequence INTEGER,
    PRIMARY KEY (store, kind, key)) WITHOUT ROWID;
CREATE TABLE reach (store TEXT, shard INTEGER, sequence INTEGER);
CREATE TABLE ends (shard INTEGER PRIMARY KEY, sequence INTEGER);
"""


class HistoryFile:
    """Tables that are filled from journal, streams, exchange and copies, and asked for what does not fit together.

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

    async def put(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Do a statement for each row, in one transaction."""
        given = list(rows)
        if not given:
            return

        def run(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN")
            connection.executemany(statement, given)
            connection.execute("COMMIT")

        await self._thread.run(run)

    async def rows(self, question: str, **given: Any) -> list[tuple[Any, ...]]:
        """Answer of a question, which the asker keeps short by a limit."""

        def run(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return connection.execute(question, given).fetchall()

        return await self._thread.run(run)

    async def number(self, question: str, **given: Any) -> int:
        """Answer of a question for a number."""
        ((found,),) = await self.rows(question, **given)
        return int(found or 0)


def amount(number: Decimal) -> str:
    """Write a number so that equal ones are equal as texts."""
    return str(number.normalize()) if number else "0"


def _prepare(connection: sqlite3.Connection) -> None:
    connection.executescript(_SCHEMA)
    connection.create_function("shown", 1, lambda key: " ".join(key.split("\x1f")), deterministic=True)
    connection.create_function("beyond", 2, _is_beyond, deterministic=True)


def _is_beyond(executed: str, planned: str) -> bool:
    """Whether more was executed than planned; texts of decimals."""
    return Decimal(executed) > Decimal(planned)
