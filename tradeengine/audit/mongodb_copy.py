"""The read model on MongoDB as an audit reads it: what an engine has begun is waited for, and never finished here."""

from collections.abc import Mapping
from typing import Any, Final

from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128

from contracts.query import Page
from shared.clock import Clock
from shared.errors import ConfigError, RetrySafe
from shared.mongodb import MongoStore, mapped_errors
from tradeengine.projection.base import Parked
from tradeengine.projection.mongodb_codec import MADE, to_json
from tradeengine.projection.mongodb_reader import read_page, read_parked
from tradeengine.projection.mongodb_rows import collection
from tradeengine.projection.mongodb_schema import check_made
from tradeengine.projection.mongodb_shard import CHECKPOINTS
from tradeengine.projection.query import parse_query
from tradeengine.projection.tables import Kind

_PATIENCE_S: Final = 10.0
_PAUSE_S: Final = 0.05
_HELD_AS: Final[Mapping[Kind, type | tuple[type, ...]]] = {
    Kind.TEXT: str,
    Kind.DECIMAL: Decimal128,
    Kind.TIME: DatetimeMS,
    Kind.DATE: str,
    Kind.INTEGER: int,
    Kind.BOOLEAN: bool,
    Kind.JSON: object,
}


class MongoCopy:
    """Collections of a database; see :class:`~tradeengine.audit.copy.Copy`.

    Parameters
    ----------
    store
        Where they are; opened and closed with the copy.
    patience_s
        How long a batch that an engine has begun to write may take, seconds.
    """

    def __init__(self, store: MongoStore, clock: Clock, *, patience_s: float = _PATIENCE_S) -> None:
        self._store = store
        self._clock = clock
        self._patience_s = patience_s

    async def open(self) -> None:
        """Connect, and see that the schema was applied.

        Raises
        ------
        ConfigError
            If it was not, or is another one, or the server refuses this user.
        RetrySafe
            If no server answers.
        """
        await self._store.open()
        try:
            await check_made(self._store)
        except BaseException:
            await self._store.close()
            raise

    async def close(self) -> None:
        """Give the store back."""
        await self._store.close()

    async def checkpoint(self, shard: int) -> int:
        """Sequence of the newest applied record of a shard, 0 while there is none.

        Raises
        ------
        RetrySafe
            If a batch was begun and nobody finishes it: nothing can be said of rows that are half written.
        """
        end = self._clock.monotonic() + self._patience_s
        while True:
            with mapped_errors(writing=False):
                held = await collection(self._store, CHECKPOINTS).find_one(
                    {"_id": shard}, {"sequence": 1, "redo.to": 1, "redo.clear": 1}
                )
            if held is None:
                return 0
            if not held.get("redo"):
                return int(held["sequence"])
            if self._clock.monotonic() >= end:
                raise RetrySafe(
                    f"shard {shard} in the MongoDB database {self._store.name} has had a batch half written for "
                    f"{self._patience_s:g} s: an engine that runs, or tradeengine project --catch-up mongodb, "
                    "finishes it; then audit again"
                )
            await self._clock.sleep(_PAUSE_S)

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        """Rows of a table; parameters and errors as of :func:`~tradeengine.projection.query.parse_query`.

        A value of a type that the engine never writes is shown with its type, so that it differs.
        """
        query = parse_query(table, filters, sort, cursor, limit)
        try:
            rows, following = await read_page(self._store, query, _shown)
        except KeyError as error:
            if error.args != (MADE,):
                raise
            raise ConfigError(
                f"the collection {table} has more documents without {MADE} than fit a page: somebody else wrote them; "
                "take them out, or make the copy anew with tradeengine project --rebuild mongodb"
            ) from error
        return Page(rows=rows, next_cursor=following, source="mongodb", age_seconds=0)

    async def parked(self, limit: int) -> Parked:
        """Rows that MongoDB could not hold, oldest first, at most ``limit`` of them."""
        return await read_parked(self._store, limit)


def _shown(kind: Kind, held: Any) -> Any:
    if held is None:
        return None
    if not isinstance(held, _HELD_AS[kind]) or (isinstance(held, bool) and kind is Kind.INTEGER):
        return f"{type(held).__name__} {held}"
    if isinstance(held, Decimal128) and not held.to_decimal().is_finite():
        return str(held)
    return to_json(kind, held)
