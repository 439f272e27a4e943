"""Reconcile: a leg whose fills were told in another order comes back to the exchange's average, and its sums hold."""

from decimal import Decimal

import pytest

from contracts.enums import DifferencePolicy, OrderStatus, PositionSide, Severity
from tests.domain.invariants import check
from tests.support.builders import LONG, SHORT, World, build, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain.inputs import VenueObserved, VenuePosition

D = Decimal


def crossed(side: PositionSide, **config: object) -> World:
    """A holds 2 from 100, B adds 2 at 110, A gives 1 at 120; the books hear of that before they hear of B.

    The exchange released 105 and holds 3 at 105. The books released 100, and 320 are left.
    """
    world = World(**config)
    enter = "buy" if side is LONG else "sell"
    world.trade(enter, "A", "100", "2")
    more = world.order(enter, "B", quantity="2")
    less = world.order("close", "A", quantity="1", position_side=side)
    world.fill(less, "120", trade_id="3")
    world.fill(more, "110", trade_id="2")
    assert world.leg(side).books.cost == 320
    return world


def look(
    world: World, entry: str, side: PositionSide = LONG, quantity: str = "3", **fields: object
) -> list[ev.AnyEvent]:
    """The exchange states one leg, and every order of the books."""
    position = build(VenuePosition, position_side=side, quantity=quantity, entry_price=entry)
    return world.give(
        build(
            VenueObserved,
            time_ms=world.now,
            symbol="BTCUSDT",
            asked_ms=fields.pop("asked_ms", world.now),
            mark_price="120",
            positions=(position,),
            **fields,
        )
    )


@pytest.mark.parametrize(("side", "realized", "moved"), [(LONG, "15", "-5"), (SHORT, "-15", "5")])
def test_a_leg_takes_over_the_exchanges_average(side: PositionSide, realized: str, moved: str) -> None:
    world = crossed(side)
    strategies = {name: position.books for name, position in world.leg(side).strategies.items()}
    totals = world.state.totals.realized, world.state.totals.day_pnl
    before = world.leg(side).books
    events = look(world, "105", side)

    (revalued,) = of_kind(events, ev.LegRevalued)
    books = world.leg(side).books
    assert (books.cost, books.entry_price, books.realized) == (D(315), D(105), D(realized))
    assert (revalued.realized, revalued.after) == (D(moved), books)
    for mark in (D(1), D("98765.43")):
        assert books.realized + books.unrealized(side, mark) == before.realized + before.unrealized(side, mark)
    assert {name: position.books for name, position in world.leg(side).strategies.items()} == strategies
    assert (world.state.totals.realized, world.state.totals.day_pnl) == totals, "no day's result changes"
    check(world.state)


def test_it_is_told_once_as_a_kind_of_its_own() -> None:
    world = crossed(LONG)
    events = look(world, "105")
    (found,) = of_kind(events, ev.DifferenceFound)
    assert (found.kind, found.action, found.lasts) == ("entry_price", "revalued", False)
    assert (found.books, found.exchange) == (D(3), D(3))
    assert "105 at the exchange" in found.text
    (alert,) = of_kind(events, ev.AlertRaised)
    assert (alert.name, alert.severity) == ("difference_entry_price", Severity.INFO)
    assert world.state.differences == {}
    assert look(world, "105") == []


@pytest.mark.parametrize("policy", DifferencePolicy)
def test_no_policy_halts_for_it(policy: DifferencePolicy) -> None:
    world = crossed(LONG, difference_policy=policy)
    look(world, "105")
    assert not world.state.halted
    assert world.leg().books.cost == 315


def test_from_then_on_every_fill_realises_what_the_exchange_does() -> None:
    world = crossed(LONG)
    look(world, "105")
    (filled,) = of_kind(world.trade("close", "B", "115", "1"), ev.OrderFilled)
    assert filled.realized == 10
    check(world.state)


