"""Fills: each is booked once, to whom it belongs, even when it comes late or from nobody."""

from decimal import Decimal

import pytest

from contracts.enums import OrderPurpose, OrderStatus
from contracts.signal import EXTERNAL
from tests.support.builders import LONG, SHORT, World, fill_of, instrument, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain.state import ENDED_MS


def shares(events: list[ev.AnyEvent]) -> dict[str, Decimal]:
    (filled,) = of_kind(events, ev.OrderFilled)
    return {share.strategy_id: share.quantity for share in filled.shares}


# ---------------------------------------------------------------- opening


def test_fills_in_pieces_add_up() -> None:
    world = World()
    order = world.order(quantity="3")
    for price, quantity in (("100", "1"), ("103", "2")):
        world.fill(order, price, quantity, fee="0.1")
    position = world.position()
    assert (position.quantity, position.books.cost, position.books.fees) == (Decimal(3), Decimal(306), Decimal("0.2"))
    assert world.leg().pending == 0
    assert world.state.orders == {}


def test_a_fill_says_what_can_still_come() -> None:
    world = World()
    (filled,) = of_kind(world.fill(world.order(quantity="3"), "100", "1"), ev.OrderFilled)
    assert (filled.order_remaining, filled.before, filled.after.quantity) == (Decimal(2), Decimal(0), Decimal(1))
    assert world.leg().pending == 2


def test_a_position_keeps_the_signal_and_the_order_that_opened_it() -> None:
    world = World()
    first = world.order(quantity="1", signal_id="first")
    world.fill(first, "100")
    world.trade("buy", "A", "100", "1", signal_id="second")
    assert (world.position().signal_id, world.position().entry_order_id) == ("first", first.client_order_id)


def test_a_position_that_opens_anew_is_another_one() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    first = world.position().position_id
    world.trade("close", "A", "100")
    world.trade("buy", "A", "100", "1")
    assert world.position().position_id != first


# ---------------------------------------------------------------- closing


def test_a_close_realises_by_the_strategys_own_cost() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "200", "1")
    (filled,) = of_kind(world.trade("close", "A", "160"), ev.OrderFilled)
    assert filled.shares[0].realized == 60
    assert filled.realized == 10, "the exchange position's own average is 150"
    leg = world.leg()
    assert leg.books.realized + leg.books.unrealized(LONG, Decimal(180)) == 60 + (180 - 200)


def test_a_short_gains_when_the_price_falls() -> None:
    world = World()
    world.trade("sell", "A", "100", "2")
    (filled,) = of_kind(world.trade("close", "A", "90"), ev.OrderFilled)
    assert filled.realized == 20


def test_everything_that_is_closed_leaves_the_state() -> None:
    world = World(stop_loss_pct="0.1", take_profit_pct="0.1")
    for strategy in "ABC":
        world.trade("buy", strategy, "100", "1")
        world.trade("sell", strategy, "100", "1")
    for strategy in "ABC":
        for order_id in world.signal("close", strategy).orders:
            world.fill(world.state.orders[order_id].order, "101")
    world.honour_cancels()
    assert (world.state.legs, world.state.orders) == ({}, {})


def test_the_state_stays_small_however_much_is_traded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeengine.domain.evolve.TRADE_ENTRIES", 10)
    world = World(max_signal_age_ms=10, max_signal_lead_ms=1, stop_loss_pct="0.1")
    sizes = []
    for _ in range(50):
        world.trade("buy", "A", "100", "1")
        world.trade("close", "A", "100")
        world.honour_cancels()
        world.now += ENDED_MS // 5
        sizes.append(len(world.state.canonical()))
    assert max(sizes[25:]) <= sizes[10] + 200


# ---------------------------------------------------------------- twice, late, unwanted


def test_a_trade_is_booked_once() -> None:
    world = World()
    order = world.order(quantity="2")
    world.fill(order, "100", "1", trade_id="t1")
    before = world.state.canonical()
    (ignored,) = world.fill(order, "100", "1", trade_id="t1")
    assert isinstance(ignored, ev.FillIgnored)
    assert ignored.reason == "booked before"
    assert world.state.canonical() == before


def test_trade_ids_are_each_symbols_own() -> None:
    world = World()
    world.fill(world.order(quantity="2"), "100", "1", trade_id="t1")
    assert shares(world.foreign("BUY", LONG, "1", "100", symbol="ETHUSDT")) == {EXTERNAL: 1}


