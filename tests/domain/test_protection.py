"""Protection: every strategy position has its own stop and target, for what it holds now."""

from decimal import Decimal
from typing import Any

import pytest

from contracts.enums import OrderPurpose, OrderStatus
from tests.domain.invariants import check
from tests.support.builders import LONG, SHORT, World, instrument, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain.events import SHORT_LIFE_MS
from tradeengine.domain.retry import RETRY_MS

STOP, TARGET, FLATTEN = OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT, OrderPurpose.FLATTEN


def protected(action: str = "buy", price: str = "100", config: dict[str, Any] | None = None, **fields: Any) -> World:
    world = World(**(config or {}))
    world.trade(action, "A", price, fields.pop("quantity", "1"), **fields)
    return world


def shape(events: list[ev.AnyEvent]) -> list[str]:
    """What protection did, in order: which orders were planned, which cancelled."""
    done = []
    for event in events:
        if isinstance(event, ev.OrderPlanned):
            done.append(f"plan {event.order.purpose} {event.order.quantity} @ {event.order.trigger_price}")
        elif isinstance(event, ev.CancelPlanned):
            done.append(f"cancel {event.client_order_id} {event.why}")
    return done


# ---------------------------------------------------------------- prices


@pytest.mark.parametrize(
    ("action", "fields", "stop", "target"),
    [
        ("buy", {"stop_loss": "95.5", "take_profit": "110"}, "95.5", "110"),
        ("sell", {"stop_loss": "105.5", "take_profit": "90"}, "105.5", "90"),
        ("buy", {"stop_loss_pct": "0.02", "take_profit_pct": "0.03"}, "98", "103"),
        ("sell", {"stop_loss_pct": "0.02", "take_profit_pct": "0.03"}, "102", "97"),
        ("buy", {"stop_loss": "95.5", "stop_loss_pct": "0.02"}, "95.5", None),
        ("buy", {"take_profit": "110", "take_profit_pct": "0.03"}, None, "110"),
    ],
)
def test_stop_and_target_are_absolute_or_a_fraction_of_the_fill(
    action: str, fields: dict[str, Any], stop: str | None, target: str | None
) -> None:
    world = protected(action, **fields)
    for purpose, price in ((STOP, stop), (TARGET, target)):
        orders = [live.order.trigger_price for live in world.live(purpose)]
        assert orders == ([] if price is None else [Decimal(price)])


def test_a_fraction_counts_from_the_actual_fill_and_not_from_the_signals_price() -> None:
    assert protected(price="100", mark="120", stop_loss_pct="0.1").resting(STOP).trigger_price == 90


def test_a_fraction_follows_the_average_of_several_fills() -> None:
    world = World()
    order = world.order(quantity="2", stop_loss_pct="0.1")
    world.fill(order, "100", "1")
    world.fill(order, "110", "1")
    assert world.resting(STOP).trigger_price == Decimal("94.5")


def test_the_configuration_serves_where_the_signal_is_silent() -> None:
    config = {"stop_loss_pct": "0.05", "take_profit_pct": "0.07"}
    world = protected(config=config, stop_loss_pct="0.01")
    assert (world.resting(STOP).trigger_price, world.resting(TARGET).trigger_price) == (Decimal(99), Decimal(107))


def test_without_any_wish_there_is_no_protection() -> None:
    world = protected()
    assert world.live() == []
    assert of_kind(world.events, ev.ProtectionPlanned) == []


@pytest.mark.parametrize(("action", "moved"), [("buy", "99"), ("sell", "101")])
def test_a_stop_that_is_too_near_is_moved_out(action: str, moved: str) -> None:
    world = protected(action, config={"min_stop_distance_pct": "0.01"}, stop_loss_pct="0.001")
    assert world.resting(STOP).trigger_price == Decimal(moved)
    assert [plan.widened for plan in of_kind(world.events, ev.ProtectionPlanned)] == [True]


def test_a_stop_that_is_far_enough_stays() -> None:
    world = protected(config={"min_stop_distance_pct": "0.01"}, stop_loss_pct="0.01")
    assert world.resting(STOP).trigger_price == 99
    assert [plan.widened for plan in of_kind(world.events, ev.ProtectionPlanned)] == [False]


