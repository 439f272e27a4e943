"""What the API needs of others."""

from collections.abc import Mapping
from typing import Protocol

from contracts.query import BadCursor, Page, QueryError, UnknownFilter, UnknownSort

__all__ = ["BadCursor", "Page", "QueryError", "ReadModel", "UnknownFilter", "UnknownSort"]


class ReadModel(Protocol):
    """Tables made from committed events; asking changes nothing.

    Tables: ``positions``, ``strategy_positions``, ``position_contributions``, ``exchange_positions``, ``orders``,
    ``fills`` and ``decisions``.
    """

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        """Read one page.

        Parameters
        ----------
        filters
            Values by column; a row must equal all of them.
        sort
            A column, with ``-`` before it for descending; ``None`` is the table's own order, newest first.
        cursor
            ``next_cursor`` of the page before, with the same filters and sort.
        limit
            Most rows of the page, 1 to 1000.

        Raises
        ------
        UnknownFilter, UnknownSort, BadCursor
            If the question cannot be answered; the text says what would be right.
        RetrySafe
            If the store does not answer now.
        """
        ...
