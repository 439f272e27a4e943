"""Orders that are not where they should be: ended by somebody else, or resting though their cancel was sent."""

from decimal import Decimal

import pytest

from contracts.enums import OrderPurpose, OrderStatus, Severity
from tests.domain.reconcile_cases import Exchange, found_in, make_books, rests
from tests.support.builders import World, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain.events import SHORT_LIFE_MS
from tradeengine.domain.reconcile_resting import CANCEL_MS

STOP, TARGET = OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT


def protected(**config: str) -> World:
    world = World(stop_loss_pct="0.1", take_profit_pct="0.1", **config)
    world.trade("buy", "A", "100", "1")
    world.take(world.resting(STOP), world.resting(TARGET))
    world.pass_time(SHORT_LIFE_MS)
    return world


@pytest.mark.parametrize(("purpose", "severity"), [(STOP, Severity.CRITICAL), (TARGET, Severity.WARNING)])
@pytest.mark.parametrize("status", [OrderStatus.CANCELLED, OrderStatus.EXPIRED])
def test_what_somebody_else_ended_is_told_and_placed_again(
    purpose: OrderPurpose, severity: Severity, status: OrderStatus
) -> None:
    """I14."""
    world = protected()
    lost = world.resting(purpose)
    events = world.report(lost, status, executed="0")
    assert found_in(events) == ["unhedged:rearmed"]
    (found,) = of_kind(events, ev.DifferenceFound)
    assert found.client_order_id == lost.client_order_id
    assert (found.books, found.exchange) == (Decimal(1), Decimal(0))
    (told,) = of_kind(events, ev.AlertRaised)
    assert (told.name, told.severity) == ("difference_unhedged", severity)
    assert [event.order.purpose for event in of_kind(events, ev.OrderPlanned)] == [purpose]
    assert of_kind(events, ev.SymbolHalted) == []
    assert world.state.differences == {}


def test_by_the_halting_policy_it_halts_the_symbol_too() -> None:
    world = protected(difference_policy="halt")
    events = world.report(world.resting(STOP), OrderStatus.CANCELLED, executed="0")
    assert [event.symbol for event in of_kind(events, ev.SymbolHalted)] == ["BTCUSDT"]
    assert len(of_kind(events, ev.OrderPlanned)) == 1


@pytest.mark.parametrize("executed", ["0.4", "1"])
def test_an_order_that_was_executed_did_not_vanish(executed: str) -> None:
    world = protected()
    events = world.report(world.resting(STOP), OrderStatus.CANCELLED, executed=executed)
    assert of_kind(events, ev.DifferenceFound) == []


def test_an_order_that_was_to_be_cancelled_did_not_vanish() -> None:
    world = protected()
    world.trade("buy", "A", "110", "1")
    assert of_kind(world.honour_cancels(), ev.DifferenceFound) == []


def test_an_order_that_rests_long_after_its_cancel_is_told_once_until_it_is_gone() -> None:
    """I32."""
    world = make_books("one")
    exchange = Exchange(world, Decimal(0))
    stop = world.resting(STOP)
    exchange.orders[stop.client_order_id] = rests(stop)
    close = world.order("close", "A")
    world.fill(close, "100")
    assert world.state.orders[stop.client_order_id].cancelling
    world.pass_time(CANCEL_MS // 2)
    assert world.give(exchange.observed()) == []
    world.pass_time(CANCEL_MS)
    events = world.give(exchange.observed())
    assert found_in(events) == ["orphan_order:cancelled"]
    (told,) = of_kind(events, ev.AlertRaised)
    assert told.severity is Severity.CRITICAL
    assert stop.client_order_id in told.text
    assert "BTCUSDT" in told.text
    for _ in range(3):
        assert [type(event) for event in world.give(exchange.observed())] == [ev.OrphanCancelPlanned]
    exchange.orders.clear()
    world.report(stop, OrderStatus.CANCELLED, executed="0")
    assert [type(event) for event in world.give(exchange.observed())] == [ev.DifferenceEnded]
