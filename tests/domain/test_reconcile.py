"""Reconcile: whatever books and exchange say, they say the same in the end, and nothing is told twice."""

from decimal import Decimal

import pytest

from contracts.enums import OrderPurpose, Severity
from tests.domain.invariants import check
from tests.domain.reconcile_cases import FOREIGN, Case, cases, found_in, holdings, make_books, make_exchange
from tests.support.builders import of_kind
from tradeengine.domain import events as ev

CASES = list(cases())


def test_there_are_a_hundred_cases() -> None:
    assert len({case.name for case in CASES}) == 5 * 5 * 4


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_books_and_exchange_come_to_agree(case: Case) -> None:
    """I02, I10, I14, I29, I30, I33, I98, I109."""
    world = make_books(case.books)
    exchange = make_exchange(case, world)
    events: list[ev.AnyEvent] = []
    for expected in case.found:
        events = exchange.look()
        assert found_in(events) == expected
        assert len(of_kind(events, ev.AlertRaised)) == len(expected), "each difference raises one alert"
    assert holdings(world) == case.holdings
    check(world.state)

    if case.exchange == "contradiction":
        assert not of_kind(events, ev.OrderPlanned), "no order can be right"
        assert not of_kind(events, ev.CancelPlanned)
        assert "BTCUSDT" in world.state.halted
        assert exchange.look() == [], "what is known is not told again"
        return
    assert world.state.halted == {}
    leg = world.state.leg("BTCUSDT", exchange.observed().positions[0].position_side)
    assert (leg.quantity if leg else Decimal(0)) == exchange.held
    again = exchange.look()
    assert [type(event) for event in again if not isinstance(event, ev.DifferenceEnded)] == []
    assert world.state.differences == {}
    assert exchange.look() == []
    stops = {
        live.order.strategy_id: exchange.orders[live.order.client_order_id].quantity
        for live in world.live(OrderPurpose.STOP_LOSS)
    }
    assert stops == {name: quantity for name, quantity in case.holdings.items() if quantity > 0}
    entries = len(world.live(OrderPurpose.OPEN))
    assert len(exchange.orders) == len(stops) + entries + (FOREIGN in exchange.orders), "nothing else rests"
    assert (FOREIGN in exchange.orders) == (case.orders == "orphan"), "what is somebody else's is left alone"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_policy_of_halting_trades_nothing_and_books_nothing(case: Case) -> None:
    world = make_books(case.books, difference_policy="halt")
    exchange = make_exchange(case, world)
    before = holdings(world)
    events = exchange.look()
    assert bool(world.state.halted) == bool(case.found)
    assert len(of_kind(events, ev.SymbolHalted)) == bool(case.found)
    assert not of_kind(events, ev.OrderFilled)
    assert not of_kind(events, ev.OrphanCancelPlanned)
    assert holdings(world) == before
    for _ in case.found:
        exchange.look()
    assert not of_kind(exchange.look(), ev.AlertRaised), "an unchanged difference is told once"
    check(world.state)


@pytest.mark.parametrize("case", [c for c in CASES if c.exchange != "contradiction"], ids=lambda case: case.name)
def test_an_operator_may_have_repaired_what_halted(case: Case) -> None:
    world = make_books(case.books, difference_policy="halt")
    exchange = make_exchange(case, world)
    exchange.look()
    for _ in range(3):
        exchange.look(repair=True)
    assert holdings(world) == case.holdings
    assert world.state.differences == {}
    check(world.state)


def test_severity_follows_the_kind() -> None:
    severity: dict[str, set[Severity]] = {}
    for case in CASES:
        world = make_books(case.books)
        exchange = make_exchange(case, world)
        for event in of_kind(exchange.look(), ev.AlertRaised):
            severity.setdefault(event.name, set()).add(event.severity)
    assert severity == {
        "difference_foreign_position": {Severity.WARNING},
        "difference_quantity": {Severity.WARNING, Severity.CRITICAL},
        "difference_ghost": {Severity.CRITICAL},
        "difference_contradiction": {Severity.CRITICAL},
        "difference_unhedged": {Severity.CRITICAL},
        "difference_wrong_order": {Severity.WARNING},
        "difference_orphan_order": {Severity.WARNING},
        "difference_lost_order": {Severity.WARNING},
    }
