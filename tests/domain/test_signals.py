"""Signals: one outcome each, whatever the action and the mode of the account."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from contracts.enums import OrderPurpose, OrderStatus, Outcome, PositionSide, Reason
from tests.support.builders import LONG, SHORT, T0, World, instrument, of_kind, signal
from tradeengine.domain import events as ev
from tradeengine.domain.state import MAX_AHEAD

ONE_WAY: dict[str, Any] = {"position_mode": "one-way"}


def planned(world: World, decision: ev.SignalDecided) -> list[tuple[str, PositionSide, object, str]]:
    orders = [world.state.orders[order_id].order for order_id in decision.orders]
    return [(order.side, order.position_side, order.quantity, order.purpose) for order in orders]


# ---------------------------------------------------------------- outcomes


@pytest.mark.parametrize(("action", "side", "position_side"), [("buy", "BUY", LONG), ("sell", "SELL", SHORT)])
def test_buy_opens_long_and_sell_opens_short(action: str, side: str, position_side: PositionSide) -> None:
    world = World()
    decision = world.signal(action, quantity="1")
    assert decision.outcome == "accepted"
    assert planned(world, decision) == [(side, position_side, 1, "open")]


def test_hold_does_nothing_but_is_recorded() -> None:
    world = World()
    decision = world.signal("hold", confidence="0", timestamp_ms=0)
    assert (decision.outcome, decision.orders, world.state.legs) == ("held", (), {})
    assert world.signal("hold", signal_id=decision.signal_id).outcome == "duplicate"


def test_a_decision_comes_before_what_it_calls_for() -> None:
    events = World().give(signal(quantity="1"))
    assert [type(event) for event in events] == [ev.SignalDecided, ev.OrderPlanned]


def test_a_refusal_plans_nothing() -> None:
    events = World().give(signal(quantity="1", confidence="0"))
    assert [type(event) for event in events] == [ev.SignalDecided]


# ---------------------------------------------------------------- duplicates and time


@pytest.mark.parametrize("first", ["accepted", "rejected", "held"])
def test_one_id_has_one_outcome(first: str) -> None:
    world = World()
    fields: dict[str, dict[str, Any]] = {
        "accepted": {"action": "buy", "quantity": "1"},
        "rejected": {"action": "buy", "quantity": "1", "confidence": "0"},
        "held": {"action": "hold"},
    }
    assert world.signal(signal_id="s", **fields[first]).outcome == first
    copy = world.signal("buy", signal_id="s", quantity="1")
    assert (copy.outcome, copy.reason, copy.source) == ("duplicate", "duplicate_signal", "intake")


def test_ids_are_each_strategys_own() -> None:
    world = World()
    assert world.signal("buy", "A", signal_id="s", quantity="1").outcome == "accepted"
    assert world.signal("buy", "B", signal_id="s", quantity="1").outcome == "accepted"


def test_a_copy_of_a_close_closes_nothing() -> None:
    world = World()
    world.trade("buy", "A", "100", "2")
    world.trade("close", "A", "100", "1", signal_id="c")
    assert world.signal("close", "A", quantity="1", signal_id="c").outcome == "duplicate"


def test_what_was_looked_up_among_the_committed_is_a_duplicate() -> None:
    assert World().signal(quantity="1", known=True).outcome == "duplicate"


@pytest.mark.parametrize(
    ("age_ms", "reason"),
    [(300_000, None), (300_001, "stale_signal"), (-5_000, None), (-5_001, "future_signal")],
)
def test_an_opening_is_of_its_time(age_ms: int, reason: str | None) -> None:
    assert World().signal(quantity="1", time_ms=T0 + 9, timestamp_ms=T0 + 9 - age_ms).reason == reason


@pytest.mark.parametrize("timestamp_ms", [0, T0 + 86_400_000])
def test_a_close_is_never_refused_for_its_age(timestamp_ms: int) -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    assert world.signal("close", "A", timestamp_ms=timestamp_ms).outcome == "accepted"


# ---------------------------------------------------------------- close


def test_a_close_takes_only_the_senders_share() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "100", "2")
    assert planned(world, world.signal("close", "A")) == [("SELL", LONG, 1, "close")]


def test_a_close_without_a_side_closes_every_leg() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.trade("sell", "A", "100", "2")
    assert planned(world, world.signal("close", "A")) == [("SELL", LONG, 1, "close"), ("BUY", SHORT, 2, "close")]


def test_a_close_with_a_side_closes_that_leg() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.trade("sell", "A", "100", "2")
    assert planned(world, world.signal("close", "A", position_side="SHORT")) == [("BUY", SHORT, 2, "close")]


def test_a_close_may_take_a_part() -> None:
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "3")
    world.trade("close", "A", "100", "1")
    assert world.position().quantity == 2
    assert world.resting(OrderPurpose.STOP_LOSS).quantity == 2


def test_two_partial_closes_may_be_under_way_at_once_but_not_for_more_than_is_held() -> None:
    world = World()
    world.trade("buy", "A", "100", "3")
    world.order("close", "A", quantity="2")
    assert world.order("close", "A", quantity="2").quantity == 1
    assert world.signal("close", "A").reason == "already_closing"


def test_a_close_of_more_than_is_held_takes_what_is_held() -> None:
    world = World()
    world.trade("buy", "A", "100", "3")
    assert world.order("close", "A", quantity="5").quantity == 3


def test_a_close_larger_than_the_exchange_takes_becomes_several_orders() -> None:
    world = World(instrument(step_size="1", max_quantity="25", market_max_quantity="10"))
    world.trade("buy", "A", "100", "20", order_type="limit", target_price="100")
    world.trade("buy", "A", "100", "5", order_type="limit", target_price="100")
    decision = world.signal("close", "A")
    assert [quantity for _, _, quantity, _ in planned(world, decision)] == [10, 10, 5]
    for order_id in decision.orders:
        world.fill(world.state.orders[order_id].order, "100")
    assert (world.state.legs, world.state.orders) == ({}, {})


def test_a_close_cancels_entries_that_are_under_way() -> None:
    world = World()
    entry = world.order("buy", "A", quantity="1", order_type="limit", target_price="90")
    other = world.order("buy", "B", quantity="1", order_type="limit", target_price="90")
    decision = world.signal("close", "A")
    assert (decision.outcome, decision.orders) == ("accepted", ())
    assert world.state.orders[entry.client_order_id].cancelling
    assert not world.state.orders[other.client_order_id].cancelling


def test_a_second_close_does_not_cancel_again() -> None:
    world = World()
    world.order("buy", "A", quantity="1", order_type="limit", target_price="90")
    world.signal("close", "A")
    assert world.signal("close", "A").reason == "no_position"


def test_a_close_that_was_rejected_may_be_repeated() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.report(world.order("close", "A"), OrderStatus.REJECTED)
    assert world.order("close", "A").quantity == 1


# ---------------------------------------------------------------- one-way mode


def test_hedge_mode_knows_no_opposite() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    assert planned(world, world.signal("sell", "A", quantity="2")) == [("SELL", SHORT, 2, "open")]


@pytest.mark.parametrize(("quantity", "closed"), [("1", 1), ("9", 3), (None, 3)])
def test_reduce_closes_the_senders_own_opposite_and_opens_nothing(quantity: str | None, closed: int) -> None:
    world = World(**ONE_WAY, opposite_direction="reduce", order_size_quote="100")
    world.trade("buy", "A", "100", "3")
    assert planned(world, world.signal("sell", "A", quantity=quantity)) == [("SELL", LONG, closed, "close")]


def test_flip_closes_all_and_opens_the_other_side() -> None:
    world = World(**ONE_WAY, opposite_direction="flip")
    world.trade("buy", "A", "100", "3")
    decision = world.signal("sell", "A", quantity="2")
    assert planned(world, decision) == [("SELL", LONG, 3, "close"), ("SELL", SHORT, 2, "open")]


def test_flip_does_not_throw_others_out() -> None:
    world = World(**ONE_WAY, opposite_direction="flip")
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "100", "1")
    assert world.signal("sell", "A", quantity="1").reason == "opposite_direction"


def test_a_flip_that_cannot_open_does_not_close() -> None:
    world = World(**ONE_WAY, opposite_direction="flip")
    world.trade("buy", "A", "100", "1")
    assert world.signal("sell", "A", quantity="0.000001").reason == "below_min_quantity"
    assert world.position().closing == 0


def test_reject_refuses_even_the_senders_own_opposite() -> None:
    world = World(**ONE_WAY, opposite_direction="reject")
    world.trade("buy", "A", "100", "1")
    assert world.signal("sell", "A", quantity="1").reason == "opposite_direction"


@pytest.mark.parametrize("policy", ["reduce", "flip", "reject"])
def test_nobody_reduces_what_others_hold(policy: str) -> None:
    world = World(**ONE_WAY, opposite_direction=policy)
    world.trade("buy", "A", "100", "1")
    assert world.signal("sell", "B", quantity="1").reason == "opposite_direction"


def test_an_entry_under_way_holds_its_side() -> None:
    world = World(**ONE_WAY)
    world.order("buy", "A", quantity="1")
    assert world.signal("sell", "B", quantity="1").reason == "opposite_direction"


def test_the_same_direction_is_free_in_one_way_mode() -> None:
    world = World(**ONE_WAY)
    world.trade("buy", "A", "100", "1")
    assert world.signal("buy", "B", quantity="1").outcome == "accepted"


def test_every_signal_gets_exactly_one_decision() -> None:
    world = World(position_mode="one-way", stop_loss_pct="0.01")
    for action in ("buy", "sell", "close", "hold", "buy"):
        assert len(of_kind(world.give(signal(action, time_ms=world.now, quantity="1")), ev.SignalDecided)) == 1


# ---------------------------------------------------------------- one id, one outcome


def test_an_id_that_was_ahead_of_its_time_is_looked_up_when_its_time_has_come() -> None:
    world = World()
    hour = 3_600_000
    early = signal("buy", "A", time_ms=world.now, timestamp_ms=world.now + hour, quantity="1", signal_id="early")
    (decision,) = of_kind(world.give(early), ev.SignalDecided)
    assert decision.reason is Reason.FUTURE_SIGNAL
    world.now += hour
    world.signal("hold", "B", signal_id="much later")
    copy = msgspec.structs.replace(early, time_ms=world.now)
    assert copy.key not in world.state.decided
    assert world.state.needs_lookup(copy)
    assert not world.state.needs_lookup(signal("buy", "B", time_ms=world.now))
    world.now += hour
    world.signal("hold", "A", signal_id="later still")
    assert not world.state.needs_lookup(signal("buy", "A", time_ms=world.now))


def test_the_memory_of_future_times_is_bounded() -> None:
    world = World()
    ahead = 10**12
    for number in range(MAX_AHEAD + 5):
        world.signal("buy", f"S{number}", timestamp_ms=world.now + ahead, signal_id="x")
    assert len(world.state.ahead) <= MAX_AHEAD
    world.now += world.state.config.memory_ms + 10_000
    world.signal("hold", "B", signal_id="much later")
    assert all(
        world.state.needs_lookup(signal("buy", f"S{number}", time_ms=world.now, timestamp_ms=T0 + ahead))
        for number in (0, MAX_AHEAD + 4)
    )


def test_an_id_is_one_signal_for_each_symbol() -> None:
    world = World(instrument("BTCUSDT"), instrument("ETHUSDT"))
    assert [
        world.signal("buy", "A", symbol=s, quantity="1", signal_id="1").outcome for s in ("BTCUSDT", "ETHUSDT")
    ] == [
        Outcome.ACCEPTED,
        Outcome.ACCEPTED,
    ]
    assert world.signal("buy", "A", symbol="ETHUSDT", quantity="1", signal_id="1").outcome is Outcome.DUPLICATE


# ---------------------------------------------------------------- closes that cannot be


def test_less_than_a_step_cannot_be_closed() -> None:
    world = World(instrument("BTCUSDT", "0.1", "0.001"))
    world.trade("buy", "A", "100", "0.002")
    assert world.signal("close", "A", quantity="0.0004").reason is Reason.BELOW_MIN_QUANTITY
    assert world.position().quantity == Decimal("0.002")


@pytest.mark.parametrize(("size", "quantity"), [({"quote_quantity": "50"}, "0.5"), ({"quantity": "3"}, "2"), ({}, "2")])
def test_in_one_way_mode_the_opposite_is_reduced_by_what_the_signal_asks_for(
    size: dict[str, str], quantity: str
) -> None:
    world = World(position_mode="one-way", opposite_direction="reduce")
    world.trade("buy", "A", "100", "2")
    assert world.order("sell", "A", mark="100", **size).quantity == Decimal(quantity)