@pytest.mark.parametrize(("tick", "stop"), [("1e-5", "66.66667"), ("0.05", "66.65"), ("0.5", "66.5"), ("1", "67")])
def test_triggers_lie_on_a_tick(tick: str, stop: str) -> None:
    world = World(instrument(tick=tick))
    world.trade("buy", "A", "100", "1", stop_loss="66.666666")
    assert world.resting(STOP).trigger_price == Decimal(stop)


@pytest.mark.parametrize(("action", "side", "position_side"), [("buy", "SELL", LONG), ("sell", "BUY", SHORT)])
def test_protective_orders_reduce_the_leg(action: str, side: str, position_side: str) -> None:
    world = protected(action, stop_loss_pct="0.02", take_profit_pct="0.03")
    stop, target = world.resting(STOP), world.resting(TARGET)
    assert (stop.kind, target.kind) == ("STOP_MARKET", "TAKE_PROFIT_MARKET")
    for order in (stop, target):
        assert (order.side, order.position_side, order.quantity) == (side, position_side, Decimal(1))


# ---------------------------------------------------------------- following what is held


def test_a_partial_entry_is_protected_at_once() -> None:
    world = World()
    world.fill(world.order(quantity="3", stop_loss_pct="0.1"), "100", "1")
    assert world.resting(STOP).quantity == 1


def test_an_addition_gets_new_orders_before_the_old_ones_are_cancelled() -> None:
    world = protected(stop_loss_pct="0.1", take_profit="130")
    old_stop, old_target = world.resting(STOP), world.resting(TARGET)
    events = world.trade("buy", "A", "110", "1")
    assert shape(events) == [
        "plan stop_loss 2 @ 94.5",
        "plan take_profit 2 @ 130",
        f"cancel {old_stop.client_order_id} replaced",
        f"cancel {old_target.client_order_id} replaced",
    ]


def test_an_addition_may_name_a_new_stop_for_the_whole_position() -> None:
    world = protected(stop_loss="90", take_profit="130")
    world.trade("buy", "A", "100", "1", stop_loss="95")
    assert (world.resting(STOP).trigger_price, world.resting(TARGET).trigger_price) == (Decimal(95), Decimal(130))


def test_a_partial_target_sizes_the_stop_down() -> None:
    world = protected(quantity="3", stop_loss_pct="0.1", take_profit_pct="0.1")
    stop, target = world.resting(STOP), world.resting(TARGET)
    events = world.fill(target, "110", "1")
    assert shape(events) == ["plan stop_loss 2 @ 90", f"cancel {stop.client_order_id} replaced"]
    assert world.resting(TARGET) == target, "what is left of the target fits what is left of the position"


def test_one_strategys_fills_leave_the_protection_of_others_alone() -> None:
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "100", "1")
    stop = world.resting(STOP, "B")
    world.trade("buy", "A", "120", "5")
    world.trade("close", "A", "120")
    assert world.resting(STOP, "B") == stop


# ---------------------------------------------------------------- one leg fills


@pytest.mark.parametrize(("purpose", "other", "price"), [(STOP, TARGET, "90"), (TARGET, STOP, "110")])
def test_when_one_leg_fills_the_other_is_cancelled(purpose: OrderPurpose, other: OrderPurpose, price: str) -> None:
    world = protected(stop_loss_pct="0.1", take_profit_pct="0.1")
    left = world.resting(other)
    events = world.fill(world.resting(purpose), price)
    assert shape(events) == [f"cancel {left.client_order_id} position closed"]
    (filled,) = of_kind(events, ev.OrderFilled)
    assert [share.close_reason for share in filled.shares] == [str(purpose)]
    world.honour_cancels()
    assert (world.state.legs, world.state.orders) == ({}, {})


def test_a_stop_is_booked_to_its_own_strategy_alone() -> None:
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "100", "2")
    before = world.position("B").books
    world.fill(world.resting(STOP, "A"), "89")
    assert list(world.leg().strategies) == ["B"]
    assert world.position("B").books == before
    assert world.leg().closed_realized == -11


