"""``tradeengine journal``: archives what nothing needs any more, and nothing that reads the journal notices."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contracts.subjects import shard_of
from shared.clock import ManualClock
from shared.mongodb import MongoStore
from tests.cli.test_simulate_command import busy
from tests.projection.tables import Rows, dump
from tests.support.process import bound_by_permissions, tradeengine
from tests.support.records import T0, signal_records
from tests.support.toxiproxy import Toxiproxy
from tradeengine.cli.app import app
from tradeengine.journal.archive import Archive
from tradeengine.journal.archive_whole import WholeJournal
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.projection.sqlite import SqliteReadModel
from tradeengine.runtime.files import archive_folder, journal_file, read_model_file


class Engine:
    """A data folder with the history of a simulation, and the command line over it."""

    def __init__(self, folder: Path) -> None:
        market = busy(folder)
        market.run("--slippage-bps", "2")
        self.folder = market.store
        self.env = {"TRADEENGINE_DATA_DIR": str(self.folder), "COLUMNS": "300", "MONGODB_URI": "", "MYSQL_URI": ""}

    def run(self, *arguments: str, **env: str) -> Result:
        done = CliRunner().invoke(app, arguments, env=self.env | env)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return done

    def good(self, *arguments: str, **env: str) -> str:
        done = self.run(*arguments, **env)
        assert done.exit_code == 0, done.output
        return done.stdout

    def replay(self) -> str:
        return self.good("replay", "--store", str(self.folder))

    def tables(self) -> dict[str, Rows]:
        async def read() -> dict[str, Rows]:
            model = SqliteReadModel(read_model_file(self.folder), venue="paper", clock=ManualClock(T0))
            await model.open()
            tables = await dump(model)
            await model.close()
            return tables

        return asyncio.run(read())

    def spans(self) -> dict[int, tuple[int, int]]:
        """First and last sequence that the journal holds, by shard."""

        async def read() -> dict[int, tuple[int, int]]:
            journal = SqliteJournal(journal_file(self.folder))
            await journal.open()
            spans = {
                n: (await journal.first_sequence(n), await journal.last_sequence(n)) for n in await journal.shards()
            }
            await journal.close()
            return spans

        return asyncio.run(read())


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


def test_without_a_snapshot_nothing_is_archived(engine: Engine) -> None:
    before = engine.spans()

    said = engine.good("journal", "archive", "--keep-records", "0")

    assert said.count("nothing to archive; it has no snapshot yet") == len(before) == 8
    assert engine.spans() == before


def test_replay_and_copies_are_the_same_when_all_is_archived(engine: Engine) -> None:
    replayed, tables, before = engine.replay(), engine.tables(), engine.spans()
    assert replayed.startswith("no difference: ")
    assert "shard 0: snapshot " in engine.good("journal", "snapshot")

    dry = engine.good("journal", "archive", "--keep-records", "0", "--dry-run")
    assert engine.spans() == before
    assert not archive_folder(engine.folder).exists()
    done = engine.good("journal", "archive", "--keep-records", "0")
    assert done == dry.replace("would be archived", "archived in 1 new files")
    assert engine.spans() == {shard: (last + 1, last) for shard, (_, last) in before.items()}
    assert len(Archive(archive_folder(engine.folder)).files()) == 8

    assert engine.replay() == replayed
    engine.good("project", "--rebuild", "sqlite")
    assert engine.tables() == tables
    again = engine.good("journal", "archive", "--keep-records", "0")
    assert again.count("nothing to archive; everything is archived") == 8


def test_what_is_archived_elsewhere_is_read_from_there(engine: Engine, tmp_path: Path) -> None:
    replayed, elsewhere = engine.replay(), str(tmp_path / "cold" / "storage")
    engine.good("journal", "snapshot")
    engine.good("journal", "archive", "--keep-records", "1", "--to", elsewhere)

    lost = engine.run("replay", "--store", str(engine.folder))
    assert lost.exit_code == 78
    assert "lacks record 1 of shard 0: it holds none of that shard; bring back the file" in lost.stderr
    assert engine.good("replay", "--store", str(engine.folder), "--archive", elsewhere) == replayed
    engine.good("project", "--rebuild", "sqlite", ARCHIVE_DIR=elsewhere)
    assert "are neither in the journal nor in" in engine.run("journal", "status").stdout
    assert "neither" not in engine.good("journal", "status", ARCHIVE_DIR=elsewhere)


def test_records_are_kept_for_the_days_that_are_set(engine: Engine) -> None:
    engine.good("journal", "snapshot")
    before = engine.spans()

    said = engine.good("journal", "archive", JOURNAL_KEEP_DAYS="30000")
    assert said.count("nothing to archive; the records behind it are too new") == 8
    assert engine.spans() == before
    # The simulated day is long ago.
    assert "archived in 1 new files" in engine.good("journal", "archive", "--keep-days", "1")


def test_records_that_the_read_model_lacks_stay(engine: Engine) -> None:
    engine.good("journal", "snapshot")
    before = engine.spans()
    behind, lost = shard_of("BTCUSDT", 8), shard_of("ETHUSDT", 8)
    with closing(sqlite3.connect(read_model_file(engine.folder))) as connection, connection:
        connection.execute("UPDATE checkpoints SET sequence = 2 WHERE shard = ?", (behind,))
        connection.execute("DELETE FROM checkpoints WHERE shard = ?", (lost,))
    why = "the read model has not applied more yet"

    said = engine.good("journal", "archive", "--keep-records", "0").splitlines()

    assert said[behind] == f"shard {behind}: records 1 to 2 archived in 1 new files; {why}"
    assert said[lost] == f"shard {lost}: nothing to archive; {why}"
    after = engine.spans()
    assert (after.pop(behind), after.pop(lost)) == ((3, before[behind][1]), before[lost])
    assert all(first == last + 1 for first, last in after.values())
    read_model_file(engine.folder).unlink()
    said = engine.good("journal", "archive", "--keep-records", "0").splitlines()
    assert said[behind] == f"shard {behind}: nothing to archive; {why}"


def test_i97_a_mysql_that_is_down_keeps_its_records(engine: Engine, mysql_uri: str, toxiproxy: Toxiproxy) -> None:
    engine.good("journal", "snapshot")
    engine.good("schema", "apply", "--target", "mysql", MYSQL_URI=mysql_uri)
    before, proxy = engine.spans(), toxiproxy.proxy(mysql_uri)

    proxy.down()
    away = engine.run("journal", "archive", "--keep-records", "0", MYSQL_URI=proxy.url)
    assert away.exit_code == 1
    assert "the copy in MySQL does not say what it has, so nothing may be trimmed" in away.stderr
    assert engine.spans() == before

    proxy.up()
    behind = engine.good("journal", "archive", "--keep-records", "0", MYSQL_URI=proxy.url)
    assert behind.count("nothing to archive; the copy in MySQL has not applied more yet") == 8
    assert engine.spans() == before
    engine.good("project", "--catch-up", "mysql", MYSQL_URI=mysql_uri)
    assert "archived in 1 new files" in engine.good("journal", "archive", "--keep-records", "0", MYSQL_URI=proxy.url)


def test_a_journal_in_mongodb_is_archived_up_to_what_its_read_model_has(
    tmp_path: Path, mongodb_uri: str, mongodb_database: str
) -> None:
    env = {"TRADEENGINE_DATA_DIR": str(tmp_path), "COLUMNS": "300", "MYSQL_URI": ""}
    env |= {"MONGODB_URI": mongodb_uri, "MONGODB_DATABASE": mongodb_database}

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments, env=env)
        assert done.exit_code == 0, done.output
        return done.stdout

    async def write() -> str:
        journal = MongoJournal(MongoStore(mongodb_uri, mongodb_database))
        await journal.open()
        await journal.append(signal_records(30))
        digest = await journal.digest()
        await journal.close()
        return digest

    async def whole_digest() -> str:
        journal = WholeJournal(
            Archive(archive_folder(tmp_path)), MongoJournal(MongoStore(mongodb_uri, mongodb_database))
        )
        await journal.open()
        digest = await journal.digest()
        await journal.close()
        return digest

    run("schema", "apply", "--target", "mongodb")
    digest = asyncio.run(write())
    run("journal", "snapshot")
    lacking = "shard 0: nothing to archive; the read model in MongoDB has not applied more yet\n"
    assert run("journal", "archive", "--keep-records", "5") == lacking
    run("project", "--catch-up", "mongodb")
    kept = "shard 0: records 1 to 25 archived in 1 new files; the newest 5 records are to stay\n"
    assert run("journal", "archive", "--keep-records", "5") == kept
    assert "  journal   records 26 to 30, " in run("journal", "status")
    assert asyncio.run(whole_digest()) == digest
    run("project", "--rebuild", "mongodb")


def test_status_tells_what_is_where_and_what_is_wrong(engine: Engine) -> None:
    engine.good("journal", "snapshot")
    last = engine.spans()[0][1]
    fresh = engine.good("journal", "status").splitlines()
    assert fresh[0] == "shard 0"
    assert fresh[1].startswith(f"  journal   records 1 to {last}, 2026-01-05 ")
    assert f"({last} records, " in fresh[1]
    assert fresh[2].startswith(f"  snapshot  {last}, ")
    assert fresh[3] == "  archive   nothing"

    engine.good("journal", "archive", "--keep-records", "0")
    later = engine.good("journal", "status").splitlines()
    assert later[1] == f"  journal   nothing, the next record is {last + 1}"
    assert later[3] == f"{fresh[1].replace('journal', 'archive', 1)}, 1 files"

    files = Archive(archive_folder(engine.folder)).files()
    files[0].path.write_bytes(b"")
    files[1].path.unlink()
    wrong = engine.run("journal", "status")
    assert wrong.exit_code == 1
    assert f"records 1 to {last} of shard 0, is damaged" in wrong.stdout
    assert f"records 1 to {files[1].last} of shard 1 are neither in the journal nor in" in wrong.stdout


def test_a_snapshot_that_is_lost_is_made_anew_from_the_archive(engine: Engine) -> None:
    engine.good("journal", "snapshot")
    with closing(sqlite3.connect(journal_file(engine.folder))) as connection:
        kept = connection.execute("SELECT * FROM snapshots").fetchall()
    engine.good("journal", "archive", "--keep-records", "0")
    with closing(sqlite3.connect(journal_file(engine.folder))) as connection, connection:
        connection.execute("DELETE FROM snapshots")

    engine.good("journal", "snapshot")

    with closing(sqlite3.connect(journal_file(engine.folder))) as connection:
        assert connection.execute("SELECT * FROM snapshots").fetchall() == kept


def test_a_snapshot_that_cannot_be_read_keeps_its_records(engine: Engine) -> None:
    engine.good("journal", "snapshot")
    with closing(sqlite3.connect(journal_file(engine.folder))) as connection, connection:
        connection.execute("UPDATE snapshots SET state = '{' WHERE shard = 0")

    done = engine.run("journal", "archive", "--keep-records", "0")

    assert done.exit_code == 78
    assert "of shard 0 cannot be read" in done.stderr
    assert "tradeengine journal snapshot" in done.stderr
    assert engine.spans()[0][0] == 1


def test_another_engines_archive_is_not_mixed_up_with_this_ones(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Engine(tmp_path / "other")
    engine.good("journal", "snapshot")
    engine.good("journal", "archive", "--keep-records", "0")
    other.good("journal", "snapshot")
    other.good("journal", "archive", "--keep-records", "0")
    with closing(sqlite3.connect(journal_file(engine.folder))) as connection, connection:
        connection.execute("""UPDATE snapshots SET state = replace(state, '"journal_id":"', '"journal_id":"other-')""")
    shutil.rmtree(archive_folder(engine.folder))
    archive_folder(other.folder).rename(archive_folder(engine.folder))

    done = engine.run("replay", "--store", str(engine.folder))

    assert done.exit_code == 78
    assert "name the archive of this journal" in done.stderr


@pytest.mark.process
def test_commands_that_only_read_need_no_folder_that_takes_files(engine: Engine) -> None:
    engine.good("journal", "snapshot")
    commands = (
        ("replay", "--store", str(engine.folder)),
        ("journal", "status"),
        ("journal", "archive", "--keep-records", "0", "--dry-run"),
        ("audit", "--no-exchange"),
    )
    said = [engine.good(*command) for command in commands]
    before = {file.name: file.read_bytes() for file in engine.folder.iterdir() if file.is_file()}
    engine.folder.chmod(0o555)
    try:
        for command, expected in zip(commands, said, strict=True):
            done = tradeengine(*command, env=engine.env, through=bound_by_permissions())
            assert (done.returncode, done.stdout) == (0, expected), (command, done.stderr)
    finally:
        engine.folder.chmod(0o755)
    assert {file.name: file.read_bytes() for file in engine.folder.iterdir() if file.is_file()} == before
