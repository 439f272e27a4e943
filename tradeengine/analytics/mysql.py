"""Queries asked of MySQL."""

from functools import partial
from typing import Any, Final

from shared.mysql import MySqlConnection, MySqlThread
from shared.mysql_address import MySqlAddress
from tradeengine.analytics.parameters import Parameters, moment
from tradeengine.analytics.query import Query
from tradeengine.analytics.values import Value, shown
from tradeengine.projection.mysql_schema import require_schema

LONGEST_S: Final = 600.0
"""Longest time, in seconds, that an answer may take."""

_NAMES: Final = ("from", "to", "strategy_id", "symbol")


async def ask_mysql(address: MySqlAddress, query: Query, parameters: Parameters) -> list[dict[str, Value]]:
    """Answer of the copy in MySQL.

    Raises
    ------
    ConfigError
        If the server does not let us in, or its schema is not the one of this engine; the text says what to do.
    RetrySafe
        If it does not answer.
    """
    thread = MySqlThread(address, timeout_s=LONGEST_S)
    try:
        await thread.open(require_schema)
        return await thread.run(partial(_ask, query, parameters))
    finally:
        await thread.close()


def variables(query: Query, parameters: Parameters) -> dict[str, str | None]:
    """Values of the variables that the statement reads; null confines nothing."""
    given = parameters.given()
    return {name: _text(query, given.get(name)) for name in _NAMES}


def script(query: Query, parameters: Parameters) -> str:
    """The query's file, after a line that sets what is given; the ``mysql`` client takes it as it is."""
    given = {name: value for name, value in variables(query, parameters).items() if value is not None}
    if not given:
        return query.sql
    return f"SET {', '.join(f'@{name} = {_quoted(value)}' for name, value in given.items())};\n\n{query.sql}"


def _ask(query: Query, parameters: Parameters, connection: MySqlConnection) -> list[dict[str, Value]]:
    values = variables(query, parameters)
    with connection.cursor() as cursor:
        cursor.execute(f"SET {', '.join(f'@{name} = %s' for name in values)}", list(values.values()))
        cursor.execute(query.statement)
        rows: list[tuple[Any, ...]] = list(cursor.fetchall())
        names = [described[0] for described in cursor.description or ()]
    if names != [column.name for column in query.columns]:
        raise ValueError(f"{query.name}.sql answers {names}, its header says otherwise: correct one of them")
    return [
        {column.name: shown(column.kind, held) for column, held in zip(query.columns, row, strict=True)} for row in rows
    ]


def _text(query: Query, value: int | str | None) -> str | None:
    if isinstance(value, int):
        return moment(query, value).replace("T", " ").removesuffix("Z")
    return value


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
