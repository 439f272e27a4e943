"""The read model's file as an audit reads it: never written, made anew or brought to a newer schema."""

import sqlite3
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from contracts.query import Page
from shared.errors import ConfigError
from shared.sqlite import SqliteThread
from tradeengine.projection.base import Parked
from tradeengine.projection.query import parse_query
from tradeengine.projection.sqlite import SCHEMA_VERSION
from tradeengine.projection.sqlite_reader import prepare_reader, read_page
from tradeengine.projection.sqlite_writer import read_checkpoints


class SqliteCopy:
    """Tables of a file; see :class:`~tradeengine.audit.copy.Copy`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = SqliteThread(path, read_only=True)

    async def open(self) -> None:
        """Open the file.

        Raises
        ------
        ConfigError
            If it is missing, no read model, or not of this engine's schema.
        """
        await self._thread.open(self._check)

    async def close(self) -> None:
        """Close the file."""
        await self._thread.close()

    async def checkpoint(self, shard: int) -> int:
        """Sequence of the newest applied record of a shard, 0 while there is none."""
        checkpoints = await self._thread.run(read_checkpoints)
        return checkpoints[shard][0] if shard in checkpoints else 0

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        """Rows of a table; parameters and errors as of :func:`~tradeengine.projection.query.parse_query`."""
        query = parse_query(table, filters, sort, cursor, limit)
        rows, following = await self._thread.run(partial(read_page, query))
        return Page(rows=rows, next_cursor=following, source="sqlite", age_seconds=0)

    async def parked(self, limit: int) -> Parked:
        """Nothing: a file takes every row."""
        return Parked(0, ())

    def _check(self, connection: sqlite3.Connection) -> None:
        try:
            (found,) = connection.execute("SELECT version FROM schema_version").fetchone()
        except sqlite3.OperationalError as error:
            raise ConfigError(f"cannot read {self._path}: it is no read model of the engine ({error})") from error
        if found != SCHEMA_VERSION:
            raise ConfigError(
                f"cannot read {self._path}: its schema is version {found}, this engine knows {SCHEMA_VERSION}; audit "
                "with the engine that wrote it, or let this one run once: it makes an older file anew"
            )
        prepare_reader(connection)
