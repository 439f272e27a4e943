"""Questions to the read model: filters, sorting, paging, and what is refused."""

import itertools
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.query import BadCursor, QueryError, UnknownFilter, UnknownSort
from tests.projection.tables import rows_of
from tests.projection.targets import Model, Place, prepared
from tests.support.records import T0, RecordedWorld

PRICES = ("100", "99.5", "100.25", "9", "1000", "100.5", "20")
HOUR_MS = 3_600_000


@pytest.fixture
async def model(place: Place) -> AsyncIterator[Model]:
    """One fill an hour, at the prices above, of strategies A and B in turn."""
    world = RecordedWorld()
    for hour, price in enumerate(PRICES):
        world.now = T0 + hour * HOUR_MS
        order = world.order("buy", "AB"[hour % 2], quantity="0.10", signal_id=f"s{hour}")
        world.fill(order, price, fee="0.01", maker=hour in (0, 3, 6))
    world.cut()
    made = place.model()
    await made.open()
    await made.apply(world.records)
    yield made
    await made.close()


async def prices(model: Model, *, sort: str | None = None, **filters: str) -> list[str]:
    page = await model.query("fills", filters=filters, sort=sort, cursor=None, limit=100)
    assert page.next_cursor is None
    return [row["price"] for row in page.rows]


# ---------------------------------------------------------------- filters


@pytest.mark.parametrize(
    ("filters", "hours"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6]),
        ({"strategy_id": "A"}, [0, 2, 4, 6]),
        ({"strategy_id": "nobody"}, []),
        ({"strategy_id": "A", "maker": "true"}, [0, 6]),
        ({"maker": "false"}, [1, 2, 4, 5]),
        ({"price": "100"}, [0]),
        ({"price": "100.250"}, [2]),
        ({"quantity": "0.1"}, [0, 1, 2, 3, 4, 5, 6]),
        ({"sequence": "1", "shard": "0", "strategy_id": "B"}, [1, 3, 5]),
        ({"sequence": "2"}, []),
        ({"time_from": "2026-01-01T15:00:00Z"}, [3, 4, 5, 6]),
        ({"time_to": "2026-01-01T15:00:00Z"}, [0, 1, 2]),
        ({"time_from": "2026-01-01T16:00:00+02:00", "time_to": "2026-01-01T16:59:59"}, [2, 3, 4]),
        ({"time_from": str(T0 + 5 * HOUR_MS)}, [5, 6]),
    ],
)
async def test_rows_meet_all_filters(model: Model, filters: dict[str, str], hours: list[int]) -> None:
    assert await prices(model, **filters) == [PRICES[hour] for hour in hours]


async def test_days_have_ranges_too(model: Model) -> None:
    assert len(await rows_of(model, "daily_pnl", day_from="2026-01-01", day_to="2026-01-02")) == 2
    assert await rows_of(model, "daily_pnl", day_from="2026-01-02") == []
    assert len(await rows_of(model, "daily_pnl", day="2026-01-01", strategy_id="A")) == 1


async def test_a_filter_is_a_value_and_never_a_statement(model: Model) -> None:
    assert await rows_of(model, "fills", strategy_id="A' OR '1'='1") == []
    assert await rows_of(model, "fills", symbol="'; DROP TABLE fills; --") == []
    assert len(await rows_of(model, "fills")) == len(PRICES)


# ---------------------------------------------------------------- sorting and paging


async def test_decimals_sort_as_numbers(model: Model) -> None:
    ascending = sorted(PRICES, key=Decimal)

    assert await prices(model, sort="price") == ascending
    assert await prices(model, sort="-price") == ascending[::-1]


async def test_times_sort_and_the_order_of_making_is_the_default(model: Model) -> None:
    assert await prices(model) == await prices(model, sort="time") == list(PRICES)
    assert await prices(model, sort="-time") == list(PRICES[::-1])


