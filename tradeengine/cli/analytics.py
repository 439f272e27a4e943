"""``tradeengine analytics``: questions to the tables in MySQL or MongoDB."""

import asyncio
import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from shared.errors import ConfigError
from shared.settings import Settings
from tradeengine.analytics import mongodb, mysql
from tradeengine.analytics.library import find, queries
from tradeengine.analytics.parameters import Parameters
from tradeengine.analytics.query import Column, ColumnKind, Query
from tradeengine.analytics.values import Value
from tradeengine.cli.base import out
from tradeengine.cli.options import ConfigFile
from tradeengine.cli.schema import mongo_store, mysql_address

Rows = Sequence[dict[str, Value]]

_LEFT = (ColumnKind.TEXT, ColumnKind.TIME, ColumnKind.DAY)


class Store(StrEnum):
    """Store that is asked."""

    MYSQL = "mysql"
    MONGODB = "mongodb"


class Form(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class Language(StrEnum):
    """Text of a query to print."""

    SQL = "sql"
    MONGODB = "mongodb"


Name = Annotated[str, typer.Argument(metavar="NAME", help="Query to ask, or list.")]
StoreOption = Annotated[
    Store | None, typer.Option("--store", help="Store to ask; without it MySQL if the settings name one, or MongoDB.")
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="From when on: an ISO 8601 date or time, UTC if it says none."),
]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Until when; the time itself is not in it.")]
Strategy = Annotated[str | None, typer.Option("--strategy", metavar="ID", help="Only this strategy.")]
Symbol = Annotated[str | None, typer.Option("--symbol", help="Only this symbol, such as BTCUSDT.")]
FormOption = Annotated[Form, typer.Option("--format", help="How to print; decimals are exact texts in csv and json.")]
Show = Annotated[Language | None, typer.Option("--show", help="Print the query itself, and ask nothing.")]


def analytics(
    name: Name = "list",
    store: StoreOption = None,
    begin: From = None,
    end: To = None,
    strategy: Strategy = None,
    symbol: Symbol = None,
    form: FormOption = Form.TABLE,
    show: Show = None,
    config: ConfigFile = None,
) -> None:
    """Ask the tables one of the prepared questions; without NAME, list them.

    The answer is that of the store's newest applied record. The embedded SQLite file cannot be asked: name a MySQL or a
    MongoDB.
    """
    if name == "list":
        _list(form)
        return
    try:
        query = find(name)
        parameters = Parameters(_millis(begin, "--from"), _millis(end, "--to"), strategy, symbol)
        parameters.check(query)
    except (LookupError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    if show is not None:
        script = mysql.script if show is Language.SQL else mongodb.script
        typer.echo(script(query, parameters), nl=False)
        return
    settings = Settings.load(config_file=config)
    rows = asyncio.run(_ask(_store(store, settings), settings, query, parameters))
    _print(query.columns, rows, form, query.question)


def _store(store: Store | None, settings: Settings) -> Store:
    if store is not None:
        return store
    if settings.mysql_address is not None:
        return Store.MYSQL
    if settings.mongodb_uri is not None:
        return Store.MONGODB
    raise ConfigError(
        "no store can be asked: the embedded SQLite file takes no analytics; set MYSQL_URI or MONGODB_URI, and fill "
        "the store with: tradeengine schema apply, then tradeengine project --rebuild"
    )


async def _ask(store: Store, settings: Settings, query: Query, parameters: Parameters) -> Rows:
    if store is Store.MYSQL:
        return await mysql.ask_mysql(mysql_address(settings), query, parameters)
    return await mongodb.ask_mongodb(mongo_store(settings), query, parameters)


def _list(form: Form) -> None:
    columns = [Column(name, ColumnKind.TEXT, "") for name in ("name", "question", "parameters")]
    rows: Rows = [
        {"name": query.name, "question": query.question, "parameters": ", ".join(query.parameters)}
        for query in queries().values()
    ]
    _print(columns, rows, form, "Questions")


def _print(columns: Sequence[Column], rows: Rows, form: Form, title: str) -> None:
    if form is Form.JSON:
        typer.echo(msgspec.json.format(msgspec.json.encode(rows)))
    elif form is Form.CSV:
        typer.echo(_csv(columns, rows), nl=False)
    else:
        out.print(_table(columns, rows, title))


def _csv(columns: Sequence[Column], rows: Rows) -> str:
    """Comma-separated values with a line of names; null is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.name for column in columns], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _table(columns: Sequence[Column], rows: Rows, title: str) -> Table:
    table = Table(title=title, title_justify="left", caption=None if rows else "no rows", caption_justify="left")
    for column in columns:
        table.add_column(column.name, justify="left" if column.kind in _LEFT else "right", overflow="fold")
    for row in rows:
        cells = [row[column.name] for column in columns]
        table.add_row(*["-" if cell is None else escape(str(cell)) for cell in cells])
    return table


def _millis(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{option} {text!r} is no ISO 8601 date or time such as 2026-01-31 or 2026-01-31T18:00"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
