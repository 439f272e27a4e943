"""Refusals: each kind has its answer, none leaves a position with less than it had, and none makes a storm."""

from decimal import Decimal
from typing import Any

import pytest

from contracts.enums import CloseReason, OrderPurpose, OrderStatus, Reason
from tests.domain.invariants import check
from tests.support.builders import LONG, World, instrument, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain.events import SHORT_LIFE_MS
from tradeengine.domain.patience import FORBIDDEN_MS, MAX_SAME, RETRY_MS, ROUND_MS, SLOW_MS

STOP, TARGET, FLATTEN = OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT, OrderPurpose.FLATTEN
CLOSE, RESTORE = OrderPurpose.CLOSE, OrderPurpose.RESTORE

HOLD = {"unprotected": "hold"}
REPRICE = {"crossed_stop": "reprice", "min_stop_distance_pct": "0.01"}


def protected(action: str = "buy", **config: Any) -> World:
    world = World(**config)
    world.trade(action, "A", "100", "2", stop_loss_pct="0.05", take_profit_pct="0.1")
    return world


def alerts(events: list[ev.AnyEvent]) -> list[tuple[str, str]]:
    return [(alert.name, alert.severity) for alert in of_kind(events, ev.AlertRaised)]


def planned(events: list[ev.AnyEvent]) -> list[str]:
    orders = [event.order for event in of_kind(events, ev.OrderPlanned)]
    return [f"{order.purpose} {order.quantity} @ {order.trigger_price}" for order in orders]


def closed_as(events: list[ev.AnyEvent]) -> list[CloseReason | None]:
    return [share.close_reason for filled in of_kind(events, ev.OrderFilled) for share in filled.shares]


# ---------------------------------------------------------------- a stop that the market has crossed


@pytest.mark.parametrize("action", ["buy", "sell"])
def test_i01_a_crossed_stop_is_closed_at_market_and_booked_as_the_stop(action: str) -> None:
    world = protected(action)
    events = world.refuse(world.resting(STOP), "would_trigger")
    assert planned(events) == ["flatten 2 @ None"]
    assert alerts(events) == [("stop_crossed", "warning")]
    assert closed_as(world.fill(world.resting(FLATTEN), "94")) == [CloseReason.STOP_LOSS]
    world.honour_cancels()
    assert (world.state.legs, world.state.orders) == ({}, {})


@pytest.mark.parametrize(("action", "mark", "moved"), [("buy", "94", "93.06"), ("sell", "106", "107.06")])
def test_a_crossed_stop_is_moved_beyond_the_market_once_and_then_closed(action: str, mark: str, moved: str) -> None:
    world = protected(action, **REPRICE)
    events = world.refuse(world.resting(STOP), "would_trigger", mark_price=mark)
    assert planned(events) == [f"stop_loss 2 @ {moved}"]
    (plan,) = of_kind(events, ev.ProtectionPlanned)
    assert str(plan.repriced) == moved
    check(world.state)
    again = world.refuse(world.resting(STOP), "would_trigger", mark_price="90")
    assert planned(again) == ["flatten 2 @ None"]


def test_a_stop_is_not_moved_back_toward_a_market_that_has_turned() -> None:
    world = protected(**REPRICE)
    events = world.refuse(world.resting(STOP), "would_trigger", mark_price="97")
    assert planned(events) == ["stop_loss 2 @ 94.05"], "beyond the stop that was crossed"


def test_a_stop_is_moved_by_a_tick_where_no_distance_is_asked_for() -> None:
    world = protected(crossed_stop="reprice")
    assert planned(world.refuse(world.resting(STOP), "would_trigger", mark_price="94")) == ["stop_loss 2 @ 93.99"]


def test_without_a_mark_price_a_crossed_stop_cannot_be_moved() -> None:
    world = protected(**REPRICE)
    assert planned(world.refuse(world.resting(STOP), "would_trigger")) == ["flatten 2 @ None"]


def test_a_fill_beyond_its_stop_moves_the_stop_too() -> None:
    world = World(**REPRICE)
    events = world.fill(world.order(quantity="2", mark="100", stop_loss="95"), "94")
    assert planned(events) == ["stop_loss 2 @ 93.06"]


def test_a_moved_stop_stays_moved_until_a_signal_names_another() -> None:
    world = protected(**REPRICE)
    world.refuse(world.resting(STOP), "would_trigger", mark_price="94")
    world.trade("buy", "A", "94", "1")
    assert str(world.resting(STOP).trigger_price) == "93.06"
    world.trade("buy", "A", "94", "1", stop_loss="92")
    assert str(world.resting(STOP).trigger_price) == "92"
    assert world.position().repriced is None


