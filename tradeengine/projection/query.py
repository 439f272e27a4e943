"""Queries: what may be asked of a table, checked before any store is asked."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date
from decimal import Decimal
from typing import Any

import msgspec

from contracts.query import MAX_LIMIT, BadCursor, QueryError, UnknownFilter, UnknownSort
from contracts.values import parse_timestamp, to_millis
from tradeengine.projection.tables import TABLES, Kind, Table

_EPOCH = date(1970, 1, 1)
_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,40})?")
_RANGES = {"_from": ">=", "_to": "<"}

Position = tuple[str | int, str | int]
"""Where a page ended: the sort column's order value and what the store numbers its rows by."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison that rows must meet.

    Parameters
    ----------
    operator
        ``=``, ``>=`` or ``<``.
    value
        In the form that the column's kind says.
    """

    column: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Query:
    """A checked question to one table.

    Parameters
    ----------
    sort
        Column to sort by; ``None`` is the order in which rows were made.
    after
        Where the page before this one ended.
    """

    table: Table
    conditions: tuple[Condition, ...]
    sort: str | None
    descending: bool
    after: Position | None
    limit: int

    def cursor(self, position: Position) -> str:
        """Cursor of the page after a position."""
        raw = msgspec.json.encode([self.table.name, self._order, *position])
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @property
    def _order(self) -> str:
        return ("-" if self.descending else "") + (self.sort or "")


def parse_query(table: str, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int) -> Query:
    """Check a question.

    Parameters
    ----------
    filters
        Value by column: rows must hold it; for times and days ``<column>_from`` (at or after) and ``<column>_to``
        (before).
    sort
        A column, or ``-`` and a column for the greatest first.
    cursor
        ``next_cursor`` of the page before, of the same table and sort.
    limit
        Most rows, 1 to 1,000.

    Raises
    ------
    QueryError
        If a name or a value is not known; the text names the allowed ones.
    """
    found = TABLES.get(table)
    if found is None:
        raise QueryError(f"there is no table {table!r}; there are {_listed(TABLES)}")
    if not 1 <= limit <= MAX_LIMIT:
        raise QueryError(f"limit {limit} is not between 1 and {MAX_LIMIT}")
    column, descending = _sort(found, sort)
    conditions = tuple([_condition(found, name, value) for name, value in filters.items()])
    after = None if cursor is None else _position(cursor, table, sort or "")
    return Query(found, conditions, column, descending, after, limit)


def _sort(table: Table, sort: str | None) -> tuple[str | None, bool]:
    if sort is None:
        return None, False
    column = sort.removeprefix("-")
    if table.columns.get(column, Kind.JSON) is Kind.JSON:
        allowed = _listed(name for name, kind in table.columns.items() if kind is not Kind.JSON)
        raise UnknownSort(f"{table.name} cannot be sorted by {column!r}; it can by {allowed}, with - for descending")
    return column, sort.startswith("-")


def _condition(table: Table, name: str, value: str) -> Condition:
    kind = table.columns.get(name)
    if kind is not None and kind is not Kind.JSON:
        return Condition(name, "=", _value(name, kind, value))
    for suffix, operator in _RANGES.items():
        column = name.removesuffix(suffix)
        kind = table.columns.get(column) if column != name else None
        if kind in (Kind.TIME, Kind.DATE):
            return Condition(column, operator, _value(name, kind, value))
    raise UnknownFilter(f"{table.name} cannot be filtered by {name!r}; it can by {_listed(_filters(table))}")


def _filters(table: Table) -> list[str]:
    names = []
    for name, kind in table.columns.items():
        if kind is not Kind.JSON:
            names.append(name)
        if kind in (Kind.TIME, Kind.DATE):
            names += [name + suffix for suffix in _RANGES]
    return names


def _value(name: str, kind: Kind, text: str) -> Any:
    try:
        return _READ[kind](text)
    except (ValueError, KeyError):
        raise UnknownFilter(f"{name}={text[:60]!r} is not {_FORMS[kind]}") from None


def _decimal(text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def _integer(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError(text)
    return int(text)


_READ: dict[Kind, Callable[[str], Any]] = {
    Kind.TEXT: str,
    Kind.DECIMAL: _decimal,
    Kind.TIME: lambda text: to_millis(parse_timestamp(text).astimezone(UTC)),
    Kind.DATE: lambda text: (date.fromisoformat(text) - _EPOCH).days,
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: {"true": True, "false": False}.__getitem__,
}
_FORMS = {
    Kind.TEXT: "a text",
    Kind.DECIMAL: "a decimal number such as 0.001",
    Kind.TIME: "a time such as 2026-01-31T12:00:00Z, or an epoch number",
    Kind.DATE: "a day such as 2026-01-31",
    Kind.INTEGER: "a whole number",
    Kind.BOOLEAN: "true or false",
}


def _position(cursor: str, table: str, sort: str) -> Position:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        of_table, of_sort, value, row = msgspec.json.decode(raw, type=tuple[str, str, str | int, str | int])
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError):
        raise BadCursor(f"cursor {cursor[:60]!r} is none: take next_cursor of the page before as it is") from None
    if (of_table, of_sort) != (table, sort):
        raise BadCursor(
            f"the cursor belongs to {of_table} sorted by {of_sort or 'nothing'}, this asks for {table} sorted by "
            f"{sort or 'nothing'}: take the first page again"
        )
    return value, row


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
