"""Reconcile: what moved since the exchange was asked is not judged, and what nobody knows the end of is asked about."""

from decimal import Decimal

import msgspec
import pytest

from contracts.enums import OrderPurpose, OrderStatus
from tests.domain.invariants import check
from tests.domain.reconcile_cases import Exchange, found_in, holdings, make_books, settle, stop_named
from tests.support.builders import LONG, SHORT, World, build, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain.inputs import VenueObserved, VenueOrder, VenuePosition
from tradeengine.domain.reconcile_absent import GIVE_UP_MS, MARKET_MS

STOP = OrderPurpose.STOP_LOSS


def nothing(world: World, **fields: object) -> VenueObserved:
    """An exchange that holds nothing of the symbol."""
    fields.setdefault("asked_ms", world.now)
    return build(VenueObserved, time_ms=world.now, symbol="BTCUSDT", **fields)


# ---------------------------------------------------------------- what moved


@pytest.mark.parametrize("closed", [False, True], ids=["held", "closed"])
def test_a_leg_that_was_traded_since_the_question_is_not_judged(closed: bool) -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    asked_ms = world.now
    held = Decimal(1)
    if closed:
        world.trade("close", "A", "100")
    else:
        world.trade("buy", "A", "100", "2")
    settle(world)
    before = world.state.canonical()
    stated = VenuePosition(position_side=LONG, quantity=held, entry_price=Decimal(100))
    assert world.give(nothing(world, asked_ms=asked_ms, positions=(stated,))) == []
    assert world.state.canonical() == before


def test_the_other_leg_is_judged_all_the_same() -> None:
    world = World()
    world.trade("sell", "A", "100", "1")
    asked_ms = world.now
    world.trade("buy", "A", "100", "1")
    assert found_in(world.give(nothing(world, asked_ms=asked_ms))) == ["ghost:written_off"]
    assert world.leg(LONG).quantity == 1


def test_an_order_that_is_on_its_way_is_not_missed() -> None:
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "1")
    exchange = Exchange(world, Decimal(1))
    exchange.orders.clear()
    assert exchange.look() == [], "the stop is planned and may not have arrived"
    settle(world)
    assert found_in(exchange.look()) == ["unhedged:rearmed"]


def test_an_order_that_the_venue_took_since_the_question_is_not_missed() -> None:
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "1")
    exchange = Exchange(world, Decimal(1))
    exchange.orders.clear()
    asked_ms = world.now
    settle(world)
    assert exchange.look(asked_ms=asked_ms) == []


def test_an_order_that_is_being_cancelled_may_rest_or_not() -> None:
    world = make_books("flat")
    for there in (True, False):
        exchange = Exchange(world, Decimal(0))
        world.signal("close", "A")
        if not there:
            exchange.orders.clear()
        assert exchange.look() == []


def test_an_order_that_ended_since_the_question_is_no_orphan() -> None:
    world = make_books("flat")
    exchange = Exchange(world, Decimal(0))
    asked_ms = world.now
    (live,) = world.live(OrderPurpose.OPEN)
    world.report(live.order, OrderStatus.CANCELLED, executed="0")
    assert exchange.look(asked_ms=asked_ms) == []
    assert found_in(exchange.look()) == ["orphan_order:cancelled"], "it ended before, and rests all the same"


def test_quantity_waits_while_a_market_order_is_under_way() -> None:
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "1")
    settle(world)
    order = world.order("buy", "B", quantity="2")
    exchange = Exchange(world, Decimal(3))
    assert exchange.look() == []
    world.fill(order, "100")
    settle(world)
    exchange = Exchange(world, Decimal(3))
    assert exchange.look() == []


# ---------------------------------------------------------------- what nobody knows the end of


def test_a_market_order_without_an_end_is_asked_about_and_then_given_up() -> None:
    world = World()
    order = world.order("buy", "A", quantity="1")
    world.report(order, OrderStatus.OPEN)
    assert world.give(nothing(world)) == []
    world.now += MARKET_MS
    first = world.give(nothing(world))
    assert found_in(first) == ["lost_order:asked"]
    assert [query.client_order_id for query in of_kind(first, ev.QueryPlanned)] == [order.client_order_id]
    again = world.give(nothing(world))
    assert [type(event) for event in again] == [ev.QueryPlanned], "it is asked again and told once"
    world.now += GIVE_UP_MS
    (ended,) = of_kind(world.give(nothing(world)), ev.OrderEnded)
    assert ended.client_order_id == order.client_order_id
    world.give(nothing(world))
    assert (world.state.orders, world.state.legs, world.state.differences) == ({}, {}, {})


def test_what_an_ended_order_bought_is_not_taken_for_somebody_elses() -> None:
    world = World()
    order = world.order("buy", "A", quantity="2")
    world.report(order, OrderStatus.FILLED)
    held = VenuePosition(position_side=LONG, quantity=Decimal(2), entry_price=Decimal(100))
    world.now += MARKET_MS + 1
    assert found_in(world.give(nothing(world, positions=(held,)))) == ["lost_order:asked"]
    world.fill(order, "100")
    later = world.give(nothing(world, positions=(held,)))
    assert [type(event) for event in later] == [ev.DifferenceEnded]
    assert holdings(world) == {"A": 2}