def test_a_stop_that_triggered_and_was_refused_then_is_a_crossed_one() -> None:
    world = protected()
    stop = world.resting(STOP)
    world.take(stop)
    events = world.refuse(stop, reason="REJECTED after the trigger")
    assert planned(events) == ["flatten 2 @ None"]
    assert closed_as(world.fill(world.resting(FLATTEN), "94")) == [CloseReason.STOP_LOSS]


def test_what_a_triggered_stop_takes_off_is_not_closed_twice() -> None:
    world = protected()
    old = world.resting(STOP)
    world.take(old)
    world.trade("buy", "A", "100", "1")
    (new,) = [live.order for live in world.live(STOP) if live.order.quantity == 3]
    # Both have the same trigger: the market has crossed the old one too, and that is at work.
    assert planned(world.refuse(new, "would_trigger")) == ["flatten 1 @ None"]
    world.fill(world.resting(FLATTEN), "95")
    world.fill(old, "95")
    world.honour_cancels()
    assert (world.state.legs, world.state.orders) == ({}, {})


# ---------------------------------------------------------------- a stop that is refused otherwise


@pytest.mark.parametrize("refusal", ["other", "no_margin", "no_position", "too_many_orders", "out_of_band", None])
def test_i11_a_refused_stop_flattens_at_once_and_says_so(refusal: str | None) -> None:
    world = protected()
    events = world.refuse(world.resting(STOP), refusal)
    assert planned(events) == ["flatten 2 @ None"]
    assert alerts(events) == [("stop_refused", "critical")]
    assert closed_as(world.fill(world.resting(FLATTEN), "99")) == [CloseReason.EMERGENCY]


