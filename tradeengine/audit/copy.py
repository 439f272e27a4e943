"""What an audit needs of a store, and how it reads one."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from contracts.query import MAX_LIMIT, Page, UnknownFilter
from tradeengine.projection.base import Parked

Row = dict[str, Any]


class Queried(Protocol):
    """Tables that answer questions."""

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        """Rows of a table; the same rows read alike in every store."""
        ...


class Copy(Queried, Protocol):
    """Tables that were made from the journal; an audit reads them and changes nothing."""

    async def checkpoint(self, shard: int) -> int:
        """Sequence of the newest applied record of a shard, 0 while there is none."""
        ...

    async def parked(self, limit: int) -> Parked:
        """Rows that the store refused, oldest first, at most ``limit`` of them."""
        ...


async def pages(copy: Queried, table: str) -> AsyncIterator[list[Row]]:
    """All rows of a table, page by page."""
    cursor = None
    while True:
        page = await copy.query(table, filters={}, sort=None, cursor=cursor, limit=MAX_LIMIT)
        yield page.rows
        cursor = page.next_cursor
        if cursor is None:
            return


async def row_of(copy: Queried, table: str, key: Mapping[str, Any]) -> Row | None:
    """One row by its key, ``None`` if there is none, or can be none because no engine writes such a key."""
    filters = {name: _text(value) for name, value in key.items()}
    try:
        page = await copy.query(table, filters=filters, sort=None, cursor=None, limit=1)
    except UnknownFilter:
        return None
    return page.rows[0] if page.rows else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
