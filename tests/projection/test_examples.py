"""What users find in the tables, by example."""

from decimal import Decimal

import pytest

from contracts.enums import OrderPurpose, OrderStatus
from tests.projection.tables import row_of, rows_of, total
from tests.projection.targets import Model
from tests.support.records import T0, RecordedWorld


class Shown:
    """A world and the tables that its records make."""

    def __init__(self, world: RecordedWorld, model: Model) -> None:
        self.world = world
        self.model = model

    async def show(self) -> None:
        """Put everything that happened since the last time into the tables."""
        await self.model.apply([self.world.cut()])


@pytest.fixture
def shown(model: Model) -> Shown:
    return Shown(RecordedWorld(), model)


async def test_two_strategies_share_one_exchange_position(shown: Shown) -> None:
    world, model = shown.world, shown.model
    world.trade("buy", "A", "45000", "0.001", fee="0.018", stop_loss="44000")
    world.trade("buy", "B", "46000", "0.002", fee="0.0368", stop_loss="45500", take_profit="50000")
    world.trade("sell", "C", "46100", "0.004")
    await shown.show()

    long = await row_of(model, "exchange_positions", exchange_position_key="BTCUSDT_LONG")
    assert long["current_quantity"] == "0.003"
    assert long["weighted_avg_price"] == "45666.666666666666666667"
    assert (long["symbol"], long["side"], long["status"]) == ("BTCUSDT", "LONG", "open")
    assert long["first_entry_time"] < long["last_update_time"]
    assert (long["contributing_strategies"], long["total_contributions"]) == (["A", "B"], 2)
    assert long["unrealized_pnl"] is None
    short = await row_of(model, "exchange_positions", exchange_position_key="BTCUSDT_SHORT")
    assert (short["current_quantity"], short["contributing_strategies"]) == ("0.004", ["C"])

    first, second = await rows_of(model, "position_contributions", exchange_position_key="BTCUSDT_LONG")
    assert [first[name] for name in ("strategy_id", "contribution_quantity", "contribution_entry_price")] == [
        "A",
        "0.001",
        "45000",
    ]
    assert (first["exchange_quantity_before"], first["exchange_quantity_after"]) == ("0", "0.001")
    assert (second["exchange_quantity_before"], second["exchange_quantity_after"]) == ("0.001", "0.003")
    assert (first["position_sequence"], second["position_sequence"]) == (1, 2)

    a, b, _ = await rows_of(model, "strategy_positions")
    assert [a[n] for n in ("strategy_id", "entry_price", "entry_quantity", "status")] == ["A", "45000", "0.001", "open"]
    assert (a["stop_loss_price"], b["stop_loss_price"], b["take_profit_price"]) == ("44000", "45500", "50000")

    world.trade("close", "A", "45600", fee="0.01824")
    await shown.show()

    long = await row_of(model, "exchange_positions", exchange_position_key="BTCUSDT_LONG")
    assert (long["current_quantity"], long["contributing_strategies"], long["status"]) == ("0.002", ["B"], "open")
    a, b_after, c = await rows_of(model, "strategy_positions")
    assert [a[n] for n in ("status", "exit_price", "exit_quantity", "close_reason", "realized_pnl")] == [
        "closed",
        "45600",
        "0.001",
        "manual",
        "0.6",
    ]
    assert b_after == b
    assert long["first_entry_time"] == a["entry_time"]
    assert c["status"] == "open"
    first, second = await rows_of(model, "position_contributions", exchange_position_key="BTCUSDT_LONG")
    assert [first[n] for n in ("status", "close_reason", "exit_price", "contribution_pnl")] == [
        "closed",
        "manual",
        "45600",
        "0.6",
    ]
    assert first["contribution_pnl_pct"] == "1.333333333333333333"
    assert (second["status"], second["contribution_pnl"], second["exit_time"]) == ("active", None, None)


