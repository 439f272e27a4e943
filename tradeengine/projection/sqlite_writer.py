"""Writing the read model on SQLite: a batch of records in one transaction."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from shared.sqlite import transaction
from tradeengine.journal.record import Record
from tradeengine.projection.base import DoesNotFollow
from tradeengine.projection.batch import Batch
from tradeengine.projection.changes import CloseContributions, Key
from tradeengine.projection.contributions import Contribution, closed_contributions
from tradeengine.projection.freshness import record_time
from tradeengine.projection.rows import changes_of
from tradeengine.projection.sqlite_codec import TO_STORE, from_store
from tradeengine.projection.tables import TABLES, Table

Checkpoints = dict[int, tuple[int, int]]
"""Sequence and time (milliseconds since 1970 UTC) of the newest applied record, by shard."""


def apply_records(records: Sequence[Record], venue: str, connection: sqlite3.Connection) -> Checkpoints:
    """Apply records that were not applied before, and note them.

    Returns
    -------
    dict
        Checkpoints of all shards after it.

    Raises
    ------
    DoesNotFollow
        If a record does not follow its shard's checkpoint.
    """
    with transaction(connection):
        checkpoints = read_checkpoints(connection)
        batch = Batch(lambda table, key, columns: _load(connection, table, key, columns))
        for record in records:
            applied, time_ms = checkpoints.get(record.shard, (0, 0))
            if record.sequence <= applied:
                continue
            if record.sequence != applied + 1:
                raise DoesNotFollow(
                    f"record {record.sequence} of shard {record.shard} does not follow the checkpoint {applied}: "
                    "read the journal after the checkpoint"
                )
            batch.add(changes_of(record, venue))
            checkpoints[record.shard] = (record.sequence, max(time_ms, record_time(record)))
        _write_rows(connection, batch)
        for closing in batch.closings:
            _close_contributions(connection, closing)
        connection.executemany(
            "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)",
            [(shard, *checkpoint) for shard, checkpoint in checkpoints.items()],
        )
    return checkpoints


def read_checkpoints(connection: sqlite3.Connection) -> Checkpoints:
    """Checkpoints of all shards that have one."""
    rows = connection.execute("SELECT shard, sequence, time_ms FROM checkpoints")
    return {shard: (sequence, time_ms) for shard, sequence, time_ms in rows}


def _write_rows(connection: sqlite3.Connection, batch: Batch) -> None:
    groups: dict[tuple[str, bool, tuple[str, ...]], list[list[Any]]] = {}
    for (table, key), row in batch.rows.items():
        columns = tuple(row.values)
        values = (*row.values.values(), *key)
        groups.setdefault((table, row.made, columns), []).append(_parameters(table, columns, values))
    for (table, made, columns), rows in groups.items():
        statement = _insert(table, columns) if made else _update(table, columns)
        connection.executemany(statement, rows)


def _close_contributions(connection: sqlite3.Connection, closing: CloseContributions) -> None:
    rows = connection.execute(
        "SELECT contribution_id, contribution_quantity, contribution_entry_price FROM position_contributions"
        " WHERE strategy_position_id = ? ORDER BY position_sequence",
        (closing.position_id,),
    )
    held = [Contribution(row_id, Decimal(quantity), Decimal(price)) for row_id, quantity, price in rows]
    for patch in closed_contributions(closing, held):
        columns = tuple(patch.values)
        values = (*patch.values.values(), *patch.key)
        connection.execute(_update(patch.table, columns), _parameters(patch.table, columns, values))


def _load(connection: sqlite3.Connection, name: str, key: Key, columns: Sequence[str]) -> dict[str, Any] | None:
    table = TABLES[name]
    held = connection.execute(_select(name, tuple(columns)), _parameters(name, (), key)).fetchone()
    if held is None:
        return None
    return {column: from_store(table.columns[column], value) for column, value in zip(columns, held, strict=True)}


def _parameters(table: str, columns: tuple[str, ...], values: Iterable[Any]) -> list[Any]:
    """Values of columns, then of the key, as SQLite holds them."""
    return [
        None if value is None else convert(value)
        for convert, value in zip(_converters(table, columns), values, strict=True)
    ]


@lru_cache(maxsize=1024)
def _converters(table: str, columns: tuple[str, ...]) -> tuple[Callable[[Any], Any], ...]:
    found = TABLES[table]
    return tuple([TO_STORE[found.columns[column]] for column in (*columns, *found.key)])


# Table and column names in these statements come from the engine's own tables, values are always parameters.


@lru_cache(maxsize=1024)
def _insert(table: str, columns: tuple[str, ...]) -> str:
    key = TABLES[table].key
    marks = ", ".join("?" * (len(columns) + len(key)))
    changed = ", ".join(f"{column} = excluded.{column}" for column in columns)
    return (
        f"INSERT INTO {table} ({', '.join((*columns, *key))}) VALUES ({marks})"  # noqa: S608
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"
    )


@lru_cache(maxsize=1024)
def _update(table: str, columns: tuple[str, ...]) -> str:
    changed = ", ".join(f"{column} = ?" for column in columns)
    return f"UPDATE {table} SET {changed} WHERE {_is(TABLES[table])}"  # noqa: S608


@lru_cache(maxsize=1024)
def _select(table: str, columns: tuple[str, ...]) -> str:
    return f"SELECT {', '.join(columns)} FROM {table} WHERE {_is(TABLES[table])}"  # noqa: S608


def _is(table: Table) -> str:
    return " AND ".join(f"{column} = ?" for column in table.key)
