"""Triggers: floors, bands and distances of stops; trailing stops; break-even; targets that wait for the band."""

from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import OrderKind, OrderPurpose, PositionSide, Reason
from tests.domain.invariants import check
from tests.support.builders import LONG, SHORT, World, build, instrument, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain.instrument import BAND_SHARE, Instrument
from tradeengine.domain.money import MONEY
from tradeengine.domain.orders import ProtectionTerms, merged
from tradeengine.domain.state import PriceWatch

STOP, TARGET, FLATTEN = OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT, OrderPurpose.FLATTEN

# Triggers keep to 0.95 of 5 %: 95.25 to 104.75 around 100.
BAND: dict[str, Any] = {"percent_up": "1.05", "percent_down": "0.95"}


def banded(**config: Any) -> World:
    return World(instrument(**BAND), **config)


def plans(events: list[ev.AnyEvent]) -> list[ev.ProtectionPlanned]:
    return of_kind(events, ev.ProtectionPlanned)


# ---------------------------------------------------------------- band


@pytest.mark.parametrize(("action", "stop", "placed"), [("buy", "90", "95.25"), ("sell", "110", "104.75")])
def test_i19_a_stop_outside_the_band_is_moved_to_its_edge_and_flagged(action: str, stop: str, placed: str) -> None:
    world = banded()
    (plan,) = plans(world.trade(action, "A", "100", "1", mark="100", stop_loss=stop))
    assert str(world.resting(STOP).trigger_price) == placed
    assert (str(plan.stop_price), str(plan.wanted_stop), plan.clamped) == (placed, stop, True)
    check(world.state)


@pytest.mark.parametrize(("action", "stop"), [("buy", "95.25"), ("sell", "104.75")])
def test_i13_a_stop_inside_the_band_lies_where_it_was_asked_for(action: str, stop: str) -> None:
    world = banded()
    (plan,) = plans(world.trade(action, "A", "100", "1", mark="100", stop_loss=stop))
    assert str(world.resting(STOP).trigger_price) == stop
    assert not plan.clamped


def test_i20_the_band_is_laid_around_the_fill_and_not_around_the_signals_price() -> None:
    world = banded()
    world.trade("buy", "A", "200", "1", mark="100", stop_loss="90")
    assert str(world.resting(STOP).trigger_price) == "190.5"


def test_a_stop_at_the_bands_edge_is_not_moved_again_while_it_fits() -> None:
    world = banded()
    world.trade("buy", "A", "100", "1", stop_loss="90")
    stop = world.resting(STOP)
    world.trade("buy", "B", "104", "1")
    world.foreign("BUY", LONG, "1", "104")
    assert world.resting(STOP) == stop


def test_a_stop_that_is_placed_anew_lies_in_the_band_of_that_moment() -> None:
    world = banded()
    world.trade("buy", "A", "100", "1", stop_loss="90")
    world.trade("buy", "A", "102", "1")
    assert str(world.resting(STOP).trigger_price) == "97.16"


def test_i04_a_floor_beyond_the_band_refuses_the_entry() -> None:
    world = banded(min_stop_distance_pct="0.06", stop_loss_pct="0.07")
    assert world.signal(quantity="1", mark="100").reason is Reason.STOP_OUT_OF_BAND


def test_without_a_stop_the_floor_refuses_nothing() -> None:
    assert banded(min_stop_distance_pct="0.06").signal(quantity="1", mark="100").outcome == "accepted"


