"""The schema of the copy in MySQL: equal to the tables that the engine writes, and safe to apply at any time."""

import asyncio
import subprocess
import sys
import zipfile
from pathlib import Path

import pymysql
import pytest
from pymysql.constants import CLIENT

from shared.clock import ManualClock
from shared.errors import ConfigError
from shared.mysql import MySqlThread
from shared.mysql_address import MySqlAddress
from tests.projection.mysql_place import mysql_rows, on_mysql
from tests.support.records import T0, signal_records
from tradeengine.projection.mysql import MySqlReadModel
from tradeengine.projection.mysql_schema import apply_schema, migrations, schema_status
from tradeengine.projection.tables import TABLES, Kind

ROOT = Path(__file__).resolve().parents[2]

_TYPES = {
    Kind.DECIMAL: {"decimal(38,18)"},
    Kind.TIME: {"datetime(3)"},
    Kind.DATE: {"date"},
    Kind.INTEGER: {"bigint(20)", "bigint"},
    Kind.BOOLEAN: {"tinyint(1)"},
    # MariaDB keeps JSON as a text that must be JSON.
    Kind.JSON: {"json", "longtext"},
    Kind.TEXT: {"varchar(64)", "varchar(128)", "text"},
}


@pytest.fixture
def address(mysql_uri: str) -> MySqlAddress:
    return MySqlAddress.parse(mysql_uri)


def model_at(address: MySqlAddress) -> MySqlReadModel:
    return MySqlReadModel(address, venue="paper", clock=ManualClock(T0))


# ---------------------------------------------------------------- the files


async def test_the_files_make_exactly_the_tables_that_the_engine_writes(address: MySqlAddress) -> None:
    await on_mysql(address, apply_schema)
    columns = await mysql_rows(
        address,
        "SELECT table_name, column_name, column_type, is_nullable, collation_name FROM information_schema.columns"
        " WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position",
    )
    keys = await mysql_rows(
        address,
        "SELECT table_name, index_name, column_name FROM information_schema.statistics"
        " WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index",
    )
    indexes: dict[tuple[str, str], tuple[str, ...]] = {}
    for table_name, index, column in keys:
        indexes[table_name, index] = (*indexes.get((table_name, index), ()), column)
    for table in TABLES.values():
        made = {name: rest for in_table, name, *rest in columns if in_table == table.name}
        assert list(made) == ["row_no", *table.columns], table.name
        for name, kind in table.columns.items():
            column_type, nullable, collation = made[name]
            assert column_type in _TYPES[kind], f"{table.name}.{name}"
            assert (nullable == "NO") is (name in table.key), f"{table.name}.{name}"
            assert kind is not Kind.TEXT or collation == "utf8mb4_bin", f"{table.name}.{name}"
        assert indexes[table.name, "PRIMARY"] == table.key
        present = {key for (in_table, _), key in indexes.items() if in_table == table.name}
        assert present >= {("row_no",), *table.indexes}, table.name
    others = {in_table for in_table, *_ in columns} - TABLES.keys()
    assert others == {"schema_version", "checkpoints", "parked_rows", "strategy_performance", "contribution_summary"}


def test_the_files_are_numbered_without_holes() -> None:
    steps = migrations()
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    for step in steps:
        assert f"VALUES ({step.number}, '{step.name}', UTC_TIMESTAMP(3))" in step.statements()[-1]


async def test_a_file_stands_alone_and_may_be_run_again(address: MySqlAddress) -> None:
    for _ in range(2):
        with pymysql.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            database=address.database,
            client_flag=CLIENT.MULTI_STATEMENTS,
            autocommit=True,
        ) as connection:
            for step in migrations():
                with connection.cursor() as cursor:
                    cursor.execute(step.sql)
                    while cursor.nextset():
                        pass
    assert (await on_mysql(address, schema_status)).pending == []
    model = model_at(address)
    await model.open()
    await model.apply(signal_records(1))
    await model.close()
    assert await on_mysql(address, apply_schema) == []
    assert await mysql_rows(address, "SELECT COUNT(*) FROM decisions") == [(1,)]


@pytest.mark.slow
def test_a_wheel_brings_the_files(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    unpacked = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(unpacked)
    ask = "from tradeengine.projection.mysql_schema import migrations; print([m.sql for m in migrations()])"
    command = [sys.executable, "-c", ask]
    said = subprocess.run(
        command, cwd=unpacked, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(unpacked)}
    )
    assert said.stdout.strip() == str([step.sql for step in migrations()])
    assert (unpacked / "tradeengine" / "projection" / "migrations" / "mysql").is_dir()


# ---------------------------------------------------------------- what is refused


async def test_an_empty_database_is_refused_until_the_schema_is_applied(address: MySqlAddress) -> None:
    model = model_at(address)
    with pytest.raises(ConfigError, match="lacks 0001 tables, 0002 views: run tradeengine schema apply --target mysql"):
        await model.open()

    await on_mysql(address, apply_schema)
    await model.open()
    await model.close()


async def test_a_newer_schema_is_refused(address: MySqlAddress) -> None:
    await on_mysql(address, apply_schema)
    await mysql_rows(address, "INSERT INTO schema_version VALUES (99, 'of tomorrow', UTC_TIMESTAMP(3))")

    with pytest.raises(ConfigError, match=f"is version 99, this engine knows {len(migrations())}"):
        await model_at(address).open()
    assert (await on_mysql(address, schema_status)).unknown == [99]


async def test_a_column_that_somebody_took_away_is_named(address: MySqlAddress) -> None:
    await on_mysql(address, apply_schema)
    await mysql_rows(address, "ALTER TABLE fills DROP COLUMN fee")

    with pytest.raises(ConfigError, match=r"lacks fills\.fee"):
        await model_at(address).open()


async def test_an_interrupted_migration_is_applied_again(address: MySqlAddress) -> None:
    first = migrations()[0].statements()
    for statement in first[: len(first) // 2]:
        await mysql_rows(address, statement)
    assert len((await on_mysql(address, schema_status)).pending) == len(migrations())

    assert await on_mysql(address, apply_schema) == migrations()
    assert (await on_mysql(address, schema_status)).missing == []


async def test_two_processes_that_apply_at_once_wait_for_each_other(address: MySqlAddress) -> None:
    threads = [MySqlThread(address) for _ in range(4)]
    for thread in threads:
        thread.start()
    done = await asyncio.gather(*[thread.run(apply_schema) for thread in threads])
    for thread in threads:
        await thread.close()
    assert sorted(map(len, done)) == [0, 0, 0, len(migrations())]
