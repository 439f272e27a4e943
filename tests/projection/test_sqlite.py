"""The read model's file: schema, and a store that refuses."""

import sqlite3
from pathlib import Path

import pytest

from shared.errors import ConfigError, RetrySafe
from tests.projection.tables import read_model, rows_of
from tests.support.records import signal_records
from tradeengine.projection.sqlite import SCHEMA_VERSION


async def test_an_older_schema_is_made_anew(tmp_path: Path) -> None:
    model = read_model(tmp_path)
    await model.open()
    await model.apply(signal_records(2))
    await model.close()
    with sqlite3.connect(model.path) as connection:
        connection.execute("UPDATE schema_version SET version = 0")
    connection.close()

    again = read_model(tmp_path)
    await again.open()
    assert await again.checkpoint(0) == 0
    assert await rows_of(again, "decisions") == []
    await again.apply(signal_records(2))
    assert len(await rows_of(again, "decisions")) == 2
    await again.close()


async def test_a_newer_schema_is_a_configuration_error(tmp_path: Path) -> None:
    model = read_model(tmp_path)
    await model.open()
    await model.close()
    with sqlite3.connect(model.path) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    connection.close()

    known = rf"schema is version 99, this engine knows {SCHEMA_VERSION}.*move the file away"
    with pytest.raises(ConfigError, match=known):
        await read_model(tmp_path).open()


async def test_a_file_of_another_kind_is_a_configuration_error(tmp_path: Path) -> None:
    model = read_model(tmp_path)
    with sqlite3.connect(model.path) as connection:
        connection.execute("CREATE TABLE cookies (name TEXT)")
    connection.close()

    with pytest.raises(ConfigError, match="it is no read model of the engine"):
        await model.open()


async def test_a_locked_file_is_retry_safe(tmp_path: Path) -> None:
    model = read_model(tmp_path, busy_timeout_ms=20)
    await model.open()
    other = sqlite3.connect(model.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RetrySafe, match="another process holds it locked"):
        await model.apply(signal_records(1))
    other.execute("ROLLBACK")
    other.close()

    await model.apply(signal_records(1))
    assert await model.checkpoint(0) == 1
    await model.close()
