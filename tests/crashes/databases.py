"""The databases that the processes of a stage share, and MySQL as one of them sees it."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

import pymysql
from pymysql.connections import Connection

from shared.clock import Clock
from shared.mongodb import MongoStore
from shared.mysql import MySqlConnection, MySqlThread, transaction
from shared.mysql_address import MySqlAddress
from tests.campaigns.warp import WarpLoop
from tests.crashes.fates import DEADLY
from tests.crashes.life import Life
from tests.projection.mongodb_stage import Fate, StagedStore
from tradeengine.journal import mongodb_schema as journal_schema
from tradeengine.projection import mongodb_schema, mysql_schema
from tradeengine.projection.mysql import MySqlReadModel
from tradeengine.projection.tables import TABLES

T = TypeVar("T")

_Driver: Any = Connection

_KEPT: Final = "control"
_NAMED: Final = re.compile(r"`(\w+)`")
_SYNC: Final = "directConnection=true&heartbeatFrequencyMS=100000000"
"""The driver looks at the server only when it is asked something: its looks are no part of the script."""


class Databases:
    """One database of each kind, made ready; emptied for each play.

    Parameters
    ----------
    mongodb
        Address and name.
    mysql
        URI.
    store
        For processes, which decide themselves what becomes of their commands.
    store_beside
        For whoever looks on.
    """

    def __init__(self, loop: WarpLoop, mongodb: tuple[str, str], mysql: str) -> None:
        parts = urlsplit(mongodb[0])
        uri = urlunsplit(parts._replace(path=parts.path or "/", query="&".join(filter(None, (parts.query, _SYNC)))))
        self.store: MongoStore = MongoStore(uri, mongodb[1], timeout_ms=60_000)
        self.store_beside: MongoStore = StagedStore(self.store, _Bystander(loop))
        self.address = MySqlAddress.parse(mysql)
        self._loop = loop
        self._mysql = MySqlThread(self.address)

    async def open(self) -> None:
        """Connect, and do what the schema jobs do."""
        with self._loop.elsewhere():
            await self.store.open()
            await journal_schema.apply_schema(self.store)
            await mongodb_schema.apply_schema(self.store)
        await self._mysql.open(mysql_schema.apply_schema)

    async def close(self) -> None:
        """Disconnect."""
        await self._mysql.close()
        await self.store.close()

    async def empty(self) -> None:
        """Leave nothing of the former play."""
        with self._loop.elsewhere():
            for name in await self.store.database.list_collection_names():
                if name != _KEPT:
                    await self.store.collection(name).delete_many({})
        await self._mysql.run(_empty)


class _Bystander:
    """Sends commands that are no process's: time stands still meanwhile."""

    def __init__(self, loop: WarpLoop) -> None:
        self._loop = loop

    async def command(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        with self._loop.elsewhere():
            return await work()


def _empty(connection: MySqlConnection) -> None:
    with transaction(connection) as cursor:
        for table in (*TABLES, "checkpoints", "parked_rows"):
            cursor.execute(f"DELETE FROM `{table}`")


class StagedMySql(MySqlReadModel):
    """The copy in MySQL, written by a process that may die or stand still."""

    def __init__(self, life: Life, address: MySqlAddress, *, venue: str, clock: Clock) -> None:
        super().__init__(address, venue=venue, clock=clock)
        self._writer = _StagedThread(life, address)
        self._reader = _StagedThread(life, address)


class _StagedThread(MySqlThread):
    def __init__(self, life: Life, address: MySqlAddress) -> None:
        super().__init__(address)
        self._life = life

    async def run(self, work: Callable[[MySqlConnection], T]) -> T:
        # Standing still between two statements would keep locks that only a server's patience ends.
        await self._life.going()
        return await super().run(work)

    def _prepared(self) -> MySqlConnection:
        connection: Any = super()._prepared()
        connection.__class__ = _StagedConnection
        connection.life = self._life
        connection.doomed = None
        made: MySqlConnection = connection
        return made


class _StagedConnection(_Driver):  # type: ignore[misc] # its inner methods have no types
    """A connection of a process: it is gone with its process, and with a command or an answer that was lost."""

    life: Life
    doomed: Fate | None

    def _execute_command(self, command: int, sql: Any) -> None:
        text = sql.decode(errors="replace") if isinstance(sql, bytes | bytearray) else str(sql)
        fate = Fate.KILLED if self.life.dead else self.life.fate_in_thread(f"mysql {_described(text)}")
        if fate is Fate.KILLED:
            self.life.die_in_thread()
        if fate in (Fate.KILLED, Fate.LOST):
            self._gone("the command was never sent")
        super()._execute_command(command, sql)
        self.doomed = None if fate is Fate.GO else fate

    def _read_ok_packet(self) -> Any:
        return self._heard(super()._read_ok_packet())

    def _read_query_result(self, unbuffered: bool = False) -> None:
        self._heard(super()._read_query_result(unbuffered))

    def _heard(self, answer: T) -> T:
        doomed, self.doomed = self.doomed, None
        if doomed in DEADLY:
            self.life.die_in_thread()
        if doomed is not None or self.life.dead:
            self._gone("the answer was lost")
        return answer

    def _gone(self, why: str) -> None:
        self._force_close()
        raise pymysql.OperationalError(2013, f"Lost connection: {why}")


def _described(sql: str) -> str:
    named = _NAMED.search(sql)
    words = sql.split()
    return " ".join([*words[: 1 if named else 3], *(named.groups() if named else ())]) or "PING"
