"""A journal and its copies on real servers, for audits of them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from typer.testing import CliRunner

from shared.mongodb import Document, MongoStore
from shared.mysql_address import MySqlAddress
from tests.projection.mysql_place import mysql_rows
from tests.support import services
from tests.support.records import Move, RecordedWorld, play
from tradeengine.cli.app import app
from tradeengine.journal.base import Journal
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.journal.record import Record
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.runtime.files import journal_file

T = TypeVar("T")

LATER = 4
"""Records of :func:`history` that are not in the journal yet."""


def history() -> list[Record]:
    """Positions that open, fill and are funded, and signals with something to carry."""
    world = RecordedWorld()
    world.signal("hold", signal_id="carries", carried={"zeta": 1, "alpha": {"y": "2", "x": [1, 2]}, "beta": None})
    moves: list[Move] = []
    for number in range(16):
        moves += [("buy", number, 1, number), ("fill", 0, 1, 3), ("fund", 1, 1, number), ("cut", 0, 0, 0)]
    return play(world, moves)


class Said(NamedTuple):
    """What the command said."""

    code: int
    document: dict[str, Any]
    stderr: str

    def store(self, name: str) -> dict[str, Any]:
        """Report of one copy."""
        (found,) = [one for one in self.document["stores"] if one["store"] == name]
        return dict(found)

    def differing(self, name: str) -> dict[str, list[dict[str, Any]]]:
        """First differences of the tables of a copy that differ."""
        tables = self.store(name)["tables"]
        return {one["table"]: one["first_differences"] for one in tables if one["verdict"] == "different"}


class Stage:
    """A journal in SQLite or MongoDB, the read model beside it, and a copy in MySQL, all up to date.

    Parameters
    ----------
    env
        Settings that name them.
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.env = {"TRADEENGINE_DATA_DIR": str(folder), "COLUMNS": "250", "MONGODB_URI": "", "MYSQL_URI": "", **env}
        self.records = history()

    @property
    def mysql(self) -> MySqlAddress:
        return MySqlAddress.parse(self.env["MYSQL_URI"])

    def run(self, *arguments: str, **env: str) -> str:
        """Run a command that must succeed."""
        done = CliRunner().invoke(app, arguments, env=self.env | env)
        assert done.exit_code == 0, done.output
        return done.stdout

    def audit(self, *arguments: str, **env: str) -> Said:
        done = CliRunner().invoke(app, ["audit", "--format", "json", *arguments], env=self.env | env)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Said(done.exit_code, json.loads(done.stdout), done.stderr)

    def shown(self, *arguments: str, **env: str) -> tuple[int, str]:
        """Exit code and what people are told."""
        done = CliRunner().invoke(app, ["audit", *arguments], env=self.env | env)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    def append(self, records: Sequence[Record]) -> None:
        asyncio.run(self._append(records))

    async def _append(self, records: Sequence[Record]) -> None:
        journal: Journal = SqliteJournal(journal_file(self.folder))
        if self.env["MONGODB_URI"]:
            journal = MongoJournal(MongoStore(self.env["MONGODB_URI"], self.env["MONGODB_DATABASE"]))
        await journal.open()
        await journal.append(records)
        await journal.close()

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        return asyncio.run(mysql_rows(self.mysql, statement, *parameters))

    def mongo(self, work: Callable[[MongoStore], Awaitable[T]]) -> T:
        async def run() -> T:
            store = MongoStore(self.env["MONGODB_URI"], self.env["MONGODB_DATABASE"])
            await store.open()
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def dump(self) -> dict[str, Any]:
        """Everything that the servers hold."""
        names = [row[0] for row in self.sql("SHOW FULL TABLES WHERE table_type = 'BASE TABLE'")]
        held: dict[str, Any] = {name: self.sql(f"SELECT * FROM `{name}`") for name in names}
        return held | (self.mongo(documents) if self.env["MONGODB_URI"] else {})

    @contextmanager
    def spoiled(self, table: str) -> Iterator[None]:
        """Give a table of MySQL back what it holds now, in the end."""
        self.sql(f"CREATE TABLE kept_rows AS SELECT * FROM `{table}`")
        try:
            yield
        finally:
            self.sql(f"DELETE FROM `{table}`")
            self.sql(f"INSERT INTO `{table}` SELECT * FROM kept_rows")
            self.sql("DROP TABLE kept_rows")


@contextmanager
def mysql_and_sqlite(folder: Path) -> Iterator[Stage]:
    """Journal and read model in a folder, a copy in MySQL."""
    with ExitStack() as stack:
        uri = stack.enter_context(services.fresh_mysql_database(services.mysql_uri()))
        stage = Stage(folder, {"MYSQL_URI": uri})
        _fill(stage, "sqlite", "mysql")
        yield stage


@contextmanager
def mysql_and_mongodb(folder: Path) -> Iterator[Stage]:
    """Journal and read model in MongoDB, a copy in MySQL."""
    with ExitStack() as stack:
        uri = services.mongodb_uri()
        database = stack.enter_context(services.fresh_mongodb_database(uri))
        mysql = stack.enter_context(services.fresh_mysql_database(services.mysql_uri()))
        stage = Stage(folder, {"MONGODB_URI": uri, "MONGODB_DATABASE": database, "MYSQL_URI": mysql})
        _fill(stage, "mongodb", "mysql")
        yield stage


def _fill(stage: Stage, *targets: str) -> None:
    for target in targets:
        stage.run("schema", "apply", "--target", target)
    stage.append(stage.records[:-LATER])
    for target in targets:
        stage.run("project", "--catch-up", target)


async def documents(store: MongoStore) -> dict[str, list[Document]]:
    """Every document of a database."""
    names = sorted(await store.database.list_collection_names())
    return {name: await store.collection(name).find({}).sort("_id", 1).to_list() for name in names}