async def test_a_position_from_entry_to_exit(shown: Shown) -> None:
    world, model = shown.world, shown.model
    signal = {"signal_id": "s1", "stop_loss_pct": "0.1", "carried": {"rationale": "breakout"}}
    order = world.order("buy", "A", quantity="0.2", **signal)
    world.fill(order, "100", fee="0.02", trade_id="t1")
    await shown.show()

    row = await row_of(model, "positions")
    assert [row[n] for n in ("strategy_id", "exchange", "symbol", "position_side", "status")] == [
        "A",
        "paper",
        "BTCUSDT",
        "LONG",
        "open",
    ]
    assert (row["entry_price"], row["quantity"], row["stop_loss"], row["take_profit"]) == ("100", "0.2", "90", None)
    assert (row["entry_order_id"], row["entry_trade_ids"], row["exit_trade_ids"]) == (
        order.client_order_id,
        ["t1"],
        [],
    )
    stop = world.resting(OrderPurpose.STOP_LOSS)
    assert (row["stop_loss_order_id"], row["take_profit_order_id"]) == (stop.client_order_id, None)
    assert (row["commission_total"], row["commission_asset"], row["pnl_after_fees"]) == ("0.02", "USDT", "-0.02")
    assert row["metadata"] == {"rationale": "breakout"}
    assert row["exit_price"] is row["exit_time"] is row["close_reason"] is row["duration_seconds"] is None

    world.now = T0 + 60_000
    world.fund("0.001", "100")
    world.now = T0 + 90_500
    world.fill(stop, "89.5", fee="0.0179", trade_id="t2")
    await shown.show()

    row = await row_of(model, "positions")
    assert [row[n] for n in ("status", "close_reason", "exit_price", "exit_trade_ids")] == [
        "closed",
        "stop_loss",
        "89.5",
        ["t2"],
    ]
    assert row["exit_order_id"] == stop.client_order_id
    assert (row["quantity"], row["entry_price"]) == ("0.2", "100")
    assert (row["pnl"], row["pnl_pct"]) == ("-2.1", "-10.5")
    assert (row["commission_total"], row["funding_total"], row["final_commission"]) == ("0.0379", "-0.02", "0.0179")
    assert Decimal(row["pnl_after_fees"]) == Decimal("-2.1") - Decimal("0.0379") - Decimal("0.02")
    assert row["exit_time"] == "2026-01-01T12:01:30.500Z"
    entered = Decimal(world.events[-1].time_ms - T0) / 1000
    assert 90 < Decimal(row["duration_seconds"]) <= entered
    exchange = await row_of(model, "exchange_positions")
    assert (exchange["status"], exchange["current_quantity"], exchange["weighted_avg_price"]) == ("closed", "0", "100")
    assert exchange["contributing_strategies"] == []


async def test_a_partial_close(shown: Shown) -> None:
    world, model = shown.world, shown.model
    world.trade("buy", "A", "100", "0.4", fee="0.04")
    world.trade("close", "A", "110", "0.1", fee="0.011")
    await shown.show()

    row = await row_of(model, "strategy_positions")
    assert [row[n] for n in ("status", "close_reason", "entry_quantity", "current_quantity", "exit_quantity")] == [
        "partial",
        "partial",
        "0.4",
        "0.3",
        "0.1",
    ]
    assert (row["exit_price"], row["realized_pnl"], row["realized_pnl_pct"]) == ("110", "1", "10")
    position = await row_of(model, "positions")
    assert (position["status"], position["quantity"], position["close_reason"]) == ("open", "0.3", None)
    assert (await row_of(model, "position_contributions"))["status"] == "active"

    world.trade("buy", "A", "120", "0.1")
    await shown.show()
    assert (await row_of(model, "strategy_positions"))["status"] == "partial"

    world.trade("close", "A", "90")
    await shown.show()
    row = await row_of(model, "strategy_positions")
    assert (row["status"], row["close_reason"], row["exit_quantity"]) == ("closed", "manual", "0.5")
    assert (row["entry_price"], row["exit_price"]) == ("104", "94")
    contributions = await rows_of(model, "position_contributions")
    assert [c["exit_price"] for c in contributions] == ["94", "94"]
    assert [c["contribution_pnl"] for c in contributions] == ["-2.4", "-2.6"]
    assert total(contributions, "contribution_pnl") == Decimal(row["realized_pnl"])


async def test_a_position_that_is_opened_anew_is_a_new_row(shown: Shown) -> None:
    world, model = shown.world, shown.model
    for price in ("100", "110"):
        world.trade("buy", "A", price, "0.1")
        world.trade("close", "A", "120")
    world.trade("buy", "B", "130", "0.1")
    await shown.show()

    assert [row["pnl"] for row in await rows_of(model, "positions")] == ["2", "1", "0"]
    exchange = await row_of(model, "exchange_positions")
    assert (exchange["status"], exchange["contributing_strategies"], exchange["total_contributions"]) == (
        "open",
        ["B"],
        1,
    )
    assert exchange["weighted_avg_price"] == "130"


async def test_an_order_from_plan_to_fill(shown: Shown) -> None:
    world, model = shown.world, shown.model
    order = world.order("buy", "A", quantity="0.3", order_type="limit", price="100", signal_id="s1")
    await shown.show()
    row = await row_of(model, "orders")
    assert [row[n] for n in ("status", "type", "side", "purpose", "price", "quantity", "signal_id")] == [
        "planned",
        "LIMIT",
        "BUY",
        "open",
        "100",
        "0.3",
        "s1",
    ]

    world.report(order, OrderStatus.OPEN, venue_order_id="77")
    world.fill(order, "100", "0.1", fee="0.001")
    await shown.show()
    row = await row_of(model, "orders")
    assert [row[n] for n in ("status", "venue_order_id", "filled_quantity", "remaining_quantity")] == [
        "open",
        "77",
        "0.1",
        "0.2",
    ]

    world.fill(order, "97", "0.2", fee="0.002")
    await shown.show()
    row = await row_of(model, "orders")
    assert [row[n] for n in ("status", "filled_quantity", "average_price", "commission_total", "filled_value")] == [
        "filled",
        "0.3",
        "98",
        "0.003",
        "29.4",
    ]
    assert row["ended_at"] == row["updated_at"] is not None
    position = await row_of(model, "positions")
    assert row["strategy_position_id"] == position["position_id"]