def test_a_fill_after_the_cancel_is_booked_to_its_order() -> None:
    world = World()
    order = world.order(quantity="3", order_type="limit", target_price="100")
    world.fill(order, "100", "1")
    world.report(order, OrderStatus.CANCELLED, executed="2")
    assert order.client_order_id in world.state.orders, "one more is to come"
    assert shares(world.fill(order, "100", "1")) == {"A": 1}
    assert world.leg().pending == 0
    assert world.state.orders == {}


def test_an_order_that_filled_before_its_fills_came_waits_for_them() -> None:
    world = World()
    order = world.order(quantity="3")
    world.report(order, OrderStatus.FILLED)
    assert world.leg().pending == 3
    assert shares(world.fill(order, "100")) == {"A": 3}
    assert world.state.orders == {}


def test_an_order_that_ended_without_a_fill_leaves_nothing() -> None:
    world = World()
    world.report(world.order(quantity="3"), OrderStatus.REJECTED, reason="margin")
    assert (world.state.legs, world.state.orders) == ({}, {})


def test_an_entry_that_fills_after_its_strategy_left_is_sold_at_once() -> None:
    world = World(stop_loss_pct="0.1")
    order = world.order(quantity="2", order_type="limit", target_price="100")
    world.signal("close", "A")
    world.fill(order, "100", "1")
    close = world.resting(OrderPurpose.CLOSE)
    assert (close.side, close.quantity) == ("SELL", Decimal(1))
    assert world.live(OrderPurpose.STOP_LOSS) == []
    world.fill(close, "100")
    world.honour_cancels()
    assert (world.state.legs, world.state.orders) == ({}, {})


def test_an_unwanted_fill_leaves_what_was_held_before_alone() -> None:
    world = World()
    world.trade("buy", "A", "100", "5")
    order = world.order(quantity="2", order_type="limit", target_price="100", signal_id="more")
    world.fill(world.order("close", "A"), "100", "1")
    world.fill(order, "100")
    assert (world.position().quantity, world.position().closing) == (Decimal(6), Decimal(6))


def test_an_expired_entry_that_still_fills_is_kept() -> None:
    world = World()
    order = world.order(quantity="2", order_type="limit", target_price="100", conditional_timeout_s=1)
    world.pass_time(2_000)
    world.fill(order, "100", "1")
    assert (world.position().quantity, world.position().closing) == (Decimal(1), Decimal(0))


# ---------------------------------------------------------------- foreign fills


def test_a_trade_by_hand_belongs_to_nobody_of_ours() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.foreign("BUY", LONG, "2", "110")
    assert world.position(EXTERNAL).books.entry_price == 110
    assert world.position("A").books.entry_price == 100


def test_closing_by_hand_takes_from_external_first() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.foreign("BUY", LONG, "2", "110")
    assert shares(world.foreign("SELL", LONG, "2", "120")) == {EXTERNAL: 2}
    assert world.position("A").quantity == 1


def test_closing_more_by_hand_takes_from_all_in_proportion() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "100", "3")
    world.foreign("BUY", LONG, "1", "100")
    taken = world.foreign("SELL", LONG, "3", "110", fee="0.6")
    assert shares(taken) == {EXTERNAL: 1, "A": Decimal("0.5"), "B": Decimal("1.5")}
    (filled,) = of_kind(taken, ev.OrderFilled)
    assert [share.fee for share in filled.shares] == [Decimal("0.2"), Decimal("0.1"), Decimal("0.3")]
    assert {share.close_reason for share in filled.shares} == {"manual"}


def test_what_others_take_from_a_strategy_sizes_its_stop_down() -> None:
    world = World()
    world.trade("buy", "A", "100", "4", stop_loss="90")
    world.foreign("SELL", LONG, "1", "100")
    assert world.resting(OrderPurpose.STOP_LOSS).quantity == 3


def test_what_others_take_falls_to_strategies_in_whole_steps() -> None:
    world = World(instrument("BTCUSDT", "0.1", "0.001"))
    for strategy, quantity in (("A", "0.002"), ("B", "0.001"), ("C", "0.001")):
        world.trade("buy", strategy, "100", quantity)
    taken = shares(world.foreign("SELL", LONG, "0.002", "100"))
    assert sum(taken.values()) == Decimal("0.002")
    assert all(share % Decimal("0.001") == 0 for share in taken.values())
    for strategy in list(world.leg().strategies):
        world.trade("close", strategy, "100")
    assert world.state.legs == {}


def test_a_trade_that_is_named_again_is_booked_once_for_as_long_as_its_order_lives() -> None:
    world = World()
    order = world.order(quantity="1", order_type="limit", price="100", mark="101")
    world.fill(order, "100", "0.3", trade_id="T1")
    for number in range(3):
        world.pass_time(400_000)
        world.fill(order, "100", "0.1", trade_id=f"later-{number}")
    assert [type(event) for event in world.fill(order, "100", "0.3", trade_id="T1")] == [ev.FillIgnored]
    assert world.position().quantity == Decimal("0.6")


