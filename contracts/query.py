"""Questions to the read model: pages of tables, and the errors of a question that cannot be answered."""

from dataclasses import dataclass
from typing import Any

from contracts.api import Code

MAX_LIMIT = 1000
"""Most rows of one page."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one table.

    Parameters
    ----------
    rows
        JSON values by column; decimals are strings, times ISO 8601 UTC with ``Z``.
    next_cursor
        Where the next page starts, ``None`` on the last one.
    source
        Store that answered, such as ``sqlite``.
    age_seconds
        How far the rows may lie behind the newest commit.
    """

    rows: list[dict[str, Any]]
    next_cursor: str | None
    source: str
    age_seconds: float


class QueryError(ValueError):
    """A question that the read model cannot answer; the text says what is wrong and what would be right."""

    code = Code.INVALID_REQUEST


class UnknownFilter(QueryError):
    """The table has no such column, or the column takes no such value."""

    code = Code.UNKNOWN_FILTER


class UnknownSort(QueryError):
    """The table cannot be sorted by that."""

    code = Code.UNKNOWN_SORT


class BadCursor(QueryError):
    """The cursor was not given out for this question."""

    code = Code.BAD_CURSOR