def test_what_everybody_realised_adds_up_once_the_leg_is_flat() -> None:
    world = crossed(LONG)
    look(world, "105")
    world.trade("close", "A", "130")
    (last,) = of_kind(world.trade("close", "B", "130"), ev.OrderFilled)
    assert last.after.quantity == last.after.cost == 0
    assert last.after.realized == world.state.totals.realized == 20 + 30 + 40


@pytest.mark.parametrize(
    ("entry", "is_revalued"),
    [
        # A third of 320 has no end, and the exchange cuts it after 13 digits, or after 8 decimals.
        ("106.6666666666", False),
        ("106.66666666", False),
        ("106.6666667", False),
        ("106.6666", True),
        ("106.666666", True),
        # Nothing is known.
        ("0", False),
    ],
)
def test_rounding_is_no_difference(entry: str, is_revalued: bool) -> None:
    world = crossed(LONG)
    assert bool(look(world, entry)) == is_revalued


@pytest.mark.parametrize(
    ("entry", "is_revalued"),
    [
        ("0.00001233", False),
        ("0.00001230", False),
        ("0.00001200", True),
        ("0.0000123333333", False),
        ("0.0000123333", True),
    ],
)
def test_an_average_that_is_cut_at_the_eighth_decimal_says_no_more_than_that(entry: str, is_revalued: bool) -> None:
    world = World()
    world.foreign("BUY", LONG, "1000000", "0.00001235")
    world.foreign("BUY", LONG, "2000000", "0.0000123250000")
    assert bool(look(world, entry, quantity="3000000")) == is_revalued


def test_it_does_not_flap_over_a_long_life() -> None:
    """Two thousand fills, with an average that the exchange cuts at each."""
    world = World()
    entry, held = D(0), D(0)
    for number in range(1, 1_001):
        price = D(1_000 + number * 7 % 93) / 7
        world.foreign("BUY", LONG, "3", str(price.quantize(D("0.01"))))
        entry = ((entry * held + price.quantize(D("0.01")) * 3) / (held + 3)).quantize(D("1e-10"))
        held += 3
        world.foreign("SELL", LONG, "2", "150")
        held -= 2
        assert look(world, str(entry), quantity=str(held)) == []


def test_nothing_is_judged_while_anything_moves() -> None:
    world = crossed(LONG)
    asked = world.now - 1
    assert look(world, "105", asked_ms=asked - 100) == [], "the leg was traded since the exchange was asked"
    order = world.order("buy", "C", quantity="1")
    assert not of_kind(look(world, "105"), ev.LegRevalued), "an order at market is under way"
    world.report(order, OrderStatus.OPEN)
    assert not of_kind(look(world, "105"), ev.LegRevalued)
    world.report(order, OrderStatus.REJECTED, executed="0")
    assert of_kind(look(world, "105"), ev.LegRevalued)


def test_another_quantity_is_mended_first() -> None:
    world = crossed(LONG)
    events = look(world, "105", quantity="2.5")
    assert [found.kind for found in of_kind(events, ev.DifferenceFound)] == ["quantity"]
    assert [found.kind for found in of_kind(look(world, "105", quantity="2.5"), ev.DifferenceFound)] == ["entry_price"]
    assert world.leg().books.entry_price == 105
    check(world.state)


def test_overdrawn_strategies_still_add_up() -> None:
    """Two exits of B filled: what it lacks, A holds for it; the leg is worth what the exchange says all the same."""
    world = World()
    world.trade("buy", "A", "100", "3")
    world.trade("buy", "B", "100", "1", stop_loss="90")
    stop = next(live.order for live in world.live() if live.order.strategy_id == "B")
    world.trade("close", "B", "100")
    world.fill(stop, "90")
    for live in list(world.state.orders.values()):
        world.report(live.order, OrderStatus.REJECTED, executed=str(live.filled))
    assert world.position("B").quantity == -1
    look(world, "101", quantity="2")
    assert world.leg().books.cost == 202
    check(world.state)
