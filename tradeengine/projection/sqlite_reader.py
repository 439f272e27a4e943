"""Reading the read model on SQLite: one page of a checked query."""

import sqlite3
from typing import Any

from tradeengine.projection.query import Position, Query
from tradeengine.projection.sqlite_codec import decimal_order, to_json, to_store
from tradeengine.projection.tables import Kind

_ORDER_FUNCTION = "decimal_order"
_LEAST_INTEGER = -(2**63)


def prepare_reader(connection: sqlite3.Connection) -> None:
    """Teach a connection to sort decimals."""
    connection.create_function(_ORDER_FUNCTION, 1, decimal_order, deterministic=True)


def read_page(query: Query, connection: sqlite3.Connection) -> tuple[list[dict[str, Any]], str | None]:
    """Rows of a page and the cursor of the next one.

    Rows are sorted by the column's order value and then by the row's number, which never changes; so a page starts
    exactly after the one before, whatever was inserted meanwhile.
    """
    columns = query.table.columns
    statement, parameters = _statement(query)
    held = connection.execute(statement, parameters).fetchmany(query.limit + 1)
    rows = [
        {name: to_json(kind, value) for (name, kind), value in zip(columns.items(), row, strict=False)}
        for row in held[: query.limit]
    ]
    if len(held) <= query.limit:
        return rows, None
    last: Position = tuple(held[query.limit - 1][-2:])
    return rows, query.cursor(last)


def _statement(query: Query) -> tuple[str, list[Any]]:
    # Names come from the engine's own tables, values are always parameters.
    order = _order(query)
    way, beyond = ("DESC", "<") if query.descending else ("ASC", ">")
    conditions, parameters = [], []
    for condition in query.conditions:
        conditions.append(f"{condition.column} {condition.operator} ?")
        parameters.append(to_store(query.table.columns[condition.column], condition.value))
    if query.after is not None:
        conditions.append(f"({order}, row_number) {beyond} (?, ?)")
        parameters += query.after
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    names = ", ".join(query.table.columns)
    statement = (
        f"SELECT {names}, {order}, row_number FROM {query.table.name} {where}"  # noqa: S608
        f"ORDER BY {order} {way}, row_number {way} LIMIT ?"
    )
    return statement, [*parameters, query.limit + 1]


def _order(query: Query) -> str:
    if query.sort is None:
        return "row_number"
    match query.table.columns[query.sort]:
        case Kind.DECIMAL:
            return f"{_ORDER_FUNCTION}({query.sort})"
        case Kind.INTEGER | Kind.BOOLEAN:
            return f"coalesce({query.sort}, {_LEAST_INTEGER})"
        case _:
            return f"coalesce({query.sort}, '')"
