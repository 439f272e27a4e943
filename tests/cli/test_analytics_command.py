"""``tradeengine analytics``: lists, asks, prints, and says what to do when it cannot."""

import csv
import io
import json
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from typer.testing import CliRunner, Result

from tests.analytics.history import small_history
from tests.analytics.known import KNOWN
from tests.analytics.stores import STORES, Filled, filled
from tradeengine.analytics.library import find, queries
from tradeengine.cli.app import app
from tradeengine.cli.base import out


@pytest.fixture(scope="module")
def stores() -> Iterator[Filled]:
    with filled(small_history()) as made:
        yield made


def run(*arguments: str, stores: Filled | None = None, **env: str) -> Result:
    named = {"COLUMNS": "300", "MYSQL_URI": "", "MONGODB_URI": "", **env}
    if stores is not None:
        named |= {
            "MYSQL_URI": stores.mysql_uri,
            "MONGODB_URI": stores.mongodb_uri,
            "MONGODB_DATABASE": stores.mongodb_database,
        }
    # Whatever terminal the tests run in: a table that is cut has other lines.
    with patch.object(out, "_width", 300):
        return CliRunner().invoke(app, ["analytics", *arguments], env=named)


@pytest.mark.parametrize("store", STORES)
def test_an_answer_as_json_csv_and_table(stores: Filled, store: str) -> None:
    names, *lines = KNOWN["duplicates"]
    as_json = run("duplicates", "--store", store, "--format", "json", stores=stores)
    assert as_json.exit_code == 0, as_json.output
    rows = json.loads(as_json.stdout)
    assert rows[1] == {
        "strategy_id": "beta",
        "signals": 5,
        "copied": 1,
        "copies": 2,
        "most_copies": 2,
        "copied_share": "0.2",
        "last_copy_at": "2026-01-01T14:40:02.000Z",
    }
    assert rows[0]["last_copy_at"] is None

    as_csv = run("duplicates", "--store", store, "--format", "csv", stores=stores)
    assert list(csv.reader(io.StringIO(as_csv.stdout))) == [
        names,
        *[["" if cell == "-" else cell for cell in line] for line in lines],
    ]

    as_table = run("duplicates", "--store", store, stores=stores)
    for line in lines:
        assert any(all(cell in shown for cell in line) for shown in as_table.stdout.splitlines())


@pytest.mark.parametrize("store", STORES)
def test_options_confine_the_answer(stores: Filled, store: str) -> None:
    def closed(*options: str) -> list[tuple[str, int]]:
        done = run("symbols", "--store", store, "--format", "json", *options, stores=stores)
        assert done.exit_code == 0, done.output
        return [(row["symbol"], row["closed"]) for row in json.loads(done.stdout)]

    assert closed("--from", "2026-01-02") == [("BTCUSDT", 1)]
    assert closed("--to", "2026-01-01T17:00+02:00", "--symbol", "BTCUSDT") == [("BTCUSDT", 2)]
    assert closed("--strategy", "beta") == [("ETHUSDT", 2), ("BTCUSDT", 1)]
    assert closed("--strategy", "nobody") == []


def test_without_a_name_all_are_listed() -> None:
    for arguments in ((), ("list",)):
        done = run(*arguments)
        assert done.exit_code == 0
        assert all(name in done.stdout for name in queries())
    assert [row["name"] for row in json.loads(run("list", "--format", "json").stdout)] == list(queries())


def test_mysql_is_asked_if_both_are_named(stores: Filled) -> None:
    done = run("symbols", "--format", "json", stores=Filled(stores.mysql_uri, "mongodb://127.0.0.1:9", "x"))
    assert done.exit_code == 0, done.output


def test_the_query_itself_is_printed() -> None:
    assert run("symbols", "--show", "sql").stdout == find("symbols").sql
    assert run("symbols", "--show", "mongodb").stdout == find("symbols").json
    sql = run("symbols", "--show", "sql", "--strategy", r"o'\x", "--from", "2026-01-02").stdout
    assert sql.startswith(r"SET @from = '2026-01-02 00:00:00.000', @strategy_id = 'o''\\x';")
    command = json.loads(run("symbols", "--show", "mongodb", "--to", "2026-01-02", "--symbol", "X").stdout)
    assert command["pipeline"][0] == {
        "$match": {"exit_time": {"$lt": {"$date": "2026-01-02T00:00:00Z"}}, "symbol": "X"}
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("drawdown",), "did you mean drawdowns"),
        (("symbols", "--from", "yesterday"), "is no ISO 8601 date or time"),
        (("symbols", "--from", "2026-01-02", "--to", "2026-01-01"), "from must lie before to"),
        (("exposure", "--from", "2026-01-02"), "takes no from"),
        (("daily_results", "--to", "2026-01-02T01:00"), "whole days"),
    ],
)
def test_wrong_usage_is_told(arguments: tuple[str, ...], told: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert told in done.output


def test_no_store_is_a_configuration_error() -> None:
    done = run("symbols")
    assert done.exit_code == 78
    assert "set MYSQL_URI or MONGODB_URI" in done.output
    for store in STORES:
        named = run("symbols", "--store", store)
        assert named.exit_code == 78
        assert f"set {store.upper()}_URI" in named.output


def test_a_store_without_its_schema_is_a_configuration_error(
    mysql_uri: str, mongodb_uri: str, mongodb_database: str
) -> None:
    for store in STORES:
        done = run("symbols", "--store", store, stores=Filled(mysql_uri, mongodb_uri, mongodb_database))
        assert done.exit_code == 78, done.output
        assert f"tradeengine schema apply --target {store}" in done.output
