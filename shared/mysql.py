"""MySQL from asyncio: one connection in one thread of its own, made anew when it is lost, with deadlines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pymysql
from pymysql.connections import Connection
from pymysql.constants import FIELD_TYPE
from pymysql.converters import encoders
from pymysql.cursors import Cursor

from shared.errors import ConfigError, EngineError, OutcomeUnknown
from shared.mysql_address import MySqlAddress
from shared.mysql_errors import ROLLED_BACK, code_of, engine_error
from shared.worker import WorkerThread

if TYPE_CHECKING:
    MySqlConnection = Connection[Cursor]
else:
    # Generic for type checkers only.
    MySqlConnection = Connection

T = TypeVar("T")

_LOCK_WAIT_S: Final = 5

_INTEGERS = (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.INT24, FIELD_TYPE.YEAR)
# All but whole numbers is left as the server writes it: decimals and times are exact texts there.
_CONVERTERS: dict[Any, Any] = {**encoders, **dict.fromkeys(_INTEGERS, int)}

_SESSION: Final = (
    "SET SESSION time_zone = '+00:00',"
    # What does not fit is an error, never cut, whatever the server's default is.
    " sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION,"
    "ONLY_FULL_GROUP_BY',"
    # Less than the deadline of an answer: so it is the server that gives up, and says so.
    f" innodb_lock_wait_timeout = {_LOCK_WAIT_S}, lock_wait_timeout = {_LOCK_WAIT_S}",
    # Two projectors of different shards must not lock each other's gaps.
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
)


class MySqlThread:
    """A connection that lives in a thread of its own, so that no statement ever holds up the event loop.

    Work is done in the order in which it was asked for. A connection that was lost, also while it was idle, is made
    anew for the next piece of work. A caller that is cancelled stops waiting; its work is done all the same.

    Parameters
    ----------
    connect_timeout_s, timeout_s
        Longest time, in seconds, for a connection to be made, and for the server to take or send the next bytes.
    """

    def __init__(self, address: MySqlAddress, *, connect_timeout_s: float = 5.0, timeout_s: float = 10.0) -> None:
        self.address = address
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._thread = WorkerThread(f"mysql-{address.database}")
        self._connection: MySqlConnection | None = None

    def start(self) -> None:
        """Begin; the connection is made for the first piece of work."""
        self._thread.start()

    async def open(self, prepare: Callable[[MySqlConnection], T]) -> T:
        """Connect, and do a first piece of work.

        Raises
        ------
        ConfigError
            If the server does not let us in, or lacks the database or tables.
        RetrySafe
            If it does not answer; open again later.
        """
        self.start()
        try:
            return await self.run(prepare)
        except BaseException:
            await self.close()
            raise

    async def run(self, work: Callable[[MySqlConnection], T]) -> T:
        """Do work on the connection.

        Raises
        ------
        ConfigError
            If it cannot work before somebody changes settings, grants or schema; nothing was done.
        RetrySafe
            If the server cannot be reached or refused; a transaction of the work was rolled back.
        OutcomeUnknown
            If the answer to a commit was lost.
        """
        return await self._thread.call(partial(self._run, work))

    async def close(self) -> None:
        """Finish the work under way and disconnect."""
        await self._thread.close(self._disconnect)

    def _run(self, work: Callable[[MySqlConnection], T]) -> T:
        try:
            result = work(self._connected())
        except pymysql.Error as error:
            # The server rolls back what a connection leaves, so a new one begins with nothing half done.
            self._disconnect()
            raise engine_error(error, str(self.address)) from error
        except EngineError:
            self._disconnect()
            raise
        return result

    def _connected(self) -> MySqlConnection:
        if self._connection is not None:
            try:
                self._connection.ping(reconnect=False)
            except pymysql.Error:
                self._disconnect()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> MySqlConnection:
        connection = self._prepared()
        connection.connect()
        try:
            with connection.cursor() as cursor:
                for statement in _SESSION:
                    cursor.execute(statement)
                cursor.execute("SELECT @@max_allowed_packet")
                row = cursor.fetchone()
                connection.max_allowed_packet = row[0] if row else connection.max_allowed_packet
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepared(self) -> MySqlConnection:
        address = self.address
        try:
            return MySqlConnection(
                host=address.host,
                port=address.port,
                user=address.user,
                password=address.password,
                database=address.database,
                charset="utf8mb4",
                autocommit=True,
                connect_timeout=self._connect_timeout_s,
                read_timeout=self._timeout_s,
                write_timeout=self._timeout_s,
                program_name="tradeengine",
                conv=_CONVERTERS,
                ssl_ca=address.ca_file,
                ssl_verify_cert=address.ca_file is not None,
                ssl_verify_identity=address.ca_file is not None,
                defer_connect=True,
            )
        except OSError as error:
            raise ConfigError(f"ssl_ca={address.ca_file} of MYSQL_URI cannot be used: {error}") from error

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and connection.open:
            with suppress(pymysql.Error):
                connection.close()


@contextmanager
def transaction(connection: MySqlConnection) -> Iterator[Cursor]:
    """Commit what the block writes, or nothing of it.

    Raises
    ------
    OutcomeUnknown
        If the answer to the commit was lost.
    """
    with connection.cursor() as cursor:
        connection.begin()
        try:
            yield cursor
        except BaseException:
            with suppress(pymysql.Error):
                connection.rollback()
            raise
        try:
            connection.commit()
        except pymysql.Error as error:
            if code_of(error) in ROLLED_BACK:
                raise
            raise OutcomeUnknown(
                f"cannot tell whether {connection.host}:{connection.port} committed: {error}; the checkpoint tells"
            ) from error
