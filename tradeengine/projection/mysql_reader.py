"""Reading the read model on MySQL: one page of a checked query."""

from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from contracts.query import BadCursor
from shared.mysql import MySqlConnection
from tradeengine.projection.base import Parked, ParkedRow
from tradeengine.projection.mysql_codec import fits, to_json, to_store
from tradeengine.projection.query import Condition, Position, Query
from tradeengine.projection.tables import Kind

ROW_NUMBER: Final = "row_no"
"""Column that numbers rows in the order in which they were made; ``row_number`` is a word of MySQL's own."""

_SORTED_CHARACTERS: Final = 250
_LEAST_INTEGER: Final = -(2**63) + 1
_LEAST_DECIMAL: Final = "-99999999999999999999.999999999999999999"


def read_page(query: Query, connection: MySqlConnection) -> tuple[list[dict[str, Any]], str | None]:
    """Rows of a page and the cursor of the next one.

    Rows are sorted by the column's order value and then by the row's number, which never changes; so a page starts
    exactly after the one before, whatever was inserted meanwhile.
    """
    columns = query.table.columns
    statement, parameters = _statement(query)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        held = cursor.fetchall()
    rows = [
        {name: to_json(kind, value) for (name, kind), value in zip(columns.items(), row, strict=False)}
        for row in held[: query.limit]
    ]
    if len(held) <= query.limit:
        return rows, None
    value, number = held[query.limit - 1][-2:]
    return rows, query.cursor((value, number))


def read_parked(limit: int, connection: MySqlConnection) -> Parked:
    """Rows that were put aside, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM parked_rows")
        ((number,),) = cursor.fetchall()
        cursor.execute(
            "SELECT table_name, row_key, reason, shard, sequence FROM parked_rows ORDER BY parked_id LIMIT %s", (limit,)
        )
        return Parked(number, [ParkedRow(*row) for row in cursor.fetchall()])


def _statement(query: Query) -> tuple[str, list[Any]]:
    # Names come from the engine's own tables, values are always parameters.
    order = _order(query)
    way, beyond = ("DESC", "<") if query.descending else ("ASC", ">")
    conditions, parameters = [], []
    for condition in query.conditions:
        text, values = _compared(query, condition)
        conditions.append(text)
        parameters += values
    if query.after is not None:
        conditions.append(f"({order}, `{ROW_NUMBER}`) {beyond} (%s, %s)")
        parameters += _position(query, query.after)
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    names = ", ".join(f"`{name}`" for name in query.table.columns)
    statement = (
        f"SELECT {names}, {order}, `{ROW_NUMBER}` FROM `{query.table.name}` {where}"  # noqa: S608
        f"ORDER BY {order} {way}, `{ROW_NUMBER}` {way} LIMIT %s"
    )
    return statement, [*parameters, query.limit + 1]


def _compared(query: Query, condition: Condition) -> tuple[str, list[Any]]:
    kind, name = query.table.columns[condition.column], f"`{condition.column}`"
    if kind is Kind.DECIMAL and not fits(condition.value):
        return "1 = 0", []
    value = to_store(kind, condition.value)
    if kind is Kind.TEXT:
        # MySQL compares as if blanks filled the shorter text up.
        return f"{name} = %s AND LENGTH({name}) = %s", [value, len(value.encode())]
    return f"{name} {condition.operator} %s", [value]


def _order(query: Query) -> str:
    if query.sort is None:
        return f"`{ROW_NUMBER}`"
    name = f"`{query.sort}`"
    match query.table.columns[query.sort]:
        case Kind.DECIMAL:
            return f"COALESCE({name}, {_LEAST_DECIMAL})"
        case Kind.INTEGER | Kind.BOOLEAN:
            return f"COALESCE({name}, {_LEAST_INTEGER})"
        case Kind.TIME | Kind.DATE:
            return f"COALESCE(CAST({name} AS CHAR), '')"
        case _:
            # MySQL sorts long texts by their beginning only: so do pages, and then by the row's number.
            return f"LEFT(COALESCE({name}, ''), {_SORTED_CHARACTERS})"


def _position(query: Query, after: Position) -> list[Any]:
    """Parameters of a position; a cursor is the caller's word for it, so its types are checked."""
    value, number = after
    kind = None if query.sort is None else query.table.columns[query.sort]
    if isinstance(value, int) is (kind in (None, Kind.INTEGER, Kind.BOOLEAN)):
        if kind is not Kind.DECIMAL:
            return [value, number]
        with suppress(InvalidOperation):
            if (amount := Decimal(value)).is_finite():
                return [amount, number]
    raise BadCursor("the cursor comes from another store: take the first page again")