@pytest.mark.parametrize(
    ("kind", "price", "reason"),
    [
        ({"order_type": "limit"}, "105.01", Reason.PRICE_OUT_OF_RANGE),
        ({"order_type": "limit"}, "80", None),
        ({"order_type": "stop"}, "105.01", Reason.PRICE_OUT_OF_RANGE),
        ({"order_type": "take_profit"}, "94.99", Reason.PRICE_OUT_OF_RANGE),
        ({"order_type": "stop"}, "104", None),
    ],
)
def test_an_entry_that_the_exchange_would_not_take_is_refused_here(
    kind: dict[str, str], price: str, reason: Reason | None
) -> None:
    assert banded().signal(quantity="1", mark="100", target_price=price, **kind).reason == reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"stop_loss": "80"}, None),
        ({"stop_loss": "79.99"}, Reason.STOP_TOO_FAR),
        ({"stop_loss_pct": "0.2"}, None),
        ({"stop_loss_pct": "0.21"}, Reason.STOP_TOO_FAR),
        ({"trailing_pct": "0.1"}, None),
        ({}, None),
    ],
)
def test_i18_a_stop_that_is_too_far_away_refuses_the_entry(fields: dict[str, str], reason: Reason | None) -> None:
    assert World(max_stop_distance_pct="0.2").signal(quantity="1", mark="100", **fields).reason == reason


def test_the_distance_of_an_absolute_stop_cannot_be_judged_without_a_price() -> None:
    world = World(max_stop_distance_pct="0.2")
    assert world.signal(quantity="1", stop_loss="90").reason is Reason.NO_REFERENCE_PRICE


@pytest.mark.parametrize(
    ("action", "tick", "stop"), [("buy", "0.1", "99.2"), ("sell", "0.1", "100.8"), ("buy", "0.01", "99.25")]
)
def test_i22_a_stop_is_never_rounded_into_the_least_distance(action: str, tick: str, stop: str) -> None:
    world = World(instrument(tick=tick), min_stop_distance_pct="0.0075", stop_loss_pct="0.0075")
    (plan,) = plans(world.trade(action, "A", "100", "1"))
    assert str(world.resting(STOP).trigger_price) == stop
    assert not plan.widened


@pytest.mark.parametrize("fields", [{"stop_loss_pct": "1"}, {"stop_loss": "0.004"}])
def test_i59_no_trigger_at_or_below_zero_is_ever_planned(fields: dict[str, str]) -> None:
    world = World()
    (plan,) = plans(world.trade("buy", "A", "100", "1", **fields))
    assert str(world.resting(STOP).trigger_price) == "0.01"
    assert plan.clamped


def test_a_stop_keeps_to_the_least_price_of_the_symbol() -> None:
    world = World(instrument(min_price="50", max_price="200"))
    world.trade("buy", "A", "100", "1", stop_loss_pct="0.6", take_profit_pct="1")
    assert str(world.resting(STOP).trigger_price) == "50"
    world.trade("buy", "B", "150", "1", take_profit_pct="0.5")
    assert world.live(TARGET, "B") == [], "a price that the symbol cannot have is no target"


prices = st.integers(1, 10**7).map(lambda ticks: Decimal(ticks).scaleb(-2))
multipliers = st.integers(1, 30).map(lambda percent: Decimal(percent).scaleb(-2))


@given(
    side=st.sampled_from((LONG, SHORT)),
    fill=prices,
    ticks=st.integers(1, 10**6),
    up=multipliers,
    down=multipliers,
    floor=st.sampled_from(("0", "0.001", "0.009")),
)
def test_every_stop_lies_in_the_band_and_out_of_the_floor(
    side: PositionSide, fill: Decimal, ticks: int, up: Decimal, down: Decimal, floor: str
) -> None:
    rules = build(
        Instrument, symbol="BTCUSDT", tick_size="0.01", step_size="1", percent_up=1 + up, percent_down=1 - down
    )
    with localcontext(MONEY):
        asked = fill - side.sign * Decimal(ticks).scaleb(-2)
        if asked <= 0:
            return
        world = World(rules, min_stop_distance_pct=floor)
        action = "buy" if side is LONG else "sell"
        decision = world.signal(action, "A", quantity="1", stop_loss=asked)
        if decision.reason is not None:
            assert decision.reason is Reason.STOP_OUT_OF_BAND
            return
        (plan,) = plans(world.fill(world.state.orders[decision.orders[0]].order, str(fill)))
        if world.live(FLATTEN):
            # The band is narrower than a tick here: nothing can rest, so the position is closed.
            assert plan.stop_price is not None
            assert side.sign * (fill - plan.stop_price) <= 0
            return
        stop = world.resting(STOP).trigger_price
        assert stop is not None
        assert fill * rules.percent_down <= stop <= fill * rules.percent_up
        assert side.sign * (fill - stop) > 0
        if not (plan.clamped or plan.widened):
            assert stop == asked
        if not plan.clamped:
            assert side.sign * (fill - stop) >= fill * Decimal(floor)


