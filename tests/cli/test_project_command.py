"""``tradeengine project``: makes a copy anew from the journal, or brings it up to the journal's end."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from shared.clock import ManualClock
from shared.mongodb import MongoStore
from shared.mysql_address import MySqlAddress
from tests.projection.mysql_place import mysql_rows
from tests.projection.tables import Rows, dump
from tests.projection.targets import Model
from tests.support.records import T0, Move, RecordedWorld, play
from tradeengine.cli.app import app
from tradeengine.journal.base import Journal
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.journal.record import Record
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.projection.mongodb import MongoReadModel
from tradeengine.projection.mysql import MySqlReadModel
from tradeengine.projection.sqlite import SqliteReadModel
from tradeengine.runtime.files import journal_file, lock_folder, read_model_file


class Stores:
    """A journal and a copy made from it, as the environment names them.

    Parameters
    ----------
    target
        Kind of the copy; with the one in MongoDB the journal is there too.
    """

    def __init__(self, target: str, folder: Path, mysql_uri: str, mongodb: tuple[str, str]) -> None:
        self.target = target
        self.folder = folder
        self._mysql = MySqlAddress.parse(mysql_uri)
        self._mongodb = mongodb
        self.env = {"TRADEENGINE_DATA_DIR": str(folder), "COLUMNS": "300", "MONGODB_URI": "", "MYSQL_URI": ""}
        if target == "mysql":
            self.env["MYSQL_URI"] = mysql_uri
        if target == "mongodb":
            self.env |= {"MONGODB_URI": mongodb[0], "MONGODB_DATABASE": mongodb[1]}

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, env=self.env)

    def write(self, records: list[Record]) -> None:
        asyncio.run(self._write(records))

    def spoil(self) -> None:
        """Change and take out rows of the copy."""
        asyncio.run(self._spoil())

    def tables(self) -> dict[str, Rows]:
        return asyncio.run(self._tables())

    async def _write(self, records: list[Record]) -> None:
        journal: Journal = SqliteJournal(journal_file(self.folder))
        if self.target == "mongodb":
            journal = MongoJournal(MongoStore(*self._mongodb))
        await journal.open()
        await journal.append(records)
        await journal.close()

    async def _spoil(self) -> None:
        if self.target == "mysql":
            await mysql_rows(self._mysql, "UPDATE positions SET pnl = 1")
            await mysql_rows(self._mysql, "DELETE FROM fills LIMIT 3")
        elif self.target == "mongodb":
            store = MongoStore(*self._mongodb)
            await store.open()
            await store.collection("positions").update_many({}, {"$set": {"pnl": 1}})
            await store.collection("fills").delete_one({})
            await store.close()
        else:
            read_model_file(self.folder).write_bytes(b"this is no database")

    async def _tables(self) -> dict[str, Rows]:
        store, clock = MongoStore(*self._mongodb), ManualClock(T0)
        models: dict[str, Model] = {
            "mysql": MySqlReadModel(self._mysql, venue="paper", clock=clock),
            "mongodb": MongoReadModel(store, venue="paper", clock=clock),
            "sqlite": SqliteReadModel(read_model_file(self.folder), venue="paper", clock=clock),
        }
        model = models[self.target]
        await model.open()
        tables = await dump(model)
        await model.close()
        await store.close()
        return tables


@pytest.fixture(params=["mysql", "mongodb", "sqlite"])
def stores(
    request: pytest.FixtureRequest, tmp_path: Path, mysql_uri: str, mongodb_uri: str, mongodb_database: str
) -> Stores:
    made = Stores(request.param, tmp_path, mysql_uri, (mongodb_uri, mongodb_database))
    done = made.run("schema", "apply", "--target", request.param)
    assert done.exit_code == 0, done.output
    return made


def history() -> list[Record]:
    moves: list[Move] = []
    for number in range(20):
        moves += [("buy", number, 1, number), ("fill", 0, 1, 3), ("fund", 1, 1, number), ("cut", 0, 0, 0)]
    return play(RecordedWorld(), moves)


def expected(folder: Path, records: list[Record]) -> dict[str, Rows]:
    async def made() -> dict[str, Rows]:
        model = SqliteReadModel(folder / "expected.db", venue="paper", clock=ManualClock(T0))
        await model.open()
        await model.apply(records)
        tables = await dump(model)
        await model.close()
        return tables

    return asyncio.run(made())


def test_a_copy_is_caught_up_goes_on_and_is_made_anew_when_it_is_spoiled(stores: Stores, tmp_path: Path) -> None:
    records = history()
    half = len(records) // 2
    for part in (records[:half], records[half:]):
        stores.write(part)
        done = stores.run("project", "--catch-up", stores.target)
        assert done.exit_code == 0, done.output
        assert f"{stores.target} holds all {part[-1].sequence} records of the journal" in done.output
    wanted = expected(tmp_path, records)
    assert stores.tables() == wanted

    stores.spoil()
    for _ in range(2):
        done = stores.run("project", "--rebuild", stores.target)
        assert done.exit_code == 0, done.output
        assert stores.tables() == wanted


@pytest.mark.parametrize("arguments", [(), ("--rebuild", "mysql", "--catch-up", "mysql"), ("--rebuild", "oracle")])
def test_one_copy_must_be_named(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["project", *arguments]).exit_code == 2


def test_a_folder_without_a_journal_is_a_configuration_error(tmp_path: Path) -> None:
    env = {"TRADEENGINE_DATA_DIR": str(tmp_path), "MONGODB_URI": "", "COLUMNS": "300"}
    done = CliRunner().invoke(app, ["project", "--rebuild", "sqlite"], env=env)
    assert done.exit_code == 78
    assert "there is no such file" in done.output


def test_the_file_of_an_engine_that_runs_is_left_alone(tmp_path: Path, mysql_uri: str) -> None:
    stores = Stores("sqlite", tmp_path, mysql_uri, ("", ""))
    stores.write(history())
    with lock_folder(tmp_path):
        done = stores.run("project", "--rebuild", "sqlite")
    assert done.exit_code == 78
    assert "another engine works in the data folder" in done.output
    assert not read_model_file(tmp_path).exists()
