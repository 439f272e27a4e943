"""What a read model shows, as plain data to compare."""

import tempfile
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

from shared.clock import Clock, ManualClock
from tests.projection.targets import Model
from tests.support.records import T0
from tradeengine.domain.money import MONEY, ZERO
from tradeengine.projection.sqlite import SqliteReadModel
from tradeengine.projection.tables import TABLES

Rows = list[dict[str, Any]]


def read_model(
    folder: Path, name: str = "read-model.db", *, clock: Clock | None = None, busy_timeout_ms: int = 5_000
) -> SqliteReadModel:
    clock = ManualClock(T0) if clock is None else clock
    return SqliteReadModel(folder / name, venue="paper", clock=clock, busy_timeout_ms=busy_timeout_ms)


def quick_folder() -> "tempfile.TemporaryDirectory[str]":
    """Folder for many short-lived files: in memory where the system has such a place."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)


async def rows_of(model: Model, table: str, **filters: str) -> Rows:
    """Return all rows of a table, page by page, in the order in which they were made."""
    rows: Rows = []
    cursor = None
    while True:
        page = await model.query(table, filters=filters, sort=None, cursor=cursor, limit=500)
        rows += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return rows


async def row_of(model: Model, table: str, **filters: str) -> dict[str, Any]:
    """Return the only row that meets the filters."""
    (row,) = await rows_of(model, table, **filters)
    return row


async def dump(model: Model) -> dict[str, Rows]:
    """Return every table, in the order of its key."""
    return {
        name: sorted(await rows_of(model, name), key=lambda row: [row[column] for column in table.key])
        for name, table in TABLES.items()
    }


def total(rows: Rows, column: str) -> Decimal:
    """Sum of a column, exactly."""
    with localcontext(MONEY):
        return sum((Decimal(row[column]) for row in rows), ZERO)
