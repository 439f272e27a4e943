"""Whatever happens, the tables agree with the state, and it does not matter how the records came to them."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.enums import Outcome
from tests.projection.tables import Rows, dump, quick_folder, total
from tests.projection.targets import TARGETS, prepared
from tests.support.records import Move, RecordedWorld, histories, play
from tradeengine.domain.events import OrderFilled, SignalDecided
from tradeengine.domain.money import MONEY, ZERO, average
from tradeengine.domain.state import ShardState
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record

D = Decimal
SERVERS = [target for target in TARGETS if target != "sqlite"]
"""Stores behind a network, where an example takes a hundred times as long."""


async def tables_after(target: str, folder: Path, *pieces: Sequence[Record], reopened: bool = False) -> dict[str, Rows]:
    """Apply records piece by piece, if need be with the store closed and opened between two pieces."""
    folder.mkdir()
    async with prepared(target, folder) as place:
        model = place.model()
        await model.open()
        for piece in pieces:
            if reopened:
                await model.close()
                model = place.model()
                await model.open()
            await model.apply(piece)
        tables = await dump(model)
        await model.close()
        return tables


async def through_a_journal(records: Sequence[Record]) -> list[Record]:
    journal = MemoryJournal()
    await journal.append(records)
    return await journal.read(records[0].shard, limit=len(records))


def check_tables_agree_with_the_state(target: str, moves: list[Move]) -> None:
    world = RecordedWorld()
    records = play(world, moves)
    with quick_folder() as folder:
        tables = asyncio.run(tables_after(target, Path(folder) / "tables", records))

    with localcontext(MONEY):
        check_totals(tables, world.state)
        check_exchange_positions(tables["exchange_positions"], world.state)
        check_positions(tables, world.state)
        check_contributions(tables)
        check_orders(tables, world.state)
        check_decisions(tables["decisions"], world)


def check_that_all_ways_lead_to_the_same_tables(target: str, moves: list[Move], data: st.DataObject) -> None:
    records = play(RecordedWorld(), moves)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=3)))
    pieces = [records[start:end] for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True)]
    again = data.draw(st.integers(0, len(records)))

    async def all_ways(folder: Path) -> list[dict[str, Rows]]:
        return [
            await tables_after("sqlite", folder / "sqlite", records),
            await tables_after(target, folder / "at-once", records),
            await tables_after(target, folder / "one-by-one", *[[record] for record in records]),
            await tables_after(target, folder / "in-pieces", *pieces, reopened=True),
            await tables_after(target, folder / "twice", records[:again], records, records),
            await tables_after(target, folder / "from-the-journal", await through_a_journal(records)),
        ]

    with quick_folder() as folder:
        first, *others = asyncio.run(all_ways(Path(folder)))
    assert [other == first for other in others] == [True] * len(others)


@given(histories)
def test_tables_agree_with_the_state(moves: list[Move]) -> None:
    check_tables_agree_with_the_state("sqlite", moves)


@pytest.mark.parametrize("target", SERVERS)
@settings(max_examples=settings().max_examples // 20)
@given(histories)
def test_tables_on_a_server_agree_with_the_state(target: str, moves: list[Move]) -> None:
    check_tables_agree_with_the_state(target, moves)


@given(histories, st.data())
def test_however_records_are_applied_the_tables_are_the_same(moves: list[Move], data: st.DataObject) -> None:
    check_that_all_ways_lead_to_the_same_tables("sqlite", moves, data)


@pytest.mark.parametrize("target", SERVERS)
@settings(max_examples=settings().max_examples // 20)
@given(histories, st.data())
def test_however_records_are_applied_on_a_server_the_tables_are_those_of_sqlite(
    target: str, moves: list[Move], data: st.DataObject
) -> None:
    check_that_all_ways_lead_to_the_same_tables(target, moves, data)


# ---------------------------------------------------------------- what must agree


def check_totals(tables: dict[str, Rows], state: ShardState) -> None:
    booked = state.totals
    sums = (booked.realized, booked.fees, booked.funding)
    for name, columns in (
        ("positions", ("pnl", "commission_total", "funding_total")),
        ("strategy_positions", ("realized_pnl", "commission_total", "funding_total")),
        ("daily_pnl", ("realized_pnl", "fees", "funding")),
    ):
        assert tuple(total(tables[name], column) for column in columns) == sums, name
    net = booked.realized - booked.fees + booked.funding
    assert total(tables["positions"], "pnl_after_fees") == total(tables["daily_pnl"], "net_pnl") == net
    assert (total(tables["fills"], "realized_pnl"), total(tables["fills"], "fee")) == sums[:2]
    assert total(tables["funding_payments"], "amount") == booked.funding


def check_exchange_positions(rows: Rows, state: ShardState) -> None:
    shown = {row["exchange_position_key"]: row for row in rows}
    held = {key: leg for key, leg in state.legs.items() if leg.quantity}
    assert {key for key, row in shown.items() if row["status"] == "open"} == held.keys()
    for key, leg in held.items():
        row, books = shown[key], leg.books
        assert (D(row["current_quantity"]), D(row["weighted_avg_price"])) == (books.quantity, books.entry_price)
        assert D(row["realized_pnl"]) == books.realized
        assert (D(row["commission_total"]), D(row["funding_total"])) == (books.fees, books.funding)
    for key, row in shown.items():
        strategies = state.legs[key].strategies.values() if key in state.legs else ()
        holders = [position.strategy_id for position in strategies if position.quantity > 0]
        assert sorted(row["contributing_strategies"]) == sorted(holders)
        assert key in held or row["current_quantity"] == "0"


def check_positions(tables: dict[str, Rows], state: ShardState) -> None:
    held = {p.position_id: p for leg in state.legs.values() for p in leg.strategies.values()}
    positions = {row["position_id"]: row for row in tables["positions"]}
    strategy_positions = {row["strategy_position_id"]: row for row in tables["strategy_positions"]}
    assert positions.keys() == strategy_positions.keys()
    assert {key for key, row in positions.items() if row["status"] == "open"} == held.keys()
    assert {key for key, row in strategy_positions.items() if row["status"] != "closed"} == held.keys()
    for key, position in held.items():
        row, other, books = positions[key], strategy_positions[key], position.books
        assert (D(row["quantity"]), D(row["entry_price"])) == (books.quantity, books.entry_price)
        assert (D(row["pnl"]), D(row["commission_total"])) == (books.realized, books.fees)
        assert D(other["current_quantity"]) == D(other["entry_quantity"]) - D(other["exit_quantity"]) == books.quantity
        assert (number(row["stop_loss"]), number(row["take_profit"])) == (position.stop_price, position.target_price)
        assert row["stop_loss_order_id"] == other["sl_order_id"] == position.stop_order_id
        assert row["take_profit_order_id"] == other["tp_order_id"] == position.target_order_id
        for shown in (row, other):
            assert number(shown["trailing_pct"]) == position.trailing_pct
            assert number(shown["break_even_at_pct"]) == position.break_even_at_pct
            assert bool(shown["target_waits"]) == position.target_waits


def check_contributions(tables: dict[str, Rows]) -> None:
    by_position: dict[str, Rows] = defaultdict(list)
    for row in tables["position_contributions"]:
        by_position[row["strategy_position_id"]].append(row)
    positions = {row["strategy_position_id"]: row for row in tables["strategy_positions"]}
    assert by_position.keys() == {key for key, row in positions.items() if D(row["entry_quantity"])}
    for key, rows in by_position.items():
        position = positions[key]
        closed = position["status"] == "closed"
        assert {row["status"] for row in rows} == {"closed" if closed else "active"}
        assert total(rows, "contribution_quantity") == D(position["entry_quantity"])
        if closed:
            assert total(rows, "contribution_pnl") == D(position["realized_pnl"])
            assert {row["exit_price"] for row in rows} == {position["exit_price"]}
            assert {row["close_reason"] for row in rows} == {position["close_reason"]}


def check_orders(tables: dict[str, Rows], state: ShardState) -> None:
    filled: dict[str, Decimal] = defaultdict(Decimal)
    for fill in tables["fills"]:
        filled[fill["order_id"]] += D(fill["quantity"])
    for row in tables["orders"]:
        quantity, value = D(row["filled_quantity"]), D(row["filled_value"])
        assert quantity == filled[row["order_id"]] == D(row["quantity"]) - D(row["remaining_quantity"])
        assert number(row["average_price"]) == (average(value, quantity) if quantity else None)
    shown = {row["order_id"]: row for row in tables["orders"]}
    for key, live in state.orders.items():
        assert shown[key]["status"] == live.status
        assert D(shown[key]["remaining_quantity"]) == live.remaining
        assert (shown[key]["cancel_reason"] is not None) == live.cancelling


def check_decisions(rows: Rows, world: RecordedWorld) -> None:
    """A name that comes back after it was forgotten is a signal of its own, and its row is about the last one."""
    last: dict[tuple[str, str, str], SignalDecided] = {}
    copies: dict[tuple[str, str, str], int] = {}
    for event in world.events:
        if not isinstance(event, SignalDecided):
            continue
        key = (event.strategy_id, event.symbol, event.signal_id)
        if event.outcome is Outcome.DUPLICATE:
            copies[key] += 1
        else:
            last[key], copies[key] = event, 0
    shown: dict[Any, dict[str, Any]] = {(row["strategy_id"], row["symbol"], row["signal_id"]): row for row in rows}
    assert shown.keys() == last.keys()
    for key, event in last.items():
        assert shown[key]["outcome"] == event.outcome
        assert shown[key]["orders"] == list(event.orders)
        assert shown[key]["duplicates"] == copies[key]


def number(text: str | None) -> Decimal | None:
    return None if text is None else D(text)


def test_the_histories_do_something() -> None:
    """Guard against a player whose moves all come to nothing."""
    seen: set[str] = set()
    fills = ZERO
    for seed in range(40):
        moves = [(name, 7 * n + seed, 11 * n, 13 * n + seed) for n, name in enumerate(MOVES_ONCE * 4)]
        world = RecordedWorld()
        play(world, moves)
        seen |= {type(event).__name__ for event in world.events}
        fills += sum(1 for event in world.events if isinstance(event, OrderFilled) and not event.opening)
    assert fills > 40
    assert seen >= {
        "SignalDecided",
        "OrderPlanned",
        "OrderOpened",
        "CancelPlanned",
        "OrderEnded",
        "OrderFilled",
        "ProtectionPlanned",
        "FundingBooked",
    }


MOVES_ONCE = ("buy", "fill", "sell", "fill", "report", "fund", "close", "fill", "cancels", "foreign", "again", "time")
