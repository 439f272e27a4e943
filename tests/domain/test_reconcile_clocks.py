"""Reconcile: what came first is told by the order in which a shard learnt it, and not by clocks, which are set."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import OrderPurpose, OrderStatus
from tests.domain.reconcile_cases import Exchange, found_in, make_books, settle, stop_named
from tests.support.builders import World
from tradeengine.domain import events as ev
from tradeengine.domain.reconcile_absent import MARKET_MS
from tradeengine.domain.reconcile_resting import CANCEL_MS

STEP_MS = 600_000
"""How far a clock is set back, milliseconds."""
JUMPS = st.integers(-3_600_000, 3_600_000)


def look(exchange: Exchange, asked: tuple[int, int] | None = None) -> list[ev.AnyEvent]:
    """What an exchange that was asked at a moment shows; without one, it was asked just now."""
    now_ms, changes = asked or moment(exchange.world)
    return exchange.world.give(exchange.observed(asked_ms=now_ms, since=exchange.world.state.changes - changes))


def moment(world: World) -> tuple[int, int]:
    return world.now, world.state.changes


def bought() -> tuple[World, Exchange]:
    """Books that hold a unit under its stop, and an exchange that holds the same."""
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "1")
    settle(world)
    return world, Exchange(world, Decimal(1))


def test_a_leg_is_compared_after_a_clock_was_set_back() -> None:
    """The clock of its former owner, or of this one: waiting for it to come there again could take for ever."""
    world, exchange = bought()
    world.now -= STEP_MS
    exchange.held, exchange.orders = Decimal(0), {}
    assert found_in(look(exchange)) == ["ghost:written_off"]


def test_what_was_recorded_before_changes_were_counted_is_judged_as_it_was_then() -> None:
    """A journal replays to what it says: its observations name times alone."""
    world, exchange = bought()
    world.now -= STEP_MS
    exchange.held, exchange.orders = Decimal(0), {}
    assert world.give(exchange.observed()) == []
    world.now += STEP_MS + 1
    assert found_in(world.give(exchange.observed())) == ["ghost:written_off"]


def test_a_leg_that_was_traded_since_the_question_is_not_judged_though_its_time_lies_before_that() -> None:
    world, exchange = bought()
    asked = moment(world)
    world.now -= STEP_MS
    world.trade("buy", "B", "100", "1")
    settle(world)
    assert look(exchange, asked) == []
    exchange.held = Decimal(2)
    exchange.orders = Exchange(world, Decimal(2)).orders
    assert look(exchange) == []


def test_a_stop_is_missed_after_a_clock_was_set_back() -> None:
    world, exchange = bought()
    world.now -= STEP_MS
    exchange.orders.clear()
    assert found_in(look(exchange)) == ["unhedged:rearmed"]


def test_a_stop_that_came_to_rest_since_the_question_is_not_missed_though_its_time_lies_before_that() -> None:
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "1")
    exchange = Exchange(world, Decimal(1))
    exchange.orders.clear()
    asked = moment(world)
    world.now -= STEP_MS
    settle(world)
    assert look(exchange, asked) == []


@pytest.mark.parametrize("later", [False, True], ids=["ended before", "ended since"])
def test_an_order_that_ended_is_an_orphan_if_it_rested_afterwards(later: bool) -> None:
    world = make_books("flat")
    exchange = Exchange(world, Decimal(0))
    (live,) = world.live(OrderPurpose.OPEN)
    before = moment(world)
    if later:
        world.now -= STEP_MS
    world.report(live.order, OrderStatus.CANCELLED, executed="0")
    if not later:
        world.now -= STEP_MS
    found = found_in(look(exchange, before if later else None))
    assert found == ([] if later else ["orphan_order:cancelled"])


def test_an_order_without_an_end_is_asked_about_after_a_clock_was_set_back() -> None:
    world = World()
    order = world.order("buy", "A", quantity="1")
    world.report(order, OrderStatus.OPEN)
    exchange = Exchange(world, Decimal(0))
    world.now -= MARKET_MS // 2
    assert look(exchange) == [], "clocks of two owners may lie so far apart"
    world.now -= MARKET_MS
    assert found_in(look(exchange)) == ["lost_order:asked"]


def test_an_order_whose_end_was_told_since_the_question_is_not_asked_about() -> None:
    world = World()
    order = world.order("buy", "A", quantity="1")
    exchange = Exchange(world, Decimal(0))
    asked = moment(world)
    world.now -= STEP_MS
    world.report(order, OrderStatus.FILLED)
    assert look(exchange, asked) == []


def test_an_order_that_its_cancel_leaves_resting_is_told_after_a_clock_was_set_back() -> None:
    world = make_books("flat")
    exchange = Exchange(world, Decimal(0))
    world.signal("close", "A")
    assert look(exchange) == []
    world.now -= 2 * CANCEL_MS
    assert found_in(look(exchange)) == ["orphan_order:cancelled"]


@given(before_ms=JUMPS, meanwhile_ms=JUMPS, trades=st.booleans(), rests=st.booleans(), held=st.sampled_from("0123"))
def test_no_setting_of_a_clock_changes_what_is_found(
    before_ms: int, meanwhile_ms: int, trades: bool, rests: bool, held: str
) -> None:
    def played(*jumps: int) -> list[str]:
        world, exchange = bought()
        world.now += jumps[0]
        asked = moment(world)
        world.now += jumps[1]
        if trades:
            world.trade("buy", "B", "100", "1")
            settle(world)
        exchange.held = Decimal(held)
        if not rests:
            exchange.orders = {"te-test-0-zzzs": stop_named("te-test-0-zzzs")}
        return found_in(look(exchange, asked))

    assert played(before_ms, meanwhile_ms) == played(0, 0)