def test_i11_a_refused_flattening_is_repeated_and_told_each_time() -> None:
    world = protected()
    world.refuse(world.resting(STOP), "other")
    for _ in range(3):
        assert alerts(world.refuse(world.resting(FLATTEN), "other")) == [("close_refused", "critical")]
        assert planned(world.pass_time(RETRY_MS // 2)) == []
        assert planned(world.pass_time(RETRY_MS)) == ["flatten 2 @ None"]
    world.refuse(world.resting(FLATTEN), "other")
    assert planned(world.pass_time(RETRY_MS)) == [], "it has been refused often: the pause is longer now"
    assert planned(world.pass_time(SLOW_MS)) == ["flatten 2 @ None"]
    assert closed_as(world.fill(world.resting(FLATTEN), "99")) == [CloseReason.EMERGENCY]


def test_a_close_whose_fills_are_on_their_way_was_not_refused() -> None:
    world = protected()
    close = world.order("close")
    events = world.report(close, OrderStatus.FILLED)
    assert alerts(events) == []
    assert planned([*events, *world.pass_time(RETRY_MS), *world.pass_time(SLOW_MS)]) == []
    assert closed_as(world.fill(close, "99")) == [CloseReason.MANUAL]
    world.honour_cancels()
    assert (world.state.legs, world.state.orders) == ({}, {})


def test_i01_i39_a_position_that_is_held_is_never_counted_as_armed_and_makes_no_storm() -> None:
    world = protected(**HOLD)
    refused = 0
    while world.live(STOP):
        events = world.refuse(world.resting(STOP), "other")
        refused += 1
        assert planned(events) == []
        assert alerts(events) == [("stop_refused", "critical")]
        assert world.position().waits(STOP), "it is known to lack its stop"
        assert world.resting(TARGET).quantity == 2, "and keeps its target"
        check(world.state)
        world.pass_time(RETRY_MS)
    assert refused == MAX_SAME
    for _ in range(5):
        assert world.pass_time(RETRY_MS) == []
    assert planned(world.pass_time(ROUND_MS)) == ["stop_loss 2 @ 95"]


def test_a_stop_that_was_given_up_is_tried_at_once_in_another_form() -> None:
    world = protected(**HOLD)
    for _ in range(MAX_SAME):
        world.refuse(world.resting(STOP), "other")
        world.pass_time(RETRY_MS)
    assert world.live(STOP) == []
    world.trade("buy", "A", "100", "1")
    assert world.resting(STOP).quantity == 3


def test_a_stop_that_rests_at_last_makes_former_refusals_forgotten() -> None:
    world = protected(**HOLD)
    for _ in range(2):
        world.refuse(world.resting(STOP), "other")
        world.pass_time(RETRY_MS)
    world.take(world.resting(STOP))
    assert world.position().refused == {}
    assert not world.state.waits_for_time


def test_a_second_attempt_that_somebody_cancels_is_followed_by_a_third_at_once() -> None:
    world = protected(**HOLD)
    world.refuse(world.resting(STOP), "other")
    world.pass_time(RETRY_MS)
    again = world.report(world.resting(STOP), OrderStatus.CANCELLED, executed="0")
    assert planned(again) == ["stop_loss 2 @ 95"]


def test_what_may_not_be_traded_is_told_and_asked_for_seldom() -> None:
    world = protected()
    assert alerts(world.refuse(world.resting(STOP), "not_allowed")) == [("stop_refused", "critical")]
    assert alerts(world.refuse(world.resting(FLATTEN), "not_allowed")) == [("close_refused", "critical")]
    for _ in range(10):
        assert planned(world.pass_time(RETRY_MS)) == []
    assert planned(world.pass_time(FORBIDDEN_MS)) == ["flatten 2 @ None"]


def test_a_stop_that_never_rests_is_not_waited_for() -> None:
    world = protected()
    for _ in range(MAX_SAME - 1):
        assert planned(world.report(world.resting(STOP), OrderStatus.EXPIRED, executed="0")) == []
        assert planned(world.pass_time(RETRY_MS)) == ["stop_loss 2 @ 95"]
    assert planned(world.report(world.resting(STOP), OrderStatus.EXPIRED, executed="0")) == ["flatten 2 @ None"]


def test_i60_nothing_is_closed_where_nothing_is_held() -> None:
    world = protected()
    stop = world.resting(STOP)
    world.trade("close", "A", "100")
    assert planned(world.refuse(stop, "other")) == []
    world.honour_cancels()
    assert (world.state.legs, world.state.orders) == ({}, {})


# ---------------------------------------------------------------- the band has moved


def test_a_stop_out_of_the_band_is_placed_inside_the_band_of_the_mark_price() -> None:
    world = World(instrument(percent_up="1.05", percent_down="0.95"))
    world.trade("buy", "A", "100", "2", stop_loss="80")
    assert str(world.resting(STOP).trigger_price) == "95.25"
    events = world.refuse(world.resting(STOP), "out_of_band", mark_price="101")
    assert planned(events) == ["stop_loss 2 @ 96.21"]
    assert alerts(events) == [("stop_refused", "critical")]


def test_the_band_is_not_chased_for_ever() -> None:
    world = World(instrument(percent_up="1.05", percent_down="0.95"))
    world.trade("buy", "A", "100", "2", stop_loss="80")
    for _ in range(MAX_SAME):
        events = world.refuse(world.resting(STOP), "out_of_band", mark_price="100")
        if planned(events) == ["flatten 2 @ None"]:
            break
    assert world.resting(FLATTEN).quantity == 2


# ---------------------------------------------------------------- a target


@pytest.mark.parametrize("action", ["buy", "sell"])
def test_i23_a_target_that_the_market_has_reached_is_taken_at_market(action: str) -> None:
    world = protected(action)
    stop = world.resting(STOP)
    events = world.refuse(world.resting(TARGET), "would_trigger")
    assert planned(events) == ["flatten 2 @ None"]
    assert world.resting(STOP) == stop, "the stop stays until the position is gone"
    filled = world.fill(world.resting(FLATTEN), "111")
    assert closed_as(filled) == [CloseReason.TAKE_PROFIT]
    world.honour_cancels()
    assert (world.state.legs, world.state.orders) == ({}, {})


@pytest.mark.parametrize("refusal", ["other", "no_margin", "not_allowed", "too_many_orders", None])
def test_i08_a_refused_target_never_takes_the_stop_away(refusal: str | None) -> None:
    world = protected()
    stop = world.resting(STOP)
    events = world.refuse(world.resting(TARGET), refusal)
    assert of_kind(events, ev.CancelPlanned) == []
    assert planned(events) == []
    assert alerts(events) == [("target_refused", "warning")]
    assert world.resting(STOP) == stop
    check(world.state)


def test_i09_the_leg_that_is_left_goes_with_the_position() -> None:
    world = protected()
    world.refuse(world.resting(TARGET), "other")
    world.trade("close", "A", "100")
    world.honour_cancels()
    assert (world.state.legs, world.state.orders) == ({}, {})


def test_a_target_for_which_there_is_no_room_is_given_up_until_there_is() -> None:
    world = protected()
    other = "B"
    world.trade("buy", other, "100", "1", stop_loss="90")
    for _ in range(MAX_SAME):
        world.refuse(world.resting(TARGET), "too_many_orders")
        world.pass_time(RETRY_MS)
    assert world.live(TARGET) == []
    for _ in range(10):
        assert world.pass_time(RETRY_MS) == []
    world.fill(world.resting(STOP, other), "90")
    assert planned(world.pass_time(RETRY_MS)) == ["take_profit 2 @ 110"]


def test_the_same_target_is_refused_three_times_at_most() -> None:
    world = protected()
    refused = 0
    while world.live(TARGET):
        world.refuse(world.resting(TARGET), "other")
        refused += 1
        world.pass_time(RETRY_MS)
    assert refused == MAX_SAME


# ---------------------------------------------------------------- closing and putting back


def test_a_refused_close_is_told_and_leaves_the_protection_alone() -> None:
    world = protected()
    events = world.refuse(world.order("close", "A"), "other")
    assert alerts(events) == [("close_refused", "critical")]
    assert [world.resting(purpose).quantity for purpose in (STOP, TARGET)] == [Decimal(2)] * 2
    assert planned(world.pass_time(RETRY_MS)) == ["close 2 @ None"]


def test_the_reason_of_a_close_outlives_its_refusal() -> None:
    world = protected()
    world.refuse(world.resting(TARGET), "would_trigger")
    world.refuse(world.resting(FLATTEN), "other")
    world.pass_time(RETRY_MS)
    assert closed_as(world.fill(world.resting(FLATTEN), "110")) == [CloseReason.TAKE_PROFIT]


def short_leg() -> World:
    """A's close and stop have both filled: the leg is flat at the venue, and B holds 2 of it in the books."""
    world = World()
    world.trade("buy", "A", "100", "2", stop_loss="95")
    world.trade("buy", "B", "100", "2", stop_loss="90")
    world.take(world.resting(STOP, "A"), world.resting(STOP, "B"))
    stop = world.resting(STOP, "A")
    world.fill(world.order("close", "A"), "95")
    events = world.fill(stop, "95")
    assert alerts(events) == [("overdrawn", "warning")]
    return world


def test_a_stop_that_expired_with_the_flat_leg_is_armed_again() -> None:
    world = short_leg()
    stop = world.resting(STOP, "B")
    world.pass_time(SHORT_LIFE_MS)
    assert planned(world.report(stop, OrderStatus.EXPIRED, executed="0")) == ["stop_loss 2 @ 90"]
    world.fill(world.resting(RESTORE), "96")
    assert world.resting(STOP, "B").quantity == 2
    check(world.state)


def test_a_stop_that_a_short_leg_does_not_take_waits_until_what_is_owed_is_back() -> None:
    world = short_leg()
    world.pass_time(SHORT_LIFE_MS)
    world.report(world.resting(STOP, "B"), OrderStatus.EXPIRED, executed="0")
    events = world.refuse(world.resting(STOP, "B"), "no_position")
    assert planned(events) == [], "B owes nothing, and is not closed for what A owes"
    assert alerts(events) == [("stop_refused", "critical")]
    events = world.fill(world.resting(RESTORE), "96")
    assert planned(events) == ["stop_loss 2 @ 90"]
    check(world.state)


def test_a_refusal_to_put_back_is_told_and_tried_again() -> None:
    world = short_leg()
    assert alerts(world.refuse(world.resting(RESTORE), "no_margin")) == [("restore_refused", "critical")]
    assert planned(world.pass_time(RETRY_MS)) == ["restore 2 @ None"]


# ---------------------------------------------------------------- halted


def test_a_halted_symbol_can_only_be_left() -> None:
    world = protected()
    world.state.halted["BTCUSDT"] = "the exchange differs"
    decision = world.signal("buy", "B", quantity="1")
    assert (decision.reason, decision.orders) == (Reason.SYMBOL_HALTED, ())
    assert "the exchange differs" in (decision.detail or "")
    world.trade("close", "A", "100")
    assert world.state.leg("BTCUSDT", LONG) is None


def test_a_symbol_that_the_exchange_opens_nothing_on_counts_as_halted() -> None:
    assert World(instrument(trading=False)).signal(quantity="1").reason is Reason.SYMBOL_HALTED