def test_a_clock_that_is_set_ahead_makes_no_trade_forgotten() -> None:
    world = World()
    order = world.order(quantity="1")
    world.fill(order, "100", trade_id="T1")
    world.pass_time(world.state.config.memory_ms + 1)
    world.trade("buy", "A", "100", "1")
    assert [type(event) for event in world.fill(order, "100", trade_id="T1")] == [ev.FillIgnored]
    assert world.position().quantity == 2


def test_a_close_that_is_reported_before_its_opening_is_booked_all_the_same() -> None:
    world = World()
    entry = world.order(quantity="1")
    world.fill(entry, "100", "0.6")
    close = world.order("close", "A")
    assert close.quantity == Decimal("0.6")
    world.foreign("SELL", LONG, "0.3", "100")
    world.fill(close, "101", "0.6")
    assert (world.leg().quantity, world.position().quantity) == (Decimal("-0.3"), Decimal("-0.3"))
    # The leg says that a report is missing: nothing is bought before it is there.
    assert world.live(OrderPurpose.RESTORE) == []
    world.foreign("BUY", LONG, "0.3", "100")
    world.pass_time(1_000)
    assert world.resting(OrderPurpose.RESTORE).quantity == Decimal("0.3")


@pytest.mark.parametrize(("side", "position_side"), [("SELL", LONG), ("BUY", SHORT)])
def test_a_foreign_fill_that_closes_more_than_is_held_is_not_booked(side: str, position_side: str) -> None:
    world = World()
    world.trade("buy" if position_side == LONG else "sell", "A", "100", "1")
    before = world.leg(LONG if position_side == LONG else SHORT).books
    (ignored,) = world.foreign(side, LONG if position_side == LONG else SHORT, "2", "100")
    assert isinstance(ignored, ev.FillIgnored)
    assert "holds 1" in ignored.reason
    assert world.leg(LONG if position_side == LONG else SHORT).books == before


def test_fees_may_be_rebates() -> None:
    world = World()
    world.trade("buy", "A", "100", "1", fee="-0.01")
    assert (world.position().books.fees, world.state.totals.pnl_of_day(world.now)) == (
        Decimal("-0.01"),
        Decimal("0.01"),
    )


def test_a_fill_remembers_asset_and_side_of_its_fee() -> None:
    world = World()
    given = fill_of(world.order(quantity="1"), "100", fee="0.001", fee_asset="BNB", maker=True, trade_id="1", time_ms=9)
    (filled,) = of_kind(world.give(given), ev.OrderFilled)
    assert (filled.fee_asset, filled.maker, filled.shares[0].fee) == ("BNB", True, Decimal("0.001"))


def test_a_fee_in_another_asset_is_part_of_no_sum() -> None:
    world = World()
    world.trade("buy", "A", "100", "1", fee="0.03")
    world.fill(world.order("buy", "B", quantity="3"), "100", fee="0.004", fee_asset="BNB")
    closing = world.fill(world.order("close", "A"), "110", fee="0.002", fee_asset="BNB")

    totals = world.state.totals
    assert (totals.fees, totals.pnl_of_day(world.now)) == (Decimal("0.03"), Decimal("9.97"))
    assert (world.leg().books.fees, world.leg().closed_fees) == (Decimal("0.03"), Decimal("0.03"))
    assert world.leg().books.other_fees == {"BNB": Decimal("0.006")}
    assert world.position("B").books.other_fees == {"BNB": Decimal("0.004")}
    (filled,) = of_kind(closing, ev.OrderFilled)
    assert (filled.shares[0].after.fees, filled.shares[0].after.other_fees) == (
        Decimal("0.03"),
        {"BNB": Decimal("0.002")},
    )


def test_fees_fall_to_strategies_in_whichever_asset_they_are_paid() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "100", "2")
    world.foreign("SELL", LONG, "1.5", "100", fee="0.003", fee_asset="BNB")
    assert [world.position(name).books.other_fees["BNB"] for name in "AB"] == [Decimal("0.001"), Decimal("0.002")]
    assert world.state.totals.fees == 0


def test_the_quote_currency_is_what_the_symbol_settles_in() -> None:
    world = World(instrument(settle_asset="USDC"))
    world.fill(world.order(quantity="1"), "100", fee="0.05", fee_asset="USDC")
    world.fill(world.order(quantity="1"), "100", fee="0.04", fee_asset="USDT")
    assert (world.leg().books.fees, world.leg().books.other_fees) == (Decimal("0.05"), {"USDT": Decimal("0.04")})