@pytest.mark.parametrize(
    "sort", [None, "price", "-price", "strategy_id", "-maker", "close_reason", "sequence", "-time"]
)
async def test_pages_show_every_row_once_and_in_order(model: Model, sort: str | None) -> None:
    whole = await prices(model, sort=sort)
    assert len(whole) == len(PRICES)

    for limit in (1, 2, 3, 7, 8):
        paged, cursor, pages = [], None, 0
        while True:
            page = await model.query("fills", filters={}, sort=sort, cursor=cursor, limit=limit)
            paged += [row["price"] for row in page.rows]
            pages += 1
            cursor = page.next_cursor
            if cursor is None:
                break

        assert paged == whole
        assert pages == -(-len(PRICES) // limit)


@pytest.mark.parametrize(("sort", "expected"), [("price", "1000"), (None, "77")])
async def test_pages_stay_in_place_while_rows_are_made(place: Place, sort: str | None, expected: str) -> None:
    world = RecordedWorld()
    model = place.model()
    await model.open()
    for price in ("100", "200", "1000"):
        world.trade("buy", "A", price, "0.1")
    await model.apply([world.cut()])
    first = await model.query("fills", filters={}, sort=sort, cursor=None, limit=2)

    world.trade("buy", "A", "77", "0.1")
    await model.apply([world.cut()])

    following = await model.query("fills", filters={}, sort=sort, cursor=first.next_cursor, limit=2)
    assert [row["price"] for row in first.rows] == ["100", "200"]
    assert following.rows[-1]["price"] == expected
    assert not {row["price"] for row in first.rows} & {row["price"] for row in following.rows}
    await model.close()


async def test_a_cursor_keeps_to_its_filters_when_they_are_given_again(model: Model) -> None:
    first = await model.query("fills", filters={"strategy_id": "A"}, sort="price", cursor=None, limit=2)
    second = await model.query("fills", filters={"strategy_id": "A"}, sort="price", cursor=first.next_cursor, limit=9)

    assert [row["price"] for row in [*first.rows, *second.rows]] == ["20", "100", "100.25", "1000"]
    assert second.next_cursor is None


# ---------------------------------------------------------------- what is refused


@pytest.fixture
async def checked(tmp_path: Path) -> AsyncIterator[Model]:
    """Questions are checked before any store is asked: one store shows it for all."""
    async with prepared("sqlite", tmp_path) as place:
        made = place.model()
        await made.open()
        yield made
        await made.close()


async def test_an_unknown_table_is_refused(checked: Model) -> None:
    with pytest.raises(QueryError, match="no table 'sqlite_schema'; there are decisions, orders, fills"):
        await checked.query("sqlite_schema", filters={}, sort=None, cursor=None, limit=1)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "colour",
            "red",
            "fills cannot be filtered by 'colour'; it can by trade_id, symbol, strategy_id, time, time_from",
        ),
        ("price_from", "1", "cannot be filtered by 'price_from'"),
        ("row_number", "1", "cannot be filtered by 'row_number'"),
        ("price = 1 OR price", "1", "cannot be filtered by"),
        ("price", "cheap", "price='cheap' is not a decimal number such as 0.001"),
        ("price", "NaN", "is not a decimal number"),
        ("price", "1e999999", "is not a decimal number"),
        ("sequence", "1.5", "sequence='1.5' is not a whole number"),
        ("sequence", "9" * 30, "is not a whole number"),
        ("maker", "yes", "maker='yes' is not true or false"),
        ("time_from", "yesterday", "time_from='yesterday' is not a time such as 2026-01-31T12:00:00Z"),
    ],
)
async def test_an_unknown_filter_is_refused(checked: Model, name: str, value: str, said: str) -> None:
    with pytest.raises(UnknownFilter) as refused:
        await checked.query("fills", filters={name: value}, sort=None, cursor=None, limit=1)
    assert said in str(refused.value)


@pytest.mark.parametrize(("table", "name"), [("positions", "metadata"), ("decisions", "orders")])
async def test_lists_and_objects_are_neither_filtered_nor_sorted(checked: Model, table: str, name: str) -> None:
    with pytest.raises(UnknownFilter, match=name):
        await checked.query(table, filters={name: "x"}, sort=None, cursor=None, limit=1)
    with pytest.raises(UnknownSort, match=name):
        await checked.query(table, filters={}, sort=name, cursor=None, limit=1)


@pytest.mark.parametrize("sort", ["colour", "-colour", "", "-", "--price", "price desc", "row_number"])
async def test_an_unknown_sort_is_refused(checked: Model, sort: str) -> None:
    with pytest.raises(UnknownSort, match=r"fills cannot be sorted by .* it can by trade_id, symbol"):
        await checked.query("fills", filters={}, sort=sort, cursor=None, limit=1)


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_limit_has_limits(checked: Model, limit: int) -> None:
    with pytest.raises(QueryError, match=f"limit {limit} is not between 1 and 1000"):
        await checked.query("fills", filters={}, sort=None, cursor=None, limit=limit)


@pytest.mark.parametrize("cursor", ["", "x", "%%%", "bnVsbA", "W10", "é", "A" * 500])
async def test_a_cursor_that_is_none_is_refused(checked: Model, cursor: str) -> None:
    with pytest.raises(BadCursor, match="take next_cursor of the page before as it is"):
        await checked.query("fills", filters={}, sort=None, cursor=cursor, limit=1)


async def test_a_cursor_of_another_question_is_refused(model: Model) -> None:
    page = await model.query("fills", filters={}, sort="price", cursor=None, limit=1)
    for table, sort in itertools.product(("fills", "orders"), (None, "-price", "price")):
        if (table, sort) == ("fills", "price"):
            continue
        with pytest.raises(BadCursor, match="the cursor belongs to fills sorted by price"):
            await model.query(table, filters={}, sort=sort, cursor=page.next_cursor, limit=1)
