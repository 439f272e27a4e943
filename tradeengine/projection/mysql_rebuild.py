"""Making the copy in MySQL anew: beside the tables in use, which are exchanged for the new ones in one step.

Until then analysts read the old rows and an engine goes on writing them. After it the engine finds that its next record
does not follow the checkpoint, looks where the new tables end, and goes on from there by itself; so nothing must be
stopped, and no record is applied twice or left out. Interrupted at any point it leaves the old tables or the new ones
whole, and tables that the next attempt drops.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from pymysql.cursors import Cursor

from shared.errors import RetrySafe
from shared.mysql import MySqlConnection, MySqlThread
from shared.mysql_address import MySqlAddress
from tradeengine.projection.mysql_schema import require_schema
from tradeengine.projection.tables import TABLES

PREFIX: Final = "rebuild_"
"""Before the names of tables that are being made."""

_RETIRED: Final = "retired_"
_NAMES: Final = (*TABLES, "checkpoints", "parked_rows")
_WEEK_S: Final = 604_800
_EXCHANGE_S: Final = 30
"""Longest wait, in seconds, for transactions that use the old tables."""


class Rebuild:
    """The one attempt that works on a database now; an asynchronous context manager.

    Needs a user who may create, alter and drop tables, as the schema's own does.

    Raises
    ------
    ConfigError
        On entry, if the schema is not the one of this engine.
    RetrySafe
        On entry, if another process makes the copy anew, or the server does not answer.
    """

    def __init__(self, address: MySqlAddress) -> None:
        self._name = f"tradeengine_rebuild_{address.database}"[:64]
        # Its connection holds the lock: it must last as long as the attempt.
        self._guard = MySqlThread(address, timeout_s=2 * _EXCHANGE_S)

    async def __aenter__(self) -> Self:
        await self._guard.open(self._begin)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._guard.close()

    async def exchange(self) -> None:
        """Put the new tables into the place of the old ones, which are dropped.

        Raises
        ------
        RetrySafe
            If the lock was lost meanwhile, or the server does not answer; begin again.
        """
        await self._guard.run(self._exchange)

    def _begin(self, connection: MySqlConnection) -> None:
        require_schema(connection)
        with connection.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(%s, 0)", (self._name,))
            if cursor.fetchone() != (1,):
                raise RetrySafe("another process makes the copy anew: wait until it ends, then try again")
            cursor.execute(f"SET SESSION wait_timeout = {_WEEK_S}, lock_wait_timeout = {_EXCHANGE_S}")
            _drop(cursor, PREFIX)
            _drop(cursor, _RETIRED)
            for name in _NAMES:
                cursor.execute(f"CREATE TABLE `{PREFIX}{name}` LIKE `{name}`")
            cursor.execute("SELECT COALESCE(MAX(generation), 0) + 1 FROM checkpoints")
            generation = (cursor.fetchone() or (1,))[0]
            cursor.execute(f"ALTER TABLE `{PREFIX}checkpoints` ALTER COLUMN generation SET DEFAULT {int(generation)}")

    def _exchange(self, connection: MySqlConnection) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT IS_USED_LOCK(%s) = CONNECTION_ID()", (self._name,))
            if cursor.fetchone() != (1,):
                raise RetrySafe("the connection that kept others from making the copy anew was lost: begin again")
            steps = [f"`{name}` TO `{_RETIRED}{name}`, `{PREFIX}{name}` TO `{name}`" for name in _NAMES]
            cursor.execute(f"RENAME TABLE {', '.join(steps)}")
            _drop(cursor, _RETIRED)


def _drop(cursor: Cursor, prefix: str) -> None:
    cursor.execute(f"DROP TABLE IF EXISTS {_listed(prefix + name for name in _NAMES)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
