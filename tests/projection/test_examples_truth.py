"""What users find in the tables about the exchange's own account of things, by example."""

from decimal import Decimal

import msgspec

from contracts.enums import OrderPurpose, OrderStatus
from contracts.values import iso_millis
from tests.domain.reconcile_cases import Exchange, stop_named
from tests.projection.tables import row_of, rows_of
from tests.projection.targets import Model
from tests.support.builders import build, of_kind
from tests.support.records import RecordedWorld
from tradeengine.domain import events as ev
from tradeengine.domain.inputs import FundingSettled, SymbolCommanded
from tradeengine.domain.state import DAY_MS

ORPHAN = "te-test-0-zzzs"


def held(world: RecordedWorld, quantity: str) -> Exchange:
    """Bring A's two, and their stop, to rest, at an exchange that holds another quantity."""
    world.trade("buy", "A", "100", "2", stop_loss="90")
    world.report(world.resting(OrderPurpose.STOP_LOSS), OrderStatus.OPEN)
    return Exchange(world, Decimal(quantity))


async def test_a_difference_that_was_repaired(model: Model) -> None:
    world = RecordedWorld()
    held(world, "1.5").look()
    await model.apply([world.cut()])

    row = await row_of(model, "differences")
    assert (row["kind"], row["action"], row["status"]) == ("quantity", "written_off", "repaired")
    assert (row["symbol"], row["position_side"], row["order_id"]) == ("BTCUSDT", "LONG", None)
    assert (row["books_quantity"], row["exchange_quantity"]) == ("2", "1.5")
    assert row["ended_at"] == row["found_at"]
    alert = await row_of(model, "alerts")
    assert (alert["name"], alert["severity"], alert["text"]) == ("difference_quantity", "critical", row["text"])
    fills = await rows_of(model, "fills")
    assert [(fill["quantity"], fill["reconciled"], fill["close_reason"]) for fill in fills] == [
        ("2", False, None),
        ("0.5", True, "manual"),
    ]
    assert (await row_of(model, "daily_pnl"))["trades"] == 1
    assert (await row_of(model, "strategy_positions"))["current_quantity"] == "1.5"


async def test_a_leg_that_takes_over_the_exchanges_average(model: Model) -> None:
    world = RecordedWorld()
    exchange = held(world, "2")
    (position,) = exchange.observed().positions
    world.give(exchange.observed(positions=(msgspec.structs.replace(position, entry_price=Decimal("99.5")),)))
    await model.apply([world.cut()])

    row = await row_of(model, "differences")
    assert (row["kind"], row["action"], row["status"]) == ("entry_price", "revalued", "repaired")
    assert (row["books_quantity"], row["exchange_quantity"]) == ("2", "2")
    leg = await row_of(model, "exchange_positions")
    assert (leg["weighted_avg_price"], leg["realized_pnl"], leg["current_quantity"]) == ("99.5", "-1", "2")
    assert leg["last_update_time"] == row["found_at"]
    position_row = await row_of(model, "strategy_positions")
    assert (position_row["entry_price"], position_row["realized_pnl"]) == ("100", "0")
    assert (await row_of(model, "daily_pnl"))["net_pnl"] == "0"


async def test_a_difference_that_lasts_until_it_is_found_no_more(model: Model) -> None:
    world = RecordedWorld()
    exchange = held(world, "2")
    exchange.orders[ORPHAN] = stop_named(ORPHAN)
    world.give(exchange.observed())
    await model.apply([world.cut()])
    row = await row_of(model, "differences")
    assert (row["kind"], row["status"], row["order_id"], row["ended_at"]) == ("orphan_order", "open", ORPHAN, None)

    del exchange.orders[ORPHAN]
    world.give(exchange.observed())
    await model.apply([world.cut()])
    row = await row_of(model, "differences")
    assert row["status"] == "over"
    assert row["ended_at"] > row["found_at"]


async def test_a_symbol_that_was_halted_and_let_go(model: Model) -> None:
    world = RecordedWorld()
    held(world, "-1").look()
    await model.apply([world.cut()])
    row = await row_of(model, "symbol_halts")
    assert (row["symbol"], row["halted"]) == ("BTCUSDT", True)
    assert "cannot be below zero" in row["why"]

    world.give(SymbolCommanded(time_ms=world.now, symbol="BTCUSDT", halted=False, why="closed by hand"))
    await model.apply([world.cut()])
    row = await row_of(model, "symbol_halts")
    assert (row["halted"], row["why"]) == (False, "closed by hand")


