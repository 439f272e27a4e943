"""What only the copy in MySQL has: refused rows, pages whose cursors came from elsewhere, views, servers that die."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.query import BadCursor
from shared.clock import ManualClock, SystemClock
from shared.mysql_address import MySqlAddress
from tests.projection.mysql_place import MySqlPlace, mysql_rows, on_mysql
from tests.projection.tables import dump, rows_of
from tests.projection.targets import SqlitePlace, prepared
from tests.support import services
from tests.support.deadline import PATIENCE_S
from tests.support.records import T0, Move, RecordedWorld, play, signal_records
from tradeengine.domain.inputs import SignalReceived
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.projection.base import ParkedRow
from tradeengine.projection.mysql import MySqlReadModel
from tradeengine.projection.mysql_codec import fits
from tradeengine.projection.mysql_schema import apply_schema
from tradeengine.projection.projector import Projector

KILLS = 20
DEADLINE_S = PATIENCE_S


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is no event of this loop
            await asyncio.sleep(0.01)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[MySqlPlace]:
    async with prepared("mysql", tmp_path) as made:
        assert isinstance(made, MySqlPlace)
        yield made


# ---------------------------------------------------------------- rows that are refused


def asking(record: Record, **changes: Any) -> Record:
    """Record whose signals ask for something else than they did."""
    entries = [
        msgspec.structs.replace(entry, input=msgspec.structs.replace(entry.input, **changes))
        if isinstance(entry.input, SignalReceived)
        else entry
        for entry in record.entries
    ]
    return msgspec.structs.replace(record, entries=tuple(entries))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"quantity": Decimal(10) ** 20}, "quantity=100000000000000000000 has more than 18 decimals or 38 digits"),
        ({"quantity": Decimal("0.1234567890123456789")}, "quantity=0.1234567890123456789 has more than 18 decimals"),
        ({"timeframe": "t" * 65}, "Data too long for column 'timeframe'"),
        ({"conditional_timeout_s": 2**63}, "Out of range value for column 'conditional_timeout_s'"),
        ({"timestamp_ms": -70_000_000_000_000}, "signal_time"),
    ],
)
async def test_a_refused_row_is_parked_and_the_rest_goes_on(
    place: MySqlPlace, changes: dict[str, Any], reason: str
) -> None:
    told: list[ParkedRow] = []
    model = MySqlReadModel(place.address, venue="paper", clock=ManualClock(T0), on_parked=told.append)
    await model.open()
    records = signal_records(5)
    records[2] = asking(records[2], **changes)
    await model.apply(records)

    assert [row["signal_id"] for row in await rows_of(model, "decisions")] == ["s-0-0", "s-1-0", "s-3-0", "s-4-0"]
    assert await model.checkpoint(0) == 5
    (parked,) = told
    assert (parked.table, parked.shard, parked.sequence) == ("decisions", 0, 3)
    assert parked.key.startswith("s-2-0/")
    assert reason in parked.reason
    ((table, key, why, shard, sequence, values),) = await mysql_rows(
        place.address, "SELECT table_name, row_key, reason, shard, sequence, row_values FROM parked_rows"
    )
    assert ParkedRow(table, key, why, shard, sequence) == parked
    assert msgspec.json.decode(values)["outcome"]

    # What comes later is written as if nothing had been.
    await model.apply(records)
    assert await mysql_rows(place.address, "SELECT COUNT(*) FROM parked_rows") == [(1,)]
    await model.close()


async def test_names_that_differ_in_case_or_accents_are_different_and_blanks_at_the_end_are_parked(
    place: MySqlPlace,
) -> None:
    told: list[ParkedRow] = []
    model = MySqlReadModel(place.address, venue="paper", clock=ManualClock(T0), on_parked=told.append)
    await model.open()
    world = RecordedWorld()
    for strategy in ("alpha", "Alpha", "älpha", "alpha "):
        world.signal("hold", strategy, signal_id="s")
    await model.apply([world.cut()])

    assert [row["strategy_id"] for row in await rows_of(model, "decisions")] == ["alpha", "Alpha", "älpha"]
    assert len(await rows_of(model, "decisions", strategy_id="alpha")) == 1
    assert await rows_of(model, "decisions", strategy_id="alpha ") == []
    assert ["ends with a blank" in row.reason for row in told] == [True]
    await model.close()


async def test_a_row_that_is_larger_than_the_server_takes_is_parked(place: MySqlPlace) -> None:
    (packet,) = (await mysql_rows(place.address, "SELECT @@max_allowed_packet"))[0]
    told: list[ParkedRow] = []
    model = MySqlReadModel(place.address, venue="paper", clock=ManualClock(T0), on_parked=told.append)
    await model.open()
    records = signal_records(3)
    records[1] = asking(records[1], carried={"story": "x" * (packet // 8)})
    await model.apply(records)

    assert [row["signal_id"] for row in await rows_of(model, "decisions")] == ["s-0-0", "s-2-0"]
    assert ["max_allowed_packet" in row.reason for row in told] == [True]
    ((shown,),) = await mysql_rows(place.address, "SELECT row_values FROM parked_rows")
    assert msgspec.json.decode(shown)["too_large"]["metadata"] > packet // 8
    await model.close()


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("0", True),
        ("0E-40", True),
        ("99999999999999999999.999999999999999999", True),
        ("100000000000000000000", False),
        ("1E+20", False),
        ("-1E-18", True),
        ("1E-19", False),
        ("1.10000000000000000000000", True),
        ("1.10000000000000000001", False),
        ("NaN", False),
        ("Infinity", False),
    ],
)
def test_what_fits_is_what_the_column_holds_without_rounding(value: str, good: bool) -> None:
    assert fits(Decimal(value)) is good


# ---------------------------------------------------------------- pages


async def test_a_cursor_of_another_store_is_refused(place: MySqlPlace, tmp_path: Path) -> None:
    world = RecordedWorld()
    for price in ("100", "200", "300"):
        world.trade("buy", "A", price, "0.1")
    record = world.cut()
    sqlite, mysql = SqlitePlace(tmp_path).model(), place.model()
    for model in (sqlite, mysql):
        await model.open()
        await model.apply([record])
    page = await mysql.query("fills", filters={}, sort="price", cursor=None, limit=1)
    foreign = msgspec.json.encode(["fills", "price", "NaN", 1])
    with pytest.raises(BadCursor, match="take the first page again"):
        await mysql.query("fills", filters={}, sort="price", cursor=base64.urlsafe_b64encode(foreign).decode(), limit=1)
    assert page.next_cursor is not None
    for model in (sqlite, mysql):
        await model.close()


async def test_a_number_finer_than_any_row_equals_none(place: MySqlPlace) -> None:
    world = RecordedWorld()
    world.trade("buy", "A", "100", "0.1")
    model = place.model()
    await model.open()
    await model.apply([world.cut()])
    assert await rows_of(model, "fills", price="100.0000000000000000000000000000000000000001") == []
    assert len(await rows_of(model, "fills", price="100.00000000000000000000")) == 1
    await model.close()


# ---------------------------------------------------------------- views


async def test_the_views_are_right_for_open_and_closed_positions(place: MySqlPlace) -> None:
    world = RecordedWorld()
    world.trade("buy", "A", "100", "1", fee="0.1")
    world.trade("close", "A", "110", "1", fee="0.1")
    world.trade("buy", "A", "100", "2", fee="0.2")
    world.trade("close", "A", "90", "2", fee="0.2")
    world.trade("buy", "A", "100", "4", fee="0.4")
    world.trade("close", "A", "120", "1", fee="0.1")
    world.trade("sell", "B", "50", "1")
    model = place.model()
    await model.open()
    await model.apply([world.cut()])
    await model.close()

    performance = await named(place.address, "SELECT * FROM strategy_performance ORDER BY strategy_id")
    first, second = performance
    expected = {
        "strategy_id": "A", "positions": 3, "open_positions": 1, "closed_positions": 2, "wins": 1, "losses": 1,
        "hit_rate": "0.500000000000000000", "gross_pnl": "10.000000000000000000", "fees": "1.100000000000000000",
        "funding": "0.000000000000000000", "net_pnl": "8.900000000000000000",
        "closed_net_pnl": "-10.600000000000000000", "average_win": "9.800000000000000000",
        "average_loss": "-20.400000000000000000", "best_net_pnl": "9.800000000000000000",
        "worst_net_pnl": "-20.400000000000000000", "open_entry_value": "300.000000000000000000",
    }  # fmt: skip
    assert first.items() >= expected.items()
    assert (second["open_positions"], second["closed_positions"], second["hit_rate"]) == (1, 0, None)
    assert (second["average_holding_seconds"], second["last_exit_time"]) == (None, None)
    assert second["closed_net_pnl"] == "0.000000000000000000"

    summary = await named(place.address, "SELECT * FROM contribution_summary ORDER BY strategy_id")
    assert [(row["strategy_id"], row["position_side"], row["contributions"]) for row in summary] == [
        ("A", "LONG", 3),
        ("B", "SHORT", 1),
    ]
    expected = {
        "active_contributions": 1, "closed_contributions": 2, "strategy_positions": 3,
        "contributed_quantity": "7.000000000000000000", "contributed_value": "700.000000000000000000",
        "average_entry_price": "100.000000000000000000", "wins": 1, "losses": 1,
        "hit_rate": "0.500000000000000000", "closed_pnl": "-10.000000000000000000",
        "average_pnl_pct": "0.000000000000000000",
    }  # fmt: skip
    assert summary[0].items() >= expected.items()
    assert (summary[1]["hit_rate"], summary[1]["closed_pnl"]) == (None, "0.000000000000000000")


async def named(address: MySqlAddress, sql: str) -> list[dict[str, Any]]:
    (view,) = {part for part in sql.split() if part in ("strategy_performance", "contribution_summary")}
    columns = await mysql_rows(
        address,
        "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"
        " ORDER BY ordinal_position",
        view,
    )
    return [dict(zip([name for (name,) in columns], row, strict=True)) for row in await mysql_rows(address, sql)]


# ---------------------------------------------------------------- a server that dies


@pytest.fixture
def server(server_folder: Path) -> Iterator[services.MySqlServer]:
    made = services.MySqlServer(server_folder / "mysql")
    try:
        yield made.start()
    finally:
        made.close()


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.timeout(300)
async def test_a_server_that_is_killed_twenty_times_under_load_ends_in_equality(
    server: services.MySqlServer, tmp_path: Path
) -> None:
    """I97: what the store does not take is visible, is tried again, and nothing is missing or twice in the end."""
    moves: list[Move] = []
    for number in range(400):
        moves += [("buy", number, 1, number), ("fill", 0, 1, 3), ("fund", 1, 1, number), ("cut", 0, 0, 0)]
        moves += [("close", number // 2, 1, 2), ("fill", 0, 1, 5), ("cut", 0, 0, 0)]
    records = play(RecordedWorld(), moves)
    address = MySqlAddress.parse(server.url)
    await on_mysql(address, apply_schema)
    model = MySqlReadModel(address, venue="paper", clock=ManualClock(T0), timeout_s=5)
    journal = MemoryJournal()
    projector = Projector(journal, model, SystemClock(), [0])
    await model.open()
    await projector.start()
    killed = asyncio.Event()
    kills = 0

    async def load() -> int:
        share = len(records) // (KILLS + 1)
        for record in records:
            # However long a kill takes, they must last until the last one.
            while record.sequence > (kills + 1) * share and not killed.is_set():  # noqa: ASYNC110 - kills are counted
                await asyncio.sleep(0.02)
            await journal.append([record])
            projector.notify(record)
            await asyncio.sleep(0.1)
            if killed.is_set():
                return record.sequence
        raise AssertionError("the records did not last until the last kill")

    loading = asyncio.create_task(load())
    troubles = 0
    for _ in range(KILLS):
        server.kill()
        kills += 1
        await eventually(lambda: projector.trouble is not None)
        troubles += 1
        # I97: what is not in the tables yet is visible.
        assert projector.lag().records > 0
        server.start()
        await eventually(lambda: projector.trouble is None)
    killed.set()
    count = await loading
    await projector.catch_up()
    await projector.stop()
    tables = await dump(model)
    await model.close()

    assert troubles == KILLS
    sqlite = SqlitePlace(tmp_path).model()
    await sqlite.open()
    await sqlite.apply(records[:count])
    assert await dump(sqlite) == tables
    await sqlite.close()