# ---------------------------------------------------------------- targets and the band


@pytest.mark.parametrize(
    ("action", "target", "watch", "reached"), [("buy", "110", "105.03", "106"), ("sell", "90", "94.47", "94")]
)
def test_a_target_outside_the_band_waits_until_the_market_has_come_nearer(
    action: str, target: str, watch: str, reached: str
) -> None:
    world = banded()
    (plan,) = plans(world.trade(action, "A", "100", "1", take_profit=target, stop_loss_pct="0.01"))
    assert (str(plan.target_price), plan.target_waits, str(plan.watch_price)) == (target, True, watch)
    assert world.live(TARGET) == []
    check(world.state)
    side = LONG if action == "buy" else SHORT
    level = Decimal(watch)
    wanted = PriceWatch(above=level) if side is LONG else PriceWatch(below=level)
    assert world.state.price_watches == {"BTCUSDT": wanted}
    short_of_it = str(level - side.sign * Decimal("0.01"))
    assert not wanted.reached(Decimal(short_of_it))
    assert world.reach(short_of_it) == []

    stop = world.resting(STOP)
    world.reach(reached)
    assert str(world.resting(TARGET).trigger_price) == target
    assert world.resting(STOP) == stop
    assert world.state.price_watches == {}
    check(world.state)


def test_at_the_very_level_the_target_is_inside_the_band() -> None:
    world = banded()
    world.trade("buy", "A", "100", "1", take_profit="110")
    level = world.position().watch_price
    assert level is not None
    world.reach(str(level))
    assert world.resting(TARGET).trigger_price == 110
    assert level * (1 + BAND_SHARE * Decimal("0.05")) >= 110


def test_a_market_that_jumps_over_a_waiting_target_takes_its_profit() -> None:
    world = banded()
    world.trade("buy", "A", "100", "1", take_profit="110")
    world.reach("111")
    assert world.resting(FLATTEN).close_reason == "take_profit"


# ---------------------------------------------------------------- trailing stops


@pytest.mark.parametrize("action", ["buy", "sell"])
def test_a_trailing_stop_rests_at_the_exchange(action: str) -> None:
    world = World(stop_loss_pct="0.02")
    (plan,) = plans(world.trade(action, "A", "100", "1", trailing_pct="0.015", take_profit_pct="0.1"))
    stop = world.resting(STOP)
    assert (stop.kind, stop.trigger_price, str(stop.callback_pct)) == (OrderKind.TRAILING_STOP_MARKET, None, "0.015")
    assert (plan.stop_price, str(plan.trailing_pct)) == (None, "0.015")
    assert world.resting(TARGET).quantity == 1
    check(world.state)


def test_a_trailing_stop_is_sized_anew_like_any_other() -> None:
    world = World()
    world.trade("buy", "A", "100", "1", trailing_pct="0.02")
    old = world.resting(STOP)
    world.take(old)
    world.trade("buy", "A", "100", "1")
    (new,) = [live.order for live in world.live(STOP) if live.order.quantity == 2]
    assert not world.state.orders[old.client_order_id].cancelling, "placed before the old one is cancelled"
    world.take(new)
    assert world.resting(STOP) == new
    world.honour_cancels()
    check(world.state)


def test_a_trailing_stop_is_moved_out_to_the_least_distance_in_the_exchanges_steps() -> None:
    world = World(min_stop_distance_pct="0.0105")
    (plan,) = plans(world.trade("buy", "A", "100", "1", trailing_pct="0.002"))
    assert (str(world.resting(STOP).callback_pct), plan.widened) == ("0.011", True)