async def test_an_order_that_is_cancelled_or_refused_says_why(shown: Shown) -> None:
    world, model = shown.world, shown.model
    entry = world.order("buy", "A", quantity="0.1", order_type="limit", price="100")
    world.signal("close", "A")
    world.report(entry, OrderStatus.CANCELLED)
    refused = world.order("buy", "B", quantity="0.1")
    world.report(refused, OrderStatus.REJECTED, reason="insufficient margin")
    await shown.show()

    first, second = await rows_of(model, "orders")
    assert (first["status"], first["cancel_reason"]) == ("cancelled", "closed by signal")
    assert first["cancel_requested_at"] < first["ended_at"]
    assert (second["status"], second["reason"]) == ("rejected", "insufficient margin")


async def test_a_decision_carries_its_signal_and_counts_its_copies(shown: Shown) -> None:
    world, model = shown.world, shown.model
    fields = {"confidence": "0.75", "strength": "strong", "timeframe": "5m", "mark": "101"}
    world.signal("buy", "A", signal_id="x", quantity="0.10", carried={"indicators": {"rsi": "33"}}, **fields)
    world.signal("buy", "A", signal_id="x", quantity="0.1")
    await shown.show()
    world.signal("buy", "A", signal_id="x", quantity="0.1")
    world.signal("close", "A", signal_id="y", symbol="ETHUSDT")
    await shown.show()

    row = await row_of(model, "decisions", signal_id="x")
    assert (row["outcome"], row["duplicates"], row["reason"]) == ("accepted", 2, None)
    assert [row[n] for n in ("confidence", "strength", "timeframe", "mark_price", "quantity", "action")] == [
        "0.75",
        "strong",
        "5m",
        "101",
        "0.1",
        "buy",
    ]
    assert row["metadata"] == {"indicators": {"rsi": "33"}}
    assert row["orders"] == [order["order_id"] for order in await rows_of(model, "orders")]
    assert row["decided_at"] < row["last_duplicate_at"]
    assert (row["shard"], row["sequence"]) == (0, 1)
    refused = await row_of(model, "decisions", signal_id="y")
    assert (refused["outcome"], refused["reason"], refused["source"]) == ("rejected", "no_position", "conflict")
    assert "holds nothing of ETHUSDT" in refused["detail"]


async def test_a_foreign_fill_is_shared_and_has_no_order(shown: Shown) -> None:
    world, model = shown.world, shown.model
    world.trade("buy", "A", "100", "0.1")
    world.trade("buy", "B", "100", "0.3")
    world.foreign("SELL", world.position().side, "0.2", "90", fee="0.04", symbol="BTCUSDT")
    await shown.show()

    fills = await rows_of(model, "fills", opening="false")
    assert [(f["strategy_id"], f["quantity"], f["fee"], f["realized_pnl"]) for f in fills] == [
        ("A", "0.05", "0.01", "-0.5"),
        ("B", "0.15", "0.03", "-1.5"),
    ]
    assert {f["order_id"] for f in fills} == {"web_1"}
    assert await rows_of(model, "orders", order_id="web_1") == []


async def test_a_foreign_opening_belongs_to_nobody_s_signal(shown: Shown) -> None:
    shown.world.trade("buy", "A", "100", "0.1")
    shown.world.foreign("BUY", shown.world.position().side, "0.2", "90")
    await shown.show()

    row = await row_of(shown.model, "strategy_positions", strategy_id="external")
    assert (row["signal_id"], row["strategy_metadata"], row["entry_quantity"]) == (None, None, "0.2")


async def test_each_day_has_its_own_result(shown: Shown) -> None:
    world, model = shown.world, shown.model
    world.trade("buy", "A", "100", "1", fee="0.1")
    world.trade("buy", "B", "100", "1", fee="0.1")
    world.fund("0.001", "100")
    await shown.show()
    world.now = T0 + 12 * 3_600_000
    world.trade("close", "A", "110", fee="0.11")
    await shown.show()

    names = ("day", "strategy_id", "realized_pnl", "fees", "funding", "net_pnl", "trades")
    assert [tuple(row[n] for n in names) for row in await rows_of(model, "daily_pnl")] == [
        ("2026-01-01", "A", "0", "0.1", "-0.1", "-0.2", 1),
        ("2026-01-01", "B", "0", "0.1", "-0.1", "-0.2", 1),
        ("2026-01-02", "A", "10", "0.11", "0", "9.89", 1),
    ]
    payments = await rows_of(model, "funding_payments")
    assert [(p["strategy_id"], p["amount"], p["rate"], p["mark_price"], p["quantity"]) for p in payments] == [
        ("A", "-0.1", "0.001", "100", "1"),
        ("B", "-0.1", "0.001", "100", "1"),
    ]