async def test_an_order_that_somebody_amended_shows_how_it_rests(model: Model) -> None:
    world = RecordedWorld()
    entry = world.order(quantity="2", order_type="limit", target_price="90")
    world.report(entry, OrderStatus.OPEN)
    exchange = Exchange(world, Decimal(0))
    planned = exchange.orders[entry.client_order_id]
    exchange.orders[entry.client_order_id] = msgspec.structs.replace(planned, quantity=Decimal(5), price=Decimal(95))
    events = world.give(exchange.observed())
    assert of_kind(events, ev.OrderAmended)
    await model.apply([world.cut()])
    row = await row_of(model, "orders", order_id=entry.client_order_id)
    assert (row["quantity"], row["remaining_quantity"], row["price"]) == ("5", "5", "95")
    assert row["cancel_reason"] == "rests otherwise than planned"


async def test_funding_of_what_is_gone_is_nobodys(model: Model) -> None:
    world = RecordedWorld()
    world.give(
        build(
            FundingSettled,
            time_ms=world.now,
            symbol="BTCUSDT",
            rate="0.001",
            mark_price="100",
            amount="-0.1",
            id="77",
        )
    )
    await model.apply([world.cut()])
    row = await row_of(model, "funding_payments")
    assert (row["strategy_id"], row["amount"], row["exchange_id"]) == ("external", "-0.1", "77")
    assert (await row_of(model, "daily_pnl"))["net_pnl"] == "-0.1"


async def test_funding_is_dated_when_it_was_settled(model: Model) -> None:
    world = RecordedWorld()
    world.trade("buy", "A", "100", "1")
    settled_ms = world.now
    world.now += DAY_MS
    fields = {"symbol": "BTCUSDT", "rate": "0.001", "mark_price": "100", "amount": "-0.1", "id": "78"}
    world.give(build(FundingSettled, time_ms=world.now, settled_ms=settled_ms, **fields))
    await model.apply([world.cut()])
    row = await row_of(model, "funding_payments")
    assert (row["strategy_id"], row["time"]) == ("A", iso_millis(settled_ms))
    days = await rows_of(model, "daily_pnl")
    assert [(day["day"], day["net_pnl"]) for day in days] == [(iso_millis(settled_ms)[:10], "-0.1")]


async def test_funding_without_a_rate_has_none(model: Model) -> None:
    world = RecordedWorld()
    world.trade("buy", "A", "100", "1")
    given = {"symbol": "BTCUSDT", "rate": None, "mark_price": None, "amount": "-0.1", "id": "79"}
    world.give(build(FundingSettled, time_ms=world.now, **given))
    await model.apply([world.cut()])
    row = await row_of(model, "funding_payments")
    assert (row["amount"], row["rate"], row["mark_price"]) == ("-0.1", None, None)


async def test_a_fee_in_another_asset_stands_beside_the_quote_currencys(model: Model) -> None:
    world = RecordedWorld()
    order = world.order("buy", "A", quantity="1")
    world.fill(order, "100", "0.6", fee="0.00030000", fee_asset="BNB")
    world.fill(order, "100", "0.4", fee="0.02")
    world.fill(world.order("close", "A"), "110", fee="0.00050000", fee_asset="BNB")
    await model.apply([world.cut()])

    row = await row_of(model, "positions")
    assert (row["commission_asset"], row["commission_total"], row["final_commission"]) == ("USDT", "0.02", "0")
    assert (row["other_commissions"], row["pnl_after_fees"]) == ({"BNB": "0.0008"}, "9.98")
    for table in ("strategy_positions", "exchange_positions"):
        row = await row_of(model, table)
        assert (row["commission_total"], row["other_commissions"]) == ("0.02", {"BNB": "0.0008"})
    row = await row_of(model, "orders", order_id=order.client_order_id)
    assert (row["commission_asset"], row["commission_total"]) == ("USDT", "0.02")
    row = await row_of(model, "daily_pnl")
    assert (row["fees"], row["net_pnl"]) == ("0.02", "9.98")
    fees = {(row["fee"], row["fee_asset"]) for row in await rows_of(model, "fills")}
    assert fees == {("0.0003", "BNB"), ("0.02", "USDT"), ("0.0005", "BNB")}