def test_a_trailing_stop_needs_a_least_distance_that_the_exchange_can_trail() -> None:
    world = World(min_stop_distance_pct="0.11")
    assert world.signal(quantity="1", trailing_pct="0.1").reason is Reason.STOP_OUT_OF_BAND
    assert World(max_stop_distance_pct="0.05").signal(quantity="1", trailing_pct="0.06").reason is Reason.STOP_TOO_FAR


def test_an_addition_may_turn_a_fixed_stop_into_a_trailing_one_and_back() -> None:
    world = World()
    world.trade("buy", "A", "100", "1", stop_loss="95", break_even_at_pct="0.05")
    world.trade("buy", "A", "100", "1", trailing_pct="0.02")
    assert world.resting(STOP).kind is OrderKind.TRAILING_STOP_MARKET
    assert world.state.price_watches == {}, "a stop that trails has no break-even"
    world.trade("buy", "A", "100", "1", stop_loss="96")
    assert (world.resting(STOP).kind, str(world.resting(STOP).trigger_price)) == (OrderKind.STOP_MARKET, "96")
    check(world.state)


def test_merged_terms_take_stop_target_and_break_even_each_from_whom_names_it_last() -> None:
    held = build(ProtectionTerms, stop_loss_pct="0.01", take_profit="110", break_even_at_pct="0.02")
    assert merged(held, ProtectionTerms()) == held
    assert merged(held, build(ProtectionTerms, stop_loss="90")) == build(
        ProtectionTerms, stop_loss="90", take_profit="110", break_even_at_pct="0.02"
    )
    assert merged(held, build(ProtectionTerms, trailing_pct="0.01")) == build(
        ProtectionTerms, trailing_pct="0.01", take_profit="110"
    )
    assert merged(held, build(ProtectionTerms, break_even_at_pct="0.5")).break_even_at_pct == Decimal("0.5")


# ---------------------------------------------------------------- break-even


@pytest.mark.parametrize(
    ("action", "near", "level", "stop"), [("buy", "104.99", "105", "100.11"), ("sell", "95.01", "95", "99.9")]
)
def test_at_the_gain_asked_for_the_stop_moves_to_where_nothing_is_lost(
    action: str, near: str, level: str, stop: str
) -> None:
    world = World()
    world.trade(action, "A", "100", "2", fee="0.1", stop_loss_pct="0.02", break_even_at_pct="0.05")
    old = world.resting(STOP)
    world.take(old)
    assert world.reach(near) == []
    (plan,) = plans(world.reach(level))
    assert str(plan.secured) == stop
    assert world.state.price_watches == {}
    new = max(world.live(STOP), key=lambda live: live.order.planned_ms).order
    assert str(new.trigger_price) == stop
    check(world.state)
    world.take(new)
    world.honour_cancels()
    fee = str(Decimal(stop) * 2 * Decimal("0.0005"))
    world.fill(new, stop, fee=fee)
    assert 0 <= world.state.totals.realized - world.state.totals.fees <= Decimal("0.02"), "a tick at most"


def test_a_break_even_without_a_stop_makes_one() -> None:
    world = World()
    world.trade("buy", "A", "100", "1", break_even_at_pct="0.05")
    assert world.live(STOP) == []
    world.reach("106")
    assert str(world.resting(STOP).trigger_price) == "100"


def test_a_secured_stop_never_goes_back() -> None:
    world = World()
    world.trade("buy", "A", "100", "1", stop_loss_pct="0.02", break_even_at_pct="0.05")
    world.reach("106")
    assert str(world.resting(STOP).trigger_price) == "100"
    # The average falls, and so would a stop that is a fraction of it.
    world.trade("buy", "A", "101", "1", stop_loss_pct="0.05")
    assert str(world.resting(STOP).trigger_price) == "100"
    world.reach("106")
    assert str(world.resting(STOP).trigger_price) == "100.5"
    check(world.state)


