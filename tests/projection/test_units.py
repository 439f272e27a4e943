"""Single pieces of the projection: codec, batch, contributions, freshness."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import CloseReason, PositionSide
from shared.clock import ManualClock
from tests.support.builders import LONG
from tests.support.records import T0, RecordedWorld, signal_records
from tradeengine.domain.inputs import VenueObserved, VenuePosition
from tradeengine.domain.money import MONEY, plain
from tradeengine.projection.batch import Batch
from tradeengine.projection.changes import Amend, CloseContributions, DropProtection, Key, Patch, Put, Reference
from tradeengine.projection.contributions import Contribution, closed_contributions
from tradeengine.projection.freshness import Freshness
from tradeengine.projection.rows import changes_of
from tradeengine.projection.sqlite_codec import decimal_order, decimal_text
from tradeengine.projection.tables import TABLES

D = Decimal

decimals = st.decimals(min_value=-(10**20), max_value=10**20, places=18)

# ---------------------------------------------------------------- codec


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E+3", "1000"),
        ("0.00000001", "0.00000001"),
        ("1.500", "1.5"),
        ("100", "100"),
        ("-0.0", "0"),
        ("-2.50", "-2.5"),
    ],
)
def test_decimals_are_written_plain(value: str, text: str) -> None:
    assert decimal_text(D(value)) == text


@given(decimals)
def test_a_written_decimal_is_the_same_number(value: Decimal) -> None:
    assert D(decimal_text(value)) == value
    assert decimal_text(value) == decimal_text(MONEY.add(value, D("0E-30")))


@given(decimals, decimals)
def test_decimals_sort_as_numbers(one: Decimal, other: Decimal) -> None:
    orders = decimal_order(decimal_text(one)), decimal_order(decimal_text(other))

    assert (orders[0] < orders[1]) == (one < other)
    assert (orders[0] == orders[1]) == (one == other)
    assert decimal_order(None) < min(orders)


@pytest.mark.parametrize(
    ("less", "more"), [("-1.55", "-1.5"), ("-1.5", "-1"), ("-0.1", "0"), ("1", "1.01"), ("9", "10")]
)
def test_neighbours_sort_as_numbers(less: str, more: str) -> None:
    assert decimal_order(less) < decimal_order(more)


# ---------------------------------------------------------------- batch


class Store:
    """Rows that a batch can load, and which loads it asked for."""

    def __init__(self, **rows: dict[str, Any]) -> None:
        self.rows = rows
        self.loads: list[tuple[str, tuple[str, ...]]] = []

    def load(self, table: str, key: Key, columns: Sequence[str]) -> dict[str, Any] | None:
        self.loads.append((key[0], tuple(columns)))
        row = self.rows.get(key[0])
        return None if row is None else {column: row[column] for column in columns}


def test_a_batch_makes_one_row_of_many_changes() -> None:
    batch = Batch(Store().load)
    batch.add([Put("t", ("a",), {"x": 1, "y": 1}), Patch("t", ("a",), {"y": 2}), Patch("t", ("b",), {"y": 3})])

    a, b = batch.rows["t", ("a",)], batch.rows["t", ("b",)]
    assert (a.values, a.made) == ({"x": 1, "y": 2}, True)
    assert (b.values, b.made) == ({"y": 3}, False)


def test_an_amendment_builds_on_what_the_batch_holds_or_else_on_the_store() -> None:
    store = Store(held={"sum": D(5), "list": ["p"], "value": D(10)})
    batch = Batch(store.load)
    batch.add(
        [
            Put("t", ("new",), {"sum": D(1), "list": []}),
            Amend(table="t", key=("new",), amounts={"sum": D(2)}, appended={"list": "q"}),
            Amend(table="t", key=("held",), amounts={"sum": D(2)}, appended={"list": "q"}),
            Amend(table="t", key=("held",), amounts={"sum": D(3)}, appended={"list": "q"}, removed={"list": "p"}),
            Amend(table="t", key=("absent",), amounts={"sum": D(3)}),
            Amend(table="t", key=("made",), amounts={"count": 1}, missing={"count": 4}),
        ]
    )

    assert batch.rows["t", ("new",)].values == {"sum": D(3), "list": ["q"]}
    assert batch.rows["t", ("held",)].values == {"sum": D(10), "list": ["q"]}
    assert ("t", ("absent",)) not in batch.rows
    assert (batch.rows["t", ("made",)].values, batch.rows["t", ("made",)].made) == ({"count": 5}, True)
    assert store.loads == [("held", ("sum", "list")), ("absent", ("sum",)), ("made", ("count",))]


def test_a_later_setting_wins_over_an_amendment_and_an_amendment_builds_on_a_setting() -> None:
    batch = Batch(Store(held={"n": 1}).load)
    batch.add([Amend(table="t", key=("held",), amounts={"n": 1}), Patch("t", ("held",), {"n": 9})])
    batch.add([Amend(table="t", key=("held",), amounts={"n": 1})])

    assert batch.rows["t", ("held",)].values == {"n": 10}


def test_quotients_follow_the_amounts() -> None:
    batch = Batch(Store(held={"value": D(10), "quantity": D(1)}).load)
    amounts: dict[str, Decimal | int] = {"value": D(20), "quantity": D(2)}
    batch.add([Amend(table="t", key=("held",), amounts=amounts, quotients={"price": ("value", "quantity")})])

    assert batch.rows["t", ("held",)].values["price"] == D(10)


def test_a_list_stops_growing_at_its_limit() -> None:
    batch = Batch(Store(held={"ids": [str(n) for n in range(999)]}).load)
    batch.add([Amend(table="t", key=("held",), appended={"ids": f"new{n}"}) for n in range(3)])

    assert batch.rows["t", ("held",)].values["ids"][998:] == ["998", "new0"]


def test_a_reference_takes_the_value_of_another_row() -> None:
    batch = Batch(Store(held={"m": "stored"}).load)
    batch.add(
        [
            Put("t", ("pending",), {"m": "fresh"}),
            Put("u", ("1",), {}, {"m": Reference("t", ("pending",), "m")}),
            Put("u", ("2",), {}, {"m": Reference("t", ("held",), "m")}),
            Put("u", ("3",), {}, {"m": Reference("t", ("absent",), "m")}),
        ]
    )

    assert [batch.rows["u", (key,)].values["m"] for key in "123"] == ["fresh", "stored", None]


def protecting(status: str = "open", replaces: str | None = None, cancel: str | None = None) -> dict[str, Any]:
    """Row of a stop of position ``p``."""
    return {
        "purpose": "stop_loss",
        "strategy_position_id": "p",
        "replaces_order_id": replaces,
        "status": status,
        "cancel_reason": cancel,
    }


@pytest.mark.parametrize(
    ("orders", "named"),
    [
        ({"a": protecting(), "b": protecting(replaces="a")}, "a"),
        ({"a": protecting("planned"), "b": protecting(replaces="a")}, "a"),
        ({"b": protecting()}, None),
        ({"a": protecting("rejected"), "b": protecting(replaces="a")}, None),
        ({"0": protecting(), "a": protecting("rejected", "0"), "b": protecting(replaces="a")}, "0"),
        ({"0": protecting(), "a": protecting("open", "0", "replaced"), "b": protecting(replaces="a")}, "0"),
        ({"b": protecting(replaces="unknown")}, None),
    ],
)
def test_a_position_names_the_newest_order_before_the_one_that_is_gone(
    orders: dict[str, Any], named: str | None
) -> None:
    stored = Batch(Store(p={"status": "open", "stop_loss_order_id": "b"}, **orders).load)
    stored.add([DropProtection("b")])
    # The same where the batch itself has made all of it.
    made = Batch(Store().load)
    made.add([Put("positions", ("p",), {"status": "open", "stop_loss_order_id": "b"})])
    made.add([Put("orders", (order_id,), values) for order_id, values in orders.items()])
    made.add([DropProtection("b")])

    for batch in (stored, made):
        assert batch.rows["positions", ("p",)].values["stop_loss_order_id"] == named
        assert batch.rows["strategy_positions", ("p",)].values == {"sl_order_id": named}


@pytest.mark.parametrize(
    "position",
    [{"status": "closed", "stop_loss_order_id": "b"}, {"status": "open", "stop_loss_order_id": "c"}],
    ids=["closed", "names another"],
)
def test_a_position_that_has_moved_on_stays_as_it_is(position: dict[str, Any]) -> None:
    batch = Batch(Store(p=position, a=protecting(), b=protecting(replaces="a")).load)
    batch.add([DropProtection("b"), DropProtection("unknown")])

    assert batch.rows == {}


# ---------------------------------------------------------------- rows


def test_changes_name_only_known_tables_and_columns() -> None:
    world = RecordedWorld()
    world.trade("buy", "A", "100", "0.1", stop_loss_pct="0.1", take_profit_pct="0.1")
    world.fund("0.001", "100")
    world.trade("close", "A", "110")
    world.signal("hold", "A", signal_id="h")
    world.signal("hold", "A", signal_id="h")
    world.foreign("BUY", LONG, "1", "100")
    world.give(VenueObserved(time_ms=world.now, symbol="BTCUSDT", asked_ms=world.now))
    position = VenuePosition(position_side=LONG, quantity=D(-1))
    world.give(VenueObserved(time_ms=world.now, symbol="BTCUSDT", asked_ms=world.now, positions=(position,)))
    touched = set()
    for change in changes_of(world.cut(), "paper"):
        if isinstance(change, CloseContributions | DropProtection):
            continue
        table = TABLES[change.table]
        touched.add(table.name)
        assert len(change.key) == len(table.key)
        names = set(change.values) if isinstance(change, Put | Patch) else {*change.amounts, *change.appended}
        assert names <= table.columns.keys() - set(table.key)
    assert touched == TABLES.keys()


def test_every_key_and_index_names_columns_of_its_table() -> None:
    for table in TABLES.values():
        assert {*table.key, *[column for index in table.indexes for column in index]} <= table.columns.keys()


# ---------------------------------------------------------------- contributions


def closing(side: PositionSide, quantity: str, value: str) -> CloseContributions:
    return CloseContributions(
        position_id="p",
        position_side=side,
        exit_quantity=D(quantity),
        exit_value=D(value),
        exit_time=T0,
        close_reason=CloseReason.STOP_LOSS,
    )


def test_contributions_are_judged_by_their_own_entries() -> None:
    rows = [Contribution("1", D("1"), D("100")), Contribution("2", D("1"), D("200"))]

    long = closed_contributions(closing(PositionSide.LONG, "2", "400"), rows)
    short = closed_contributions(closing(PositionSide.SHORT, "2", "400"), rows)

    assert [patch.key for patch in long] == [("1",), ("2",)]
    assert [patch.values["contribution_pnl"] for patch in long] == [D(100), D(0)]
    assert [patch.values["contribution_pnl_pct"] for patch in long] == [D(100), D(0)]
    assert [patch.values["contribution_pnl"] for patch in short] == [D(-100), D(0)]
    assert {patch.values["exit_price"] for patch in long} == {D(200)}


@given(
    st.lists(st.tuples(st.decimals("0.00001", 10, places=8), st.decimals("0.01", 10**5, places=8)), min_size=1),
    st.decimals("0.01", 10**5, places=8),
    st.sampled_from(PositionSide),
)
def test_contributions_add_up_exactly(rows: list[tuple[Decimal, Decimal]], price: Decimal, side: PositionSide) -> None:
    quantity = sum((q for q, _ in rows), D(0))
    value = quantity * price
    held = [Contribution(str(n), *row) for n, row in enumerate(rows)]

    patches = closed_contributions(closing(side, str(quantity), str(value)), held)

    gain = value - sum((q * p for q, p in rows), D(0))
    assert plain(sum((patch.values["contribution_pnl"] for patch in patches), D(0))) == plain(gain * side.sign)


def test_a_position_without_contributions_closes_none() -> None:
    assert closed_contributions(closing(PositionSide.LONG, "1", "1"), []) == []


# ---------------------------------------------------------------- freshness


def test_rows_age_from_the_first_record_that_they_lack() -> None:
    clock = ManualClock(T0 + 10_000)
    freshness = Freshness(clock)
    records = signal_records(3)
    times = [record.entries[-1].input.time_ms for record in records]
    assert (freshness.records_behind, freshness.age_seconds) == (0, 0)

    freshness.committed(records[0])
    freshness.committed(records[1])
    assert freshness.records_behind == 2
    assert freshness.age_seconds == (clock.now_ms() - times[0]) / 1000
    assert not freshness.has_applied(freshness.heads())

    freshness.applied(0, 1, times[0])
    assert (freshness.records_behind, freshness.age_seconds) == (1, (clock.now_ms() - times[0]) / 1000)
    freshness.applied(0, 2, times[1])
    assert (freshness.records_behind, freshness.age_seconds) == (0, 0)
    assert freshness.has_applied(freshness.heads())

    clock.set(T0 + 3_600_000)
    assert freshness.age_seconds == 0


def test_a_quiet_hour_does_not_make_a_new_record_an_hour_old() -> None:
    clock = ManualClock(T0)
    freshness = Freshness(clock)
    freshness.applied(0, 1, T0)
    world = RecordedWorld()
    world.now = T0 + 3_600_000
    world.signal("hold")
    world.cut()
    world.now += 1
    world.signal("hold")
    clock.set(world.now + 5)

    freshness.committed(world.cut())

    assert 0 < freshness.age_seconds < 0.1


def test_the_shard_that_is_furthest_behind_counts() -> None:
    clock = ManualClock(T0 + 9_000)
    freshness = Freshness(clock)
    freshness.found(0, 5)
    freshness.applied(0, 4, T0 + 8_000)
    freshness.found(1, 5)
    freshness.applied(1, 2, T0 + 2_000)

    assert (freshness.records_behind, freshness.age_seconds) == (4, 7)
