"""An audit finds what is not as the journal says, and nothing else, also while the engine goes on to write."""

import random
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.query import Page
from shared.clock import ManualClock
from tests.projection.tables import dump, read_model
from tests.support.records import MOVES, T0, Move, RecordedWorld, play
from tradeengine.audit.audit import Audit
from tradeengine.audit.report import CopyReport, Verdict
from tradeengine.audit.sqlite_copy import SqliteCopy
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.projection.base import Parked
from tradeengine.projection.sqlite import SqliteReadModel

SEED = 20_261_121


def history() -> list[Record]:
    """A few hundred records of everything that happens."""
    chance = random.Random(SEED)
    moves: list[Move] = [
        (chance.choice(MOVES), chance.randrange(1000), chance.randrange(1000), chance.randrange(1000))
        for _ in range(2_000)
    ]
    return play(RecordedWorld(), moves)


RECORDS = history()


@pytest.fixture
async def journal() -> MemoryJournal:
    made = MemoryJournal()
    await made.append(RECORDS)
    return made


@pytest.fixture
async def copy(tmp_path: Path) -> AsyncIterator[SqliteReadModel]:
    model = read_model(tmp_path, "copy.sqlite")
    await model.open()
    await model.apply(RECORDS)
    yield model
    await model.close()


async def audited(journal: MemoryJournal, copy: SqliteReadModel, folder: Path) -> CopyReport:
    audit = Audit(journal, venue="paper", clock=ManualClock(T0), folder=folder)
    found = SqliteCopy(copy.path)
    await found.open()
    try:
        return await audit.compare("copy", found)
    finally:
        await found.close()


def tamper(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "copy.sqlite") as connection:
        assert connection.execute(statement).rowcount == 1
    connection.close()


def found(report: CopyReport) -> list[tuple[str, str]]:
    return [(table.table, one.kind) for table in report.tables for one in table.differences]


async def test_what_was_made_from_the_journal_is_equal(
    journal: MemoryJournal, copy: SqliteReadModel, tmp_path: Path
) -> None:
    before = await dump(copy)
    report = await audited(journal, copy, tmp_path)

    assert report.equal
    assert report.behind == {}
    rows = {table.table: table.rows for table in report.tables}
    assert rows == {name: len(held) for name, held in before.items()}
    assert rows["fills"] > 100
    assert await dump(copy) == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("audit")] == []


@pytest.mark.parametrize(
    ("statement", "table", "kind"),
    [
        ("UPDATE fills SET fee = '0.000000000000000001' WHERE row_number = 7", "fills", "different"),
        ("UPDATE orders SET status = 'lost' WHERE row_number = 3", "orders", "different"),
        ("UPDATE positions SET quantity = '77' WHERE row_number = 2", "positions", "different"),
        ("DELETE FROM decisions WHERE row_number = 11", "decisions", "missing"),
        ("INSERT INTO symbol_halts (symbol, halted) VALUES ('NOSUCH', 0)", "symbol_halts", "extra"),
    ],
)
async def test_one_row_that_differs_is_found(
    journal: MemoryJournal, copy: SqliteReadModel, tmp_path: Path, statement: str, table: str, kind: str
) -> None:
    tamper(tmp_path, statement)

    report = await audited(journal, copy, tmp_path)

    assert not report.equal
    assert found(report) == [(table, kind)]


async def test_a_difference_names_row_column_and_both_values(
    journal: MemoryJournal, copy: SqliteReadModel, tmp_path: Path
) -> None:
    (held,) = (await copy.query("fills", filters={}, sort=None, cursor=None, limit=1)).rows
    tamper(tmp_path, "UPDATE fills SET price = '1.5' WHERE row_number = 1")

    report = await audited(journal, copy, tmp_path)

    (one,) = [difference for table in report.tables for difference in table.differences]
    assert one.key == {name: held[name] for name in ("trade_id", "symbol", "strategy_id")}
    assert (one.expected, one.found) == ({"price": held["price"]}, {"price": "1.5"})
    (fills,) = [table for table in report.tables if table.table == "fills"]
    expected, copied = fills.sums["price"]
    assert expected - copied == Decimal(held["price"]) - Decimal("1.5")


async def test_the_order_of_names_in_json_is_no_difference(
    journal: MemoryJournal, copy: SqliteReadModel, tmp_path: Path
) -> None:
    tamper(
        tmp_path,
        "UPDATE decisions SET metadata = (SELECT json_group_object(key, value) FROM"
        " (SELECT key, value FROM json_each(decisions.metadata) ORDER BY key DESC)) WHERE row_number ="
        " (SELECT min(row_number) FROM decisions WHERE metadata LIKE '%,%' OR metadata LIKE '{%')",
    )

    assert (await audited(journal, copy, tmp_path)).equal


async def test_a_copy_that_is_behind_is_compared_where_it_stands(journal: MemoryJournal, tmp_path: Path) -> None:
    model = read_model(tmp_path, "copy.sqlite")
    await model.open()
    await model.apply(RECORDS[:-5])

    report = await audited(journal, model, tmp_path)
    await model.close()

    assert report.equal
    assert report.behind == {0: 5}


class Moving:
    """A copy that is written between any two questions, as by a working engine."""

    def __init__(self, model: SqliteReadModel, records: Sequence[Record]) -> None:
        self._model = model
        self._left = list(records)

    async def checkpoint(self, shard: int) -> int:
        return await self._model.checkpoint(shard)

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        if self._left:
            await self._model.apply([self._left.pop(0)])
        return await self._model.query(table, filters=filters, sort=sort, cursor=cursor, limit=min(limit, 100))

    async def parked(self, limit: int) -> Parked:
        return Parked(0, ())


async def test_a_copy_that_is_written_meanwhile_shows_no_false_difference(
    journal: MemoryJournal, tmp_path: Path
) -> None:
    model = read_model(tmp_path, "copy.sqlite")
    await model.open()
    await model.apply(RECORDS[:100])
    audit = Audit(journal, venue="paper", clock=ManualClock(T0), folder=tmp_path)

    report = await audit.compare("copy", Moving(model, RECORDS[100:]))
    await model.close()

    assert found(report) == []
    assert report.trouble is None


class Restless(Moving):
    """A copy that is another record further whenever it is asked."""

    def __init__(self, model: SqliteReadModel) -> None:
        super().__init__(model, [])
        self._asked = 0

    async def checkpoint(self, shard: int) -> int:
        self._asked += 1
        return await super().checkpoint(shard) - self._asked % 2


async def test_rows_that_never_stand_still_are_not_called_equal(
    journal: MemoryJournal, copy: SqliteReadModel, tmp_path: Path
) -> None:
    audit = Audit(journal, venue="paper", clock=ManualClock(T0), folder=tmp_path)

    report = await audit.compare("copy", Restless(copy))

    assert found(report) == []
    assert sum(table.moving for table in report.tables) > 0
    assert report.verdict is Verdict.UNKNOWN


async def test_a_copy_of_another_journal_cannot_be_compared(copy: SqliteReadModel, tmp_path: Path) -> None:
    short = MemoryJournal()
    await short.append(RECORDS[:10])

    report = await audited(short, copy, tmp_path)

    assert not report.equal
    assert "ends at 10" in (report.trouble or "")
