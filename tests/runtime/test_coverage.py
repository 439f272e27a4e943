"""Coverage is judged by what rests at the exchange, whatever the books remember."""

from decimal import Decimal

import msgspec
import pytest

from contracts.enums import OrderPurpose, PositionSide
from tests.support.builders import T0, World
from tradeengine.domain.inputs import VenueObserved, VenueOrder, VenuePosition
from tradeengine.runtime.coverage import Cover, Coverage, CoveredPosition

LATER = T0 + 60_000
LONG = PositionSide.LONG


@pytest.fixture
def world() -> World:
    world = World()
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000", take_profit="52000")
    return world


def observed(world: World, *but: OrderPurpose, quantity: str = "0.1") -> VenueObserved:
    """What an exchange shows that has all that the books count on, but the orders of some purposes."""
    orders = [live.order for live in world.state.orders.values() if live.order.purpose not in but]
    resting = tuple(
        VenueOrder(
            client_order_id=order.client_order_id,
            venue_order_id=f"v-{order.client_order_id}",
            side=order.side,
            position_side=order.position_side,
            kind=order.kind,
            quantity=order.quantity,
            trigger_price=order.trigger_price,
        )
        for order in orders
    )
    positions = (VenuePosition(position_side=LONG, quantity=Decimal(quantity)),) if quantity else ()
    return VenueObserved(time_ms=LATER, symbol="BTCUSDT", asked_ms=LATER, positions=positions, orders=resting)


def row(
    world: World, seen: VenueObserved | None, coverage: Coverage | None = None, now: int = LATER
) -> CoveredPosition:
    latest = {} if seen is None else {"BTCUSDT": seen}
    (found,) = (coverage or Coverage()).rows([world.state], latest, now)
    return found


def test_a_position_whose_stop_rests_is_protected(world: World) -> None:
    found = row(world, observed(world))
    assert found.cover is Cover.PROTECTED
    assert found.stop is not None
    assert found.target is not None
    assert (found.stop.trigger_price, found.target.trigger_price) == (Decimal(49_000), Decimal(52_000))
    assert found.naked_since_ms is None


def test_a_missing_target_leaves_it_protected(world: World) -> None:
    assert row(world, observed(world, OrderPurpose.TAKE_PROFIT)).cover is Cover.PROTECTED


def test_a_position_without_its_stop_is_naked_since_it_was_first_seen(world: World) -> None:
    coverage = Coverage()
    naked = observed(world, OrderPurpose.STOP_LOSS)
    assert row(world, naked, coverage).naked_since_ms == LATER
    later = row(world, naked, coverage, LATER + 5_000)
    assert (later.cover, later.naked_since_ms) == (Cover.NAKED, LATER)
    assert row(world, observed(world), coverage).naked_since_ms is None
    assert row(world, naked, coverage, LATER + 9_000).naked_since_ms == LATER + 9_000


def test_a_stop_for_less_than_is_held_leaves_it_naked(world: World) -> None:
    seen = observed(world)
    small = tuple(msgspec.structs.replace(order, quantity=Decimal("0.05")) for order in seen.orders)
    assert row(world, msgspec.structs.replace(seen, orders=small)).cover is Cover.NAKED


def test_what_the_books_remember_protects_nothing(world: World) -> None:
    (leg,) = world.state.legs.values()
    (position,) = leg.strategies.values()
    position.stop_order_id = "49000"
    assert row(world, observed(world)).cover is Cover.PROTECTED
    assert row(world, observed(world, OrderPurpose.STOP_LOSS)).cover is Cover.NAKED


def test_a_leg_that_the_exchange_does_not_hold_is_a_ghost(world: World) -> None:
    assert row(world, observed(world, quantity="")).cover is Cover.GHOST


def test_before_the_exchange_was_seen_nothing_is_known(world: World) -> None:
    assert row(world, None).cover is Cover.UNKNOWN
    early = msgspec.structs.replace(observed(world, OrderPurpose.STOP_LOSS), asked_ms=T0 - 1)
    assert row(world, early).cover is Cover.UNKNOWN


def test_a_position_that_wants_no_stop_says_so() -> None:
    world = World()
    world.trade("buy", "A", "50000", "0.1")
    assert row(world, observed(world)).cover is Cover.UNSTOPPED
