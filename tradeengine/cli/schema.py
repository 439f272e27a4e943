"""``tradeengine schema``: make the tables, collections and indexes that the engine needs, or tell what is missing."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from shared.clock import Clock, SystemClock
from shared.errors import ConfigError, OutcomeUnknown, RetrySafe
from shared.mongodb import MongoStore
from shared.mysql import MySqlConnection, MySqlThread
from shared.mysql_address import MySqlAddress
from shared.settings import Settings
from shared.sqlite import SqliteThread
from tradeengine.cli.base import EXIT_FAILURE, say, warn
from tradeengine.cli.options import ConfigFile
from tradeengine.journal import mongodb_schema as journal_schema
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.projection import mongodb_schema as read_model_schema
from tradeengine.projection import mysql_schema
from tradeengine.projection.sqlite import SCHEMA_VERSION, SqliteReadModel
from tradeengine.runtime.files import data_folder, journal_file, read_model_file

T = TypeVar("T")

_LONGEST_STEP_S = 3_600.0
_PAUSE_S = 0.5


class Target(StrEnum):
    """Store whose schema is meant."""

    MYSQL = "mysql"
    MONGODB = "mongodb"
    SQLITE = "sqlite"


TargetOption = Annotated[Target, typer.Option("--target", help="Store whose schema is meant.")]
Wait = Annotated[
    float,
    typer.Option("--wait", min=0, max=3_600, metavar="SECONDS", help="How long to wait for a server that just starts."),
]

app = typer.Typer(name="schema", no_args_is_help=True, help="Make or look at the schema of a store.")


@app.command()
def apply(target: TargetOption, config: ConfigFile = None, wait: Wait = 0) -> None:
    """Apply what is missing; what is there stays, so it may be run at any time and again."""
    settings = Settings.load(config_file=config)
    for line in asyncio.run(_until_it_answers(lambda: _APPLY[target](settings), wait, SystemClock())):
        say(line)


@app.command()
def status(target: TargetOption, config: ConfigFile = None, wait: Wait = 0) -> None:
    """Show what is applied and what is missing; exit code 1 if anything is."""
    settings = Settings.load(config_file=config)
    lines, missing = asyncio.run(_until_it_answers(lambda: _STATUS[target](settings), wait, SystemClock()))
    for line in lines:
        say(line)
    for line in missing:
        say(f"missing: {line}")
    if missing:
        raise typer.Exit(EXIT_FAILURE)


def mysql_address(settings: Settings) -> MySqlAddress:
    """Where the copy in MySQL is.

    Raises
    ------
    ConfigError
        If the settings do not say.
    """
    if settings.mysql_address is None:
        raise ConfigError("no MySQL is named: set MYSQL_URI to mysql://user:password@host:port/database")
    return MySqlAddress.parse(settings.mysql_address)


def mongo_store(settings: Settings) -> MongoStore:
    """Client of the MongoDB that the settings name, not open yet.

    Raises
    ------
    ConfigError
        If they name none.
    """
    if settings.mongodb_uri is None:
        raise ConfigError("no MongoDB is named: set MONGODB_URI, and MONGODB_DATABASE if it is not tradeengine")
    return MongoStore(settings.mongodb_uri, settings.mongodb_database, timeout_ms=settings.mongodb_timeout_ms)


async def _until_it_answers(work: Callable[[], Awaitable[T]], wait_s: float, clock: Clock) -> T:
    end, told = clock.monotonic() + wait_s, False
    while True:
        try:
            return await work()
        except (RetrySafe, OutcomeUnknown) as error:
            # Every step may be done again, so it does not matter what became of this one.
            if clock.monotonic() >= end:
                raise
            if not told:
                warn(f"{error}; waiting up to {wait_s:g} s")
                told = True
        await clock.sleep(_PAUSE_S)


# ---------------------------------------------------------------- MySQL


async def _on_mysql(settings: Settings, work: Callable[[MySqlConnection], T]) -> T:
    thread = MySqlThread(mysql_address(settings), timeout_s=_LONGEST_STEP_S)
    try:
        return await thread.open(work)
    finally:
        await thread.close()


async def _apply_mysql(settings: Settings) -> list[str]:
    done = await _on_mysql(settings, mysql_schema.apply_schema)
    return [f"applied {step.number:04} {step.name}" for step in done] or ["nothing to apply: the schema is complete"]


async def _mysql_status(settings: Settings) -> tuple[list[str], list[str]]:
    found = await _on_mysql(settings, mysql_schema.schema_status)
    names = {step.number: step.name for step in mysql_schema.migrations()}
    lines = [f"applied {number:04} {names.get(number, '?')}, {time} UTC" for number, time in found.applied.items()]
    missing = [f"{step.number:04} {step.name}" for step in found.pending] + found.missing
    return lines, missing + [f"{number:04} is of a newer engine" for number in found.unknown]


# ---------------------------------------------------------------- MongoDB


async def _apply_mongodb(settings: Settings) -> list[str]:
    store = mongo_store(settings)
    await store.open()
    try:
        await journal_schema.apply_schema(store)
        await read_model_schema.apply_schema(store)
    finally:
        await store.close()
    return [f"the schema in the database {store.name} is complete"]


async def _mongodb_status(settings: Settings) -> tuple[list[str], list[str]]:
    store = mongo_store(settings)
    await store.open()
    try:
        missing = [*await journal_schema.verify_schema(store), *await read_model_schema.verify_schema(store)]
    finally:
        await store.close()
    return ([] if missing else [f"the schema in the database {store.name} is complete"]), missing


# ---------------------------------------------------------------- SQLite


async def _apply_sqlite(settings: Settings) -> list[str]:
    folder = data_folder(settings.data_dir)
    journal = SqliteJournal(journal_file(folder))
    await journal.open()
    await journal.close()
    read_model = SqliteReadModel(read_model_file(folder), venue="", clock=SystemClock())
    await read_model.open()
    await read_model.close()
    return [f"{path} is ready" for path in (journal.path, read_model.path)]


async def _sqlite_status(settings: Settings) -> tuple[list[str], list[str]]:
    files = (journal_file(settings.data_dir), read_model_file(settings.data_dir))
    missing = [f"{path}: the engine makes it, or tradeengine schema apply" for path in files if not path.exists()]
    if missing:
        return [], missing
    journal = SqliteJournal(files[0], read_only=True)
    await journal.open()
    await journal.close()
    version = await _read_model_version(files[1])
    if version != SCHEMA_VERSION:
        missing = [f"{files[1]} is of schema {version}, not {SCHEMA_VERSION}: an older one is made anew by the engine"]
    return [f"{files[0]} is ready", *([] if missing else [f"{files[1]} is ready"])], missing


async def _read_model_version(path: Path) -> int:
    thread = SqliteThread(path, read_only=True)
    await thread.open(lambda connection: None)
    try:
        return await thread.run(
            lambda connection: int(connection.execute("SELECT version FROM schema_version").fetchone()[0])
        )
    finally:
        await thread.close()


_APPLY: dict[Target, Callable[[Settings], Awaitable[list[str]]]] = {
    Target.MYSQL: _apply_mysql,
    Target.MONGODB: _apply_mongodb,
    Target.SQLITE: _apply_sqlite,
}
_STATUS: dict[Target, Callable[[Settings], Awaitable[tuple[list[str], list[str]]]]] = {
    Target.MYSQL: _mysql_status,
    Target.MONGODB: _mongodb_status,
    Target.SQLITE: _sqlite_status,
}