def test_an_order_that_empties_its_position_before_it_is_done_is_cancelled_with_the_rest() -> None:
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "3")
    world.trade("buy", "B", "100", "3")
    stop, close = world.resting(STOP, "A"), world.order("close", "A")
    world.fill(stop, "90", "1")
    world.fill(close, "90", "2")
    world.honour_cancels()
    assert [live.order.strategy_id for live in world.live()] == ["B"], "what is left would sell what B holds"


# ---------------------------------------------------------------- the venue says no


@pytest.mark.parametrize("status", [OrderStatus.CANCELLED, OrderStatus.EXPIRED])
@pytest.mark.parametrize("purpose", [STOP, TARGET])
def test_a_leg_that_somebody_else_cancelled_is_armed_again(purpose: OrderPurpose, status: OrderStatus) -> None:
    world = protected(stop_loss_pct="0.1", take_profit_pct="0.1")
    lost = world.resting(purpose)
    world.pass_time(SHORT_LIFE_MS)
    world.report(lost, status, executed="0")
    again = world.resting(purpose)
    assert again.client_order_id != lost.client_order_id
    assert (again.trigger_price, again.quantity) == (lost.trigger_price, lost.quantity)


def test_a_leg_that_we_cancelled_is_not_armed_again() -> None:
    world = protected(stop_loss_pct="0.1")
    world.trade("buy", "A", "110", "1")
    world.honour_cancels()
    assert len(world.live(STOP)) == 1


def test_a_stop_that_cannot_rest_closes_the_position() -> None:
    world = protected(stop_loss_pct="0.1", take_profit_pct="0.1")
    events = world.report(world.resting(STOP), OrderStatus.REJECTED, reason="would trigger at once")
    assert shape(events) == ["plan flatten 1 @ None"]
    assert [(alert.name, alert.severity) for alert in of_kind(events, ev.AlertRaised)] == [("stop_refused", "critical")]
    target = world.resting(TARGET)
    assert shape(world.fill(world.resting(FLATTEN), "95")) == [f"cancel {target.client_order_id} position closed"]


def test_what_is_refused_twice_is_tried_again_after_a_pause_and_not_before() -> None:
    world = protected(stop_loss_pct="0.1")
    world.report(world.resting(STOP), OrderStatus.REJECTED)
    for _ in range(3):
        assert shape(world.report(world.resting(FLATTEN), OrderStatus.REJECTED)) == []
        assert world.state.waits_for_time
        assert world.pass_time(RETRY_MS - 10) == []
        assert shape(world.pass_time(RETRY_MS)) == ["plan flatten 1 @ None"]
    world.fill(world.resting(FLATTEN), "90")
    assert world.state.legs == {}


def test_a_stop_that_expires_as_soon_as_it_is_placed_is_not_placed_again_at_once() -> None:
    world = protected(stop_loss_pct="0.1")
    assert shape(world.report(world.resting(STOP), OrderStatus.EXPIRED)) == []
    check(world.state)
    assert shape(world.pass_time(RETRY_MS)) == ["plan stop_loss 1 @ 90"]


def test_a_target_that_is_refused_closes_nothing_and_is_tried_again() -> None:
    world = protected(stop_loss_pct="0.1", take_profit_pct="0.1")
    assert shape(world.report(world.resting(TARGET), OrderStatus.REJECTED)) == []
    assert world.resting(STOP).quantity == 1
    world.pass_time(RETRY_MS)
    assert world.resting(TARGET).quantity == 1


def test_a_short_that_wants_to_double_its_stake_has_no_target() -> None:
    world = World()
    world.trade("sell", "A", "100", "1", stop_loss_pct="0.1", take_profit_pct="1")
    assert [live.order.purpose for live in world.live()] == [STOP]


def test_a_protected_position_never_grows_beyond_what_one_stop_can_close() -> None:
    world = World(instrument(market_max_quantity="10"))
    world.trade("buy", "A", "100", "6", stop_loss="90")
    world.order("buy", "A", order_type="limit", price="99", quantity="2")
    assert world.signal("buy", "A", quantity="2.1", signal_id="more").reason == "above_max_quantity"
    assert world.signal("buy", "A", quantity="2", signal_id="fits").outcome == "accepted"
    assert world.signal("buy", "B", quantity="10", stop_loss="90", mark="100").outcome == "accepted"


