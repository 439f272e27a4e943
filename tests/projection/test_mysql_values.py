"""What goes into MySQL comes back as it was: faults that such tables have suffered in production."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.enums import OrderStatus
from tests.projection.mysql_place import MySqlPlace, mysql_rows
from tests.projection.mysql_stage import staged
from tests.projection.tables import quick_folder, row_of, rows_of
from tests.projection.targets import prepared
from tests.support.records import RecordedWorld, signal_records
from tradeengine.domain.inputs import SignalReceived
from tradeengine.projection.mysql import MySqlReadModel
from tradeengine.projection.mysql_codec import RowLiteral, UnfitError, fits
from tradeengine.projection.tables import FILLS


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[MySqlPlace]:
    async with prepared("mysql", tmp_path) as made:
        assert isinstance(made, MySqlPlace)
        yield made


@pytest.fixture
async def model(place: MySqlPlace) -> AsyncIterator[MySqlReadModel]:
    made = place.model()
    await made.open()
    yield made
    await made.close()


async def test_long_and_short_rows_of_a_symbol_coexist_with_their_signs(model: MySqlReadModel) -> None:
    """I110, I100, I102."""
    world = RecordedWorld()
    world.trade("buy", "A", "100", "0.1")
    world.trade("sell", "B", "100", "9470.2")
    await model.apply([world.cut()])

    rows = await rows_of(model, "exchange_positions", symbol="BTCUSDT")
    assert {(row["side"], row["current_quantity"]) for row in rows} == {("LONG", "0.1"), ("SHORT", "9470.2")}
    assert len(await rows_of(model, "positions", symbol="BTCUSDT", status="open")) == 2
    assert [row["side"] for row in await rows_of(model, "exchange_positions", side="SHORT")] == ["SHORT"]
    assert await rows_of(model, "positions", symbol="ETHUSDT") == []


async def test_an_order_without_a_price_has_a_row_and_gets_the_price_later(model: MySqlReadModel) -> None:
    """I101."""
    world = RecordedWorld()
    order = world.order("buy", "A", quantity="0.1")
    world.report(order, OrderStatus.OPEN)
    await model.apply([world.cut()])
    row = await row_of(model, "orders", order_id=order.client_order_id)
    assert (row["price"], row["average_price"], row["status"]) == (None, None, "open")

    world.fill(order, "101.5")
    await model.apply([world.cut()])
    row = await row_of(model, "orders", order_id=order.client_order_id)
    assert (row["average_price"], row["status"]) == ("101.5", "filled")


async def test_what_was_written_is_read_back_with_plain_sql(model: MySqlReadModel, place: MySqlPlace) -> None:
    """I72, I103, I104: by another connection, as an analyst would."""
    world = RecordedWorld()
    world.trade("buy", "A", "100.25", "0.12345", fee="0.01")
    await model.apply([world.cut()])

    ((quantity, price, time, opening),) = await mysql_rows(
        place.address, "SELECT quantity, price, time, opening FROM fills"
    )
    shown = await row_of(model, "fills")
    assert (Decimal(quantity), Decimal(price)) == (Decimal("0.12345"), Decimal("100.25"))
    assert f"{time.replace(' ', 'T')}Z" == shown["time"]
    assert datetime.fromisoformat(shown["time"]).utcoffset() is not None
    assert opening == 1
    assert await mysql_rows(place.address, "SELECT sequence FROM checkpoints") == [(1,)]


async def test_rows_are_read_and_written_many_at_a_time(model: MySqlReadModel) -> None:
    with staged() as stage:
        await model.apply(signal_records(1, size=10))
        few = len(stage.commands)
        stage.commands.clear()
        await model.apply(signal_records(1, shard=1, size=500))
        assert len(stage.commands) <= few + 1


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
asked = st.fixed_dictionaries(
    {
        "carried": st.dictionaries(st.text(max_size=8), json_values, max_size=4),
        "quantity": st.none() | st.decimals(0, 10**19, places=18),
        "timestamp_ms": st.integers(0, 4_102_444_800_000),
        "conditional_timeout_s": st.none() | st.integers(-(2**63), 2**63 - 1),
        "timeframe": st.text(max_size=64),
    }
)


@settings(max_examples=max(2, settings().max_examples // 10))
@given(st.lists(asked, min_size=1, max_size=20))
def test_every_value_survives_the_server(signals: list[dict[str, Any]]) -> None:
    """I105: whatever characters, numbers and documents signals carry."""
    (record,) = signal_records(1, size=len(signals))
    entries = []
    given_signals = iter(signals)
    for entry in record.entries:
        changed = entry.input
        if isinstance(changed, SignalReceived):
            changed = msgspec.structs.replace(changed, **next(given_signals))
        entries.append(msgspec.structs.replace(entry, input=changed))
    record = msgspec.structs.replace(record, entries=tuple(entries))

    async def shown(folder: Path) -> list[dict[str, Any]]:
        async with prepared("mysql", folder) as place:
            model = place.model()
            await model.open()
            await model.apply([record])
            rows = await rows_of(model, "decisions")
            await model.close()
            return rows

    with quick_folder() as folder:
        rows = asyncio.run(shown(Path(folder)))
    assert len(rows) == len(signals)
    for row, signal in zip(rows, signals, strict=True):
        assert row["metadata"] == signal["carried"]
        assert row["timeframe"] == signal["timeframe"]
        assert row["conditional_timeout_s"] == signal["conditional_timeout_s"]
        assert (None if row["quantity"] is None else Decimal(row["quantity"])) == signal["quantity"]
        assert round(datetime.fromisoformat(row["signal_time"]).timestamp() * 1000) == signal["timestamp_ms"]


@given(
    st.lists(
        st.none() | st.decimals(-(10**22), 10**22, places=20) | st.decimals(allow_nan=True, allow_infinity=True),
        min_size=2,
        max_size=2,
    )
)
def test_a_decimal_is_written_exactly_or_not_at_all(given_values: list[Decimal | None]) -> None:
    """I72: the short way of writing a number refuses what the long way does."""
    literal = RowLiteral(FILLS, ("price", "quantity"))
    fit = all(value is None or fits(value) for value in given_values)
    if not fit:
        with pytest.raises(UnfitError, match=r"^(price|quantity)="):
            literal(given_values)
        return
    written = literal(given_values).decode()[1:-1].split(",")
    assert [None if text == "NULL" else Decimal(text) for text in written] == given_values


def test_texts_that_cannot_be_sent_are_refused_with_their_column() -> None:
    with pytest.raises(UnfitError, match="order_id="):
        RowLiteral(FILLS, ("order_id",))(["\ud800"])
    with pytest.raises(UnfitError, match="opening='x'"):
        RowLiteral(FILLS, ("opening",))(["x"])