def test_a_break_even_waits_until_its_stop_can_rest() -> None:
    world = World(min_stop_distance_pct="0.01")
    world.trade("buy", "A", "100", "1", fee="1", stop_loss_pct="0.02", break_even_at_pct="0.001")
    level = world.position().watch_price
    assert level is not None
    world.reach(str(level))
    stop = world.resting(STOP).trigger_price
    assert stop is not None
    assert stop >= 102, "both fees of 1 %"
    assert level * Decimal("0.99") >= stop, "the least distance from the market"


def test_a_stop_that_is_better_than_break_even_is_not_moved() -> None:
    world = World()
    world.trade("buy", "A", "100", "1", stop_loss_pct="0.02", break_even_at_pct="0.05")
    world.trade("buy", "A", "90", "1", stop_loss="89.99")
    world.trade("close", "A", "90", "1")
    assert world.position().watch_price is not None
    world.trade("buy", "B", "100", "1", stop_loss="99", break_even_at_pct="0.01", mark="120")
    assert str(world.position("B").watch_price) == "101"


def test_a_break_even_beyond_the_band_is_moved_into_it() -> None:
    world = banded()
    world.trade("buy", "A", "100", "1", stop_loss_pct="0.02", break_even_at_pct="0.05")
    (plan,) = plans(world.reach("120"))
    assert (str(plan.wanted_stop), str(plan.stop_price), plan.clamped) == ("100", "114.3", True)


def test_positions_of_both_legs_and_several_strategies_move_at_one_price() -> None:
    world = World()
    for strategy in "AB":
        world.trade("buy", strategy, "100", "1", stop_loss_pct="0.02", break_even_at_pct="0.05")
    world.trade("sell", "C", "120", "1", stop_loss_pct="0.02", break_even_at_pct="0.05")
    assert world.state.price_watches == {"BTCUSDT": PriceWatch(Decimal(105), Decimal(114))}
    events = world.reach("110")
    assert sorted(order.order.strategy_id for order in of_kind(events, ev.OrderPlanned)) == ["A", "B", "C"]
    assert world.state.price_watches == {}
    check(world.state)


def test_a_position_that_is_being_closed_waits_for_no_price() -> None:
    world = World()
    world.trade("buy", "A", "100", "1", break_even_at_pct="0.05")
    close = world.order("close", "A")
    assert world.state.price_watches == {}
    world.refuse(close)
    assert world.state.price_watches == {"BTCUSDT": PriceWatch(above=Decimal(105))}


@given(
    side=st.sampled_from((LONG, SHORT)),
    fill=st.integers(1_000, 10**7).map(lambda ticks: Decimal(ticks).scaleb(-2)),
    fee=st.integers(-20, 100).map(lambda basis: Decimal(basis).scaleb(-4)),
    gain=st.integers(1, 500).map(lambda mille: Decimal(mille).scaleb(-3)),
    floor=st.sampled_from(("0", "0.002", "0.03")),
    jump=st.integers(0, 100),
)
def test_a_reached_level_is_never_waited_for_again(
    side: PositionSide, fill: Decimal, fee: Decimal, gain: Decimal, floor: str, jump: int
) -> None:
    with localcontext(MONEY):
        world = World(instrument(**BAND), min_stop_distance_pct=floor)
        action = "buy" if side is LONG else "sell"
        paid = str(fill * fee)
        fields = {"stop_loss_pct": "0.04", "take_profit_pct": "0.2", "break_even_at_pct": gain}
        world.trade(action, "A", str(fill), "1", fee=paid, **fields)
        for _ in range(10):
            watch = world.state.price_watches.get("BTCUSDT")
            if watch is None:
                break
            level = watch.above if side is LONG else watch.below
            assert level is not None
            price = level + side.sign * jump * Decimal("0.01")
            if price <= 0:
                return
            world.reach(str(price))
            check(world.state)
            after = world.state.price_watches.get("BTCUSDT")
            assert after is None or not after.reached(price), "the runtime would send it at every price"
        assert "BTCUSDT" not in world.state.price_watches
