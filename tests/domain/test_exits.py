"""Exits: what is to be off is asked for until it is, and never for more than is held."""

import pytest

from contracts.enums import OrderPurpose, OrderStatus, Reason
from tests.domain.invariants import check
from tests.support.builders import World, instrument
from tradeengine.domain.retry import RETRY_MS

STOP, CLOSE, FLATTEN, RESTORE = (
    OrderPurpose.STOP_LOSS,
    OrderPurpose.CLOSE,
    OrderPurpose.FLATTEN,
    OrderPurpose.RESTORE,
)


@pytest.fixture
def world() -> World:
    world = World()
    for strategy in "AB":
        world.trade("buy", strategy, "100", "2", stop_loss="90")
    return world


def test_a_close_that_is_refused_is_asked_for_again_after_a_pause(world: World) -> None:
    close = world.order("close", "A", signal_id="out")
    world.report(close, OrderStatus.REJECTED)
    assert world.live(CLOSE) == []
    assert world.resting(STOP, "A").quantity == 2, "meanwhile it is protected"
    check(world.state)

    world.pass_time(RETRY_MS)
    again = world.resting(CLOSE, "A")
    assert again.quantity == 2
    assert again.signal_id == "out"
    world.fill(again, "99")
    assert set(world.leg().strategies) == {"B"}


def test_i73_what_the_exchange_does_not_hold_is_not_closed_again_and_again(world: World) -> None:
    """Strategies that repeat a close which was refused for want of a position send nothing; the pause is kept."""
    world.refuse(world.order("close", "A", signal_id="out"), "no_position")
    for number in range(9):
        assert world.signal("close", "A", signal_id=f"again-{number}").reason is Reason.ALREADY_CLOSING
    assert world.live(CLOSE) == []
    assert world.order("close", "B", signal_id="other").quantity == 2, "another strategy's share is another matter"
    world.pass_time(RETRY_MS)
    assert world.resting(CLOSE, "A").signal_id == "out"


def test_a_close_that_is_refused_for_another_reason_may_be_asked_for_again_at_once(world: World) -> None:
    world.refuse(world.order("close", "A", signal_id="out"), "other")
    assert world.order("close", "A", signal_id="again").quantity == 2


def test_a_close_that_asked_for_more_than_was_left_asks_for_the_rest_at_once(world: World) -> None:
    stop = world.resting(STOP, "A")
    close = world.order("close", "A")
    world.fill(stop, "90", "0.5")
    world.report(close, OrderStatus.REJECTED, reason="closes 2, holds 1.5")
    assert str(world.resting(CLOSE, "A").quantity) == "1.5"
    check(world.state)


def test_a_flattening_order_that_asked_for_too_much_asks_for_the_rest_at_once() -> None:
    world = World()
    world.trade("buy", "A", "100", "2", stop_loss="90")
    old = world.resting(STOP, "A")
    world.trade("buy", "A", "100", "1")
    world.report(world.resting(STOP, "A"), OrderStatus.REJECTED)
    flatten = world.resting(FLATTEN, "A")
    # The stop that was being replaced triggers on its way out.
    world.fill(old, "90")
    world.report(flatten, OrderStatus.REJECTED, reason="closes 3, holds 1")
    assert world.resting(FLATTEN, "A").quantity == 1
    check(world.state)


def test_a_surplus_that_is_cancelled_in_time_is_replaced_by_what_is_held(world: World) -> None:
    stop = world.resting(STOP, "A")
    close = world.order("close", "A")
    world.fill(stop, "90", "0.5")
    assert world.state.orders[close.client_order_id].cancelling
    world.honour_cancels()
    assert str(world.resting(CLOSE, "A").quantity) == "1.5"
    assert world.live(RESTORE) == []
    check(world.state)


def test_what_a_debt_made_impossible_is_done_once_it_is_settled(world: World) -> None:
    stop = world.resting(STOP, "A")
    world.fill(world.order("close", "A"), "91")
    other = world.order("close", "B")
    world.fill(stop, "90")
    world.report(other, OrderStatus.REJECTED, reason="holds 0")
    assert world.live(CLOSE, "B") == []

    world.fill(world.resting(RESTORE, "A"), "92")
    world.fill(world.resting(CLOSE, "B"), "92")
    world.honour_cancels()
    assert world.state.legs == {}


def test_part_of_a_close_that_is_refused_leaves_the_rest_alone(world: World) -> None:
    close = world.order("close", "A", quantity="0.5")
    world.report(close, OrderStatus.REJECTED)
    world.pass_time(RETRY_MS)
    world.fill(world.resting(CLOSE, "A"), "99")
    assert str(world.position("A").quantity) == "1.5"
    assert world.pass_time(RETRY_MS) == []
    check(world.state)


def test_an_unwanted_fill_is_sold_in_parts_that_the_venue_takes() -> None:
    world = World(instrument(market_max_quantity="40"))
    entry = world.order("buy", "A", order_type="limit", price="100", quantity="100")
    world.signal("close", "A")
    world.fill(entry, "100")
    parts = [live.order for live in world.live(CLOSE, "A")]
    assert [part.quantity for part in parts] == [40, 40, 20]
    world.report(parts[0], OrderStatus.REJECTED)
    world.pass_time(RETRY_MS)
    assert sum(live.order.quantity for live in world.live(CLOSE, "A")) == 100
    check(world.state)