def test_an_entry_that_is_gone_is_asked_about_before_its_leg_is_judged() -> None:
    world = make_books("flat")
    exchange = Exchange(world, Decimal(1))
    (entry,) = world.live(OrderPurpose.OPEN)
    exchange.orders.clear()
    assert found_in(world.give(exchange.observed())) == ["lost_order:asked"]
    world.fill(entry.order, "90")
    settle(world)
    assert holdings(world) == {"A": 1}


# ---------------------------------------------------------------- orders that rest otherwise


def wrong(world: World, exchange: Exchange, **change: object) -> VenueOrder:
    order_id = world.resting(STOP).client_order_id
    exchange.orders[order_id] = msgspec.structs.replace(exchange.orders[order_id], **change)
    return exchange.orders[order_id]


@pytest.mark.parametrize(
    "change",
    [{"quantity": Decimal(1)}, {"quantity": Decimal(9)}, {"trigger_price": Decimal(95)}],
    ids=["less", "more", "price"],
)
def test_a_stop_that_rests_otherwise_is_replaced_and_never_missing(change: dict[str, object]) -> None:
    world = make_books("one")
    exchange = Exchange(world, Decimal(2))
    old = wrong(world, exchange, **change).client_order_id
    world.events.clear()
    assert found_in(exchange.look()) == ["wrong_order:rearmed"]
    steps = [
        (type(event), event.order.client_order_id if isinstance(event, ev.OrderPlanned) else event.client_order_id)
        for event in world.events
        if isinstance(event, ev.OrderPlanned | ev.CancelPlanned)
    ]
    new = world.resting(STOP)
    assert steps == [(ev.OrderPlanned, new.client_order_id), (ev.CancelPlanned, old)]
    assert (new.quantity, new.trigger_price) == (Decimal(2), Decimal(90))
    assert list(exchange.orders) == [new.client_order_id]
    check(world.state)


def test_a_stop_of_the_wrong_side_is_cancelled_and_placed_anew() -> None:
    world = make_books("one")
    exchange = Exchange(world, Decimal(2))
    old = wrong(world, exchange, side=LONG.opening)
    events = exchange.look()
    assert found_in(events) == ["wrong_order:rearmed"]
    assert [cancel.order for cancel in of_kind(events, ev.OrphanCancelPlanned)] == [old]
    assert world.resting(STOP).quantity == 2
    assert list(exchange.orders) == [world.resting(STOP).client_order_id]


def test_an_entry_that_somebody_amended_is_cancelled_and_what_it_bought_is_booked() -> None:
    world = make_books("flat")
    exchange = Exchange(world, Decimal(0))
    (entry,) = world.live(OrderPurpose.OPEN)
    planned = exchange.orders[entry.order.client_order_id]
    exchange.orders[entry.order.client_order_id] = msgspec.structs.replace(
        planned, quantity=Decimal(5), price=Decimal(95)
    )
    assert found_in(world.give(exchange.observed())) == ["wrong_order:cancelled"]
    assert world.leg().pending == 5, "as long as it rests it may fill"
    world.fill(entry.order, "95", "4")
    world.honour_cancels()
    settle(world)
    assert holdings(world) == {"A": 4}
    assert world.leg().pending == 0
    check(world.state)


def test_numbers_are_compared_by_value() -> None:
    world = make_books("one")
    exchange = Exchange(world, Decimal("2.000"))
    wrong(world, exchange, quantity=Decimal("2.00000000"), trigger_price=Decimal("90.0"), price=Decimal("0.00"))
    assert exchange.look() == []


def test_orphans_of_the_other_leg_are_found_there() -> None:
    world = make_books("one")
    exchange = Exchange(world, Decimal(2))
    exchange.orders["te-test-0-zzzs"] = stop_named("te-test-0-zzzs", SHORT)
    (found,) = of_kind(exchange.look(), ev.DifferenceFound)
    assert (found.kind, found.position_side, found.client_order_id) == ("orphan_order", SHORT, "te-test-0-zzzs")


def test_an_orphan_whose_cancel_fails_is_cancelled_again_and_told_once() -> None:
    """I32."""
    world = make_books("one")
    exchange = Exchange(world, Decimal(2))
    exchange.orders["te-test-0-zzzs"] = stop_named("te-test-0-zzzs")
    assert found_in(world.give(exchange.observed())) == ["orphan_order:cancelled"]
    for _ in range(3):
        assert [type(event) for event in world.give(exchange.observed())] == [ev.OrphanCancelPlanned]
    del exchange.orders["te-test-0-zzzs"]
    assert [type(event) for event in world.give(exchange.observed())] == [ev.DifferenceEnded]


def test_an_orphan_that_may_be_all_that_protects_a_leg_stays_until_its_stop_rests() -> None:
    """I99: a stop left, its record was lost with the process, and another is planned."""
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "1")
    exchange = Exchange(world, Decimal(1))
    exchange.orders.clear()
    exchange.orders["te-test-0-zzzs"] = stop_named("te-test-0-zzzs")
    assert exchange.look() == [], "the books' own stop is planned and may not have arrived"
    settle(world)
    exchange.orders[world.resting(STOP).client_order_id] = stop_named(world.resting(STOP).client_order_id)
    assert "orphan_order:cancelled" in found_in(exchange.look())


def test_orders_of_another_journal_are_somebody_elses() -> None:
    world = make_books("one")
    exchange = Exchange(world, Decimal(2))
    exchange.orders["te-other-0-1s"] = stop_named("te-other-0-1s")
    assert exchange.look() == []
