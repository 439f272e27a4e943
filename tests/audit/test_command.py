"""``tradeengine audit`` on real servers: what differs is found in whichever store, and what is equal is not accused."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from bson.decimal128 import Decimal128
from typer.testing import CliRunner

from shared.clock import SystemClock
from shared.errors import RetrySafe
from shared.mongodb import MongoStore
from tests.audit.stage import LATER, Stage, mysql_and_mongodb, mysql_and_sqlite
from tradeengine.audit.mongodb_copy import MongoCopy
from tradeengine.cli.app import app
from tradeengine.projection.tables import TABLES

NOBODY = "127.0.0.1:9"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Journal and read model in files, a copy in MySQL."""
    with mysql_and_sqlite(tmp_path_factory.mktemp("files")) as stage:
        yield stage


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Journal and read model in MongoDB, a copy in MySQL."""
    with mysql_and_mongodb(tmp_path_factory.mktemp("servers")) as stage:
        yield stage


# ---------------------------------------------------------------- equal


@pytest.mark.parametrize("name", ["files", "servers"])
def test_copies_that_were_made_from_the_journal_are_equal_and_nothing_is_changed(
    name: str, request: pytest.FixtureRequest
) -> None:
    stage: Stage = request.getfixturevalue(name)
    before = stage.dump()

    said = stage.audit()

    assert (said.code, said.document["verdict"], said.document["exchange"]) == (0, "equal", None), said.document
    assert said.document["journal"]["records"] == len(stage.records) - LATER
    assert [one["store"] for one in said.document["stores"]] == ["sqlite" if name == "files" else "mongodb", "mysql"]
    for store in said.document["stores"]:
        assert (store["trouble"], store["records_behind"], store["parked_rows"]) == (None, 0, 0)
        assert {table["table"] for table in store["tables"]} == set(TABLES)
        assert all(table["digest_found"] == table["digest_expected"] for table in store["tables"])
        assert sum(table["rows_found"] for table in store["tables"]) > 50
    assert stage.dump() == before


def test_people_are_shown_one_table_of_all_stores(files: Stage) -> None:
    code, text = files.shown("--table", "fills", "--table", "orders")

    assert code == 0
    rows = [line.split() for line in text.splitlines() if line.split()[1:2] in (["fills"], ["orders"])]
    assert [(row[0], row[1], *row[4:]) for row in rows] == [
        (store, table, "equal", "equal") for store in ("sqlite", "mysql") for table in ("fills", "orders")
    ]
    assert all(row[2] == row[3] != "0" for row in rows)
    assert "mysql: up to date" in text
    assert "equal: everything that was compared" in text


def test_a_copy_that_lags_is_no_difference(files: Stage) -> None:
    with_later = Stage(files.folder, files.env)
    with_later.append(files.records[-LATER:])

    said = files.audit()

    assert (said.code, said.document["verdict"]) == (0, "equal"), said.document
    assert [store["records_behind"] for store in said.document["stores"]] == [LATER, LATER]
    assert said.store("mysql")["behind"] == {"0": LATER}
    assert f"mysql: {LATER} records behind the journal, which is no difference" in files.shown()[1]


def test_a_journal_that_was_archived_is_read_whole(tmp_path: Path) -> None:
    with mysql_and_sqlite(tmp_path) as stage:
        stage.run("journal", "snapshot")
        assert "archived in 1 new files" in stage.run("journal", "archive", "--keep-days", "0")
        said = stage.audit()
        assert (said.code, said.document["journal"]["records"]) == (0, len(stage.records) - LATER), said.document

        for path in (tmp_path / "archive").iterdir():
            path.unlink()
        lost = stage.audit()
        assert (lost.code, lost.document["stores"]) == (3, [])
        assert "archive" in lost.document["journal"]["trouble"]


# ---------------------------------------------------------------- MySQL


@pytest.mark.parametrize(
    ("table", "statement", "kind", "column"),
    [
        ("orders", "UPDATE orders SET status = 'lost' ORDER BY row_no LIMIT 1", "different", "status"),
        ("fills", "UPDATE fills SET fee = fee + 0.000000000000000001 ORDER BY row_no LIMIT 1", "different", "fee"),
        ("fills", "UPDATE fills SET price = NULL ORDER BY row_no LIMIT 1", "different", "price"),
        ("alerts", "DELETE FROM alerts ORDER BY row_no LIMIT 1", "missing", None),
        ("decisions", "DELETE FROM decisions ORDER BY row_no LIMIT 1", "missing", None),
        ("symbol_halts", "INSERT INTO symbol_halts (symbol, halted) VALUES ('NOSUCH', 0)", "extra", None),
    ],
)
def test_a_row_of_mysql_that_differs_is_found(
    files: Stage, table: str, statement: str, kind: str, column: str | None
) -> None:
    if not files.sql(f"SELECT 1 FROM `{table}` LIMIT 1") and kind != "extra":
        pytest.fail(f"the history has no {table}")
    with files.spoiled(table):
        files.sql(statement)
        said = files.audit("--table", table)
        code, text = files.shown("--table", table)

    assert (said.code, said.document["verdict"], code) == (1, "different", 1)
    (one,) = said.differing("mysql")[table]
    assert one["kind"] == kind
    assert said.store("sqlite")["verdict"] == "equal"
    assert all(str(value) in text for value in one["key"].values())
    if column is not None:
        assert one["expected"].keys() == one["found"].keys() == {column}
        assert f"{column} should be {one['expected'][column]} and is" in text


def test_a_sum_that_is_off_is_told_to_the_last_decimal(files: Stage) -> None:
    with files.spoiled("fills"):
        files.sql("UPDATE fills SET fee = fee + 0.000000000000000001 ORDER BY row_no LIMIT 1")
        (table,) = files.audit("--table", "fills").store("mysql")["tables"]

    assert table["sums"].keys() == {"fee"}
    fee = table["sums"]["fee"]
    assert Decimal(fee["found"]) - Decimal(fee["expected"]) == Decimal("1e-18")
    assert table["digest_found"] != table["digest_expected"]


def test_the_order_of_names_in_json_is_no_difference(files: Stage) -> None:
    ((text,),) = files.sql("SELECT metadata FROM decisions WHERE signal_id = 'carries'")
    turned = json.dumps(dict(reversed(json.loads(text).items())))
    assert turned != json.dumps(json.loads(text))
    with files.spoiled("decisions"):
        files.sql("UPDATE decisions SET metadata = %s WHERE signal_id = 'carries'", turned)
        said = files.audit("--table", "decisions")

    assert (said.code, said.differing("mysql")) == (0, {})


def test_a_parked_row_is_a_difference_and_told(files: Stage) -> None:
    with files.spoiled("parked_rows"):
        files.sql(
            "INSERT INTO parked_rows (table_name, row_key, reason, shard, sequence, row_values, parked_at)"
            " VALUES ('fills', '7/BTCUSDT/A', 'too large', 0, 3, '{}', '2026-01-01')"
        )
        said = files.audit("--table", "fills")

    assert said.code == 1
    (row,) = said.store("mysql")["first_parked_rows"]
    assert (said.store("mysql")["parked_rows"], row["key"], row["reason"]) == (1, "7/BTCUSDT/A", "too large")


def test_a_missing_table_is_named_and_not_called_equal(files: Stage) -> None:
    files.sql("RENAME TABLE fills TO fills_away")
    try:
        said = files.audit()
    finally:
        files.sql("RENAME TABLE fills_away TO fills")

    assert (said.code, said.document["verdict"], said.store("mysql")["verdict"]) == (3, "unknown", "unknown")
    assert "lacks fills." in said.store("mysql")["trouble"]
    assert said.store("sqlite")["verdict"] == "equal"


def test_a_mysql_that_is_away_is_named_and_not_called_equal(files: Stage) -> None:
    said = files.audit("--table", "fills", MYSQL_URI=f"mysql://dev:dev@{NOBODY}/none")
    code, text = files.shown("--table", "fills", MYSQL_URI=f"mysql://dev:dev@{NOBODY}/none")

    assert (said.code, code, said.store("mysql")["verdict"]) == (3, 3, "unknown")
    assert NOBODY in said.store("mysql")["trouble"]
    assert "mysql could not be compared" in text
    assert "not known: not everything could be compared" in text


# ---------------------------------------------------------------- MongoDB


def test_a_document_that_was_added_is_found(servers: Stage) -> None:
    async def add(store: MongoStore) -> None:
        fill = await store.collection("fills").find_one({})
        assert fill is not None
        await store.collection("fills").insert_one(fill | {"_id": "1/2/3", "trade_id": "added"})
        await store.collection("fills").insert_one({"_id": "nobody's"})

    async def remove(store: MongoStore) -> None:
        await store.collection("fills").delete_many({"_id": {"$in": ["1/2/3", "nobody's"]}})

    servers.mongo(add)
    try:
        said = servers.audit("--table", "fills")
    finally:
        servers.mongo(remove)

    assert said.code == 1
    added = said.differing("mongodb")["fills"]
    assert [one["kind"] for one in added] == ["extra", "extra"]
    assert {one["key"]["trade_id"] for one in added} == {"added", None}
    assert said.store("mysql")["verdict"] == "equal"


@pytest.mark.parametrize("value", [Decimal128("1.000000000000000001"), Decimal128("NaN"), 1, "1"], ids=repr)
def test_a_number_that_was_changed_is_found_whatever_it_became(servers: Stage, value: object) -> None:
    async def change(store: MongoStore) -> object:
        before = await store.collection("fills").find_one_and_update({}, {"$set": {"price": value}}, sort={"_id": 1})
        assert before is not None
        return before["price"]

    held = servers.mongo(change)

    async def restore(store: MongoStore) -> None:
        await store.collection("fills").find_one_and_update({}, {"$set": {"price": held}}, sort={"_id": 1})

    try:
        said = servers.audit("--table", "fills")
    finally:
        servers.mongo(restore)

    assert said.code == 1
    (one,) = said.differing("mongodb")["fills"]
    assert one["expected"] == {"price": str(held)}
    assert one["found"]["price"] != one["expected"]["price"]


def test_a_batch_that_is_half_written_is_waited_for_and_never_finished(servers: Stage) -> None:
    async def read(store: MongoStore) -> str:
        held = store.collection("checkpoints")
        await held.update_one({"_id": 0}, {"$set": {"redo": {"to": 99, "clear": False, "rows": [], "chunks": []}}})
        copy = MongoCopy(store, SystemClock(), patience_s=0.2)
        try:
            with pytest.raises(RetrySafe) as raised:
                await copy.checkpoint(0)
            checkpoint = await held.find_one({"_id": 0})
            assert checkpoint is not None
            assert checkpoint["redo"]["to"] == 99
        finally:
            await held.update_one({"_id": 0}, {"$set": {"redo": None}})
        assert await copy.checkpoint(0) == len(servers.records) - LATER
        return str(raised.value)

    assert "half written" in servers.mongo(read)


def test_a_journal_that_is_away_is_named_and_nothing_is_called_equal(servers: Stage) -> None:
    away = {"MONGODB_URI": f"mongodb://{NOBODY}", "MONGODB_TIMEOUT_MS": "500"}
    said = servers.audit(**away)

    assert (said.code, said.document["verdict"], said.document["stores"]) == (3, "unknown", [])
    assert said.document["journal"]["trouble"]
    assert "the journal cannot be read" in said.stderr


# ---------------------------------------------------------------- usage


def test_an_unknown_table_is_wrong_usage_and_wrong_settings_are_named_as_such(tmp_path: Path) -> None:
    asked = CliRunner().invoke(app, ["audit", "--table", "nosuch"])
    assert asked.exit_code == 2
    wrong = CliRunner().invoke(
        app, ["audit"], env={"MONGODB_TIMEOUT_MS": "soon", "TRADEENGINE_DATA_DIR": str(tmp_path)}
    )
    assert wrong.exit_code == 78
    empty = CliRunner().invoke(app, ["audit"], env={"TRADEENGINE_DATA_DIR": str(tmp_path), "MONGODB_URI": ""})
    assert (empty.exit_code, list(tmp_path.iterdir())) == (3, [])
