"""Databases on the shared MySQL server, for read models of tests."""

import atexit
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from shared.clock import Clock, ManualClock
from shared.mysql import MySqlConnection, MySqlThread, transaction
from shared.mysql_address import MySqlAddress
from tests.support import services
from tests.support.records import T0
from tradeengine.projection.mysql import MySqlReadModel
from tradeengine.projection.mysql_schema import apply_schema
from tradeengine.projection.tables import TABLES

T = TypeVar("T")

_FREE: list[str] = []


class MySqlPlace:
    """A database; those of places that were dropped are emptied and used again, for to make one takes long.

    Parameters
    ----------
    folder
        Holds the database's URI, so that another process finds the place too.
    """

    target: ClassVar[str] = "mysql"

    def __init__(self, folder: Path) -> None:
        self._note = folder / "mysql-uri"

    @property
    def address(self) -> MySqlAddress:
        return MySqlAddress.parse(self._note.read_text())

    async def prepare(self) -> None:
        new = not _FREE
        if new:
            database = services.fresh_mysql_database(services.mysql_uri())
            _FREE.append(database.__enter__())
            atexit.register(database.__exit__, None, None, None)
        self._note.write_text(_FREE.pop())
        if new:
            await on_mysql(self.address, apply_schema)

    def model(self, clock: Clock | None = None) -> MySqlReadModel:
        return MySqlReadModel(self.address, venue="paper", clock=clock or ManualClock(T0))

    async def drop(self) -> None:
        await on_mysql(self.address, _empty)
        _FREE.append(self._note.read_text())


async def on_mysql(address: MySqlAddress, work: Callable[[MySqlConnection], T]) -> T:
    """Do work over a connection of its own."""
    thread = MySqlThread(address)
    try:
        return await thread.open(work)
    finally:
        await thread.close()


async def mysql_rows(address: MySqlAddress, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Execute one statement, and return its rows."""

    def ask(connection: MySqlConnection) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall())

    return await on_mysql(address, ask)


def _empty(connection: MySqlConnection) -> None:
    with transaction(connection) as cursor:
        for table in (*TABLES, "checkpoints", "parked_rows"):
            cursor.execute(f"DELETE FROM `{table}`")