def test_what_one_order_cannot_close_is_protected_as_far_as_it_can_be_and_told() -> None:
    world = World(instrument(market_max_quantity="10"))
    for _ in range(3):
        world.trade("buy", "A", "100", "8")
    world.configure(stop_loss_pct="0.1")
    events = world.fill(world.order("close", "A", quantity="1"), "100")
    assert world.resting(STOP).quantity == 10
    assert [alert.name for alert in of_kind(events, ev.AlertRaised)] == ["stop_partial"]
    check(world.state)
    world.refuse(world.resting(STOP))
    assert [live.order.quantity for live in world.live(FLATTEN)] == [10, 10, 3]


def test_a_stop_that_rests_leaves_only_when_its_replacement_rests() -> None:
    world = protected(stop_loss_pct="0.1")
    old = world.resting(STOP)
    world.take(old)
    assert shape(world.trade("buy", "A", "110", "1")) == ["plan stop_loss 2 @ 94.5"]
    new = max((live.order for live in world.live(STOP)), key=lambda order: order.quantity)
    check(world.state)
    assert shape(world.take(new)) == [f"cancel {old.client_order_id} replaced"]
    world.honour_cancels()
    assert world.resting(STOP) == new


def test_a_replacement_that_is_refused_leaves_the_old_stop_in_force() -> None:
    world = protected(quantity="3", stop_loss_pct="0.1", take_profit_pct="0.1")
    old = world.resting(STOP)
    world.take(old)
    world.fill(world.resting(TARGET), "110", "1")
    (new,) = [live.order for live in world.live(STOP) if live.order.quantity == 2]
    assert shape(world.refuse(new, "other")) == [], "what rests covers what is held"
    assert world.resting(STOP) == old
    check(world.state)
    assert shape(world.pass_time(RETRY_MS)) == ["plan stop_loss 2 @ 90"]


def test_a_replacement_that_is_refused_where_the_old_stop_is_too_small_closes_the_position() -> None:
    world = protected(stop_loss_pct="0.1")
    world.take(world.resting(STOP))
    world.trade("buy", "A", "100", "1")
    (new,) = [live.order for live in world.live(STOP) if live.order.quantity == 2]
    assert shape(world.refuse(new, "other")) == ["plan flatten 2 @ None"]
    events = world.fill(world.resting(FLATTEN), "99")
    assert len(of_kind(events, ev.CancelPlanned)) == 1
    world.honour_cancels()
    assert (world.state.legs, world.state.orders) == ({}, {})


@pytest.mark.parametrize(
    ("action", "price", "fields"),
    [
        ("buy", "94", {"stop_loss": "95"}),
        ("sell", "106", {"stop_loss": "105"}),
        ("buy", "111", {"take_profit": "110"}),
        ("sell", "89", {"take_profit": "90"}),
    ],
)
def test_a_fill_beyond_its_stop_or_target_is_closed_at_once(action: str, price: str, fields: dict[str, Any]) -> None:
    world = protected(action, price, mark="100", **fields)
    assert [live.order.purpose for live in world.live()] == [FLATTEN]


def test_a_position_that_is_being_closed_needs_no_new_protection() -> None:
    world = protected(stop_loss_pct="0.1")
    stop = world.resting(STOP)
    world.order("close", "A")
    events = world.report(stop, OrderStatus.CANCELLED, executed="0")
    assert shape(events) == []


def test_a_close_that_fails_brings_the_protection_back() -> None:
    world = protected(stop_loss_pct="0.1")
    close = world.order("close", "A")
    world.report(world.resting(STOP), OrderStatus.CANCELLED, executed="0")
    world.report(close, OrderStatus.EXPIRED, executed="0")
    assert world.resting(STOP).quantity == 1


def test_a_partial_close_that_ends_early_leaves_the_stop_sized_to_what_is_held() -> None:
    world = protected(quantity="3", stop_loss_pct="0.1")
    close = world.order("close", "A")
    world.fill(close, "100", "1")
    world.report(close, OrderStatus.EXPIRED, executed="1")
    assert (world.resting(STOP).quantity, world.position().closing) == (Decimal(2), Decimal(0))
