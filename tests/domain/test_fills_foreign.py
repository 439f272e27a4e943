"""Fills: late ones, and those that the engine did not ask for."""

from decimal import Decimal
from typing import Any

import pytest

from contracts.enums import FillOrigin, OrderPurpose, OrderStatus, Severity
from contracts.signal import EXTERNAL
from tests.domain.invariants import check
from tests.support.builders import LONG, SHORT, World, build, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain.inputs import FillReported
from tradeengine.domain.retry import RETRY_MS
from tradeengine.domain.state import ENDED_MS


def alerts(events: list[ev.AnyEvent]) -> list[tuple[str, Severity]]:
    return [(alert.name, alert.severity) for alert in of_kind(events, ev.AlertRaised)]


def give_up(world: World, **fields: Any) -> FillReported:
    """Give an order up that never seemed to arrive, and return the report that it was executed all the same."""
    order = world.order(**fields)
    world.report(order, OrderStatus.REJECTED, reason="never arrived at the venue", executed="0")
    return build(
        FillReported,
        time_ms=world.now,
        client_order_id=order.client_order_id,
        trade_id="900",
        symbol=order.symbol,
        side=order.side,
        position_side=order.position_side,
        quantity=order.quantity,
        price="100",
        fee="0.04",
        fee_asset="USDT",
    )


# ---------------------------------------------------------------- late


def test_a_market_order_that_was_given_up_and_executed_gets_its_stop() -> None:
    """I54, I112."""
    world = World()
    fill = give_up(world, quantity="2", stop_loss_pct="0.05", signal_id="s1")
    assert world.state.orders == {}
    events = world.give(fill)
    assert alerts(events) == [("late_fill", Severity.WARNING)]
    position = world.position("A")
    assert (position.quantity, position.signal_id, position.books.fees) == (Decimal(2), "s1", Decimal("0.04"))
    stop = world.resting(OrderPurpose.STOP_LOSS)
    assert (stop.quantity, stop.trigger_price) == (Decimal(2), Decimal(95))
    assert world.leg().pending == 0
    check(world.state)


def test_what_a_cancelled_entry_executed_beyond_what_was_known_is_its_strategys() -> None:
    world = World(stop_loss_pct="0.1")
    order = world.order(quantity="3", order_type="limit", target_price="100")
    world.fill(order, "100", "1")
    world.report(order, OrderStatus.CANCELLED, executed="1")
    world.fill(order, "100", "0.5")
    assert world.position("A").quantity == Decimal("1.5")
    assert EXTERNAL not in world.leg().strategies
    world.report(order, OrderStatus.CANCELLED, executed="1")
    check(world.state)


def test_a_late_trade_is_booked_once() -> None:
    world = World()
    fill = give_up(world, quantity="2")
    world.give(fill)
    for _ in range(2):
        assert [type(event) for event in world.give(fill)] == [ev.FillIgnored]
        world.pass_time(world.state.config.memory_ms + 1)
        world.foreign("BUY", SHORT.opposite, "1", "100")
    assert world.position("A").quantity == 2


def test_a_close_that_was_given_up_and_executed_is_not_repeated() -> None:
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "2")
    world.give(give_up(world, action="close", quantity="0.5"))
    assert world.position("A").quantity == Decimal("1.5")
    world.pass_time(2 * RETRY_MS)
    assert world.live(OrderPurpose.CLOSE) == []
    check(world.state)


def test_a_close_that_was_given_up_asked_for_again_and_executed_does_not_go_below() -> None:
    world = World()
    world.trade("buy", "A", "100", "2")
    fill = give_up(world, action="close")
    world.pass_time(2 * RETRY_MS)
    assert world.resting(OrderPurpose.CLOSE).quantity == 2
    world.give(fill)
    world.honour_cancels()
    assert (world.state.legs, world.state.orders) == ({}, {})


def test_a_late_stop_closes_its_own_strategy() -> None:
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "100", "1")
    stop = world.resting(OrderPurpose.STOP_LOSS, "A")
    world.report(stop, OrderStatus.CANCELLED, executed="0")
    (filled,) = of_kind(world.fill(stop, "89"), ev.OrderFilled)
    assert [(share.strategy_id, share.close_reason) for share in filled.shares] == [("A", "stop_loss")]
    assert world.position("B").quantity == 1


def test_what_an_unwanted_entry_bought_late_is_sold_at_once() -> None:
    world = World()
    order = world.order(quantity="2", order_type="limit", target_price="100")
    world.signal("close", "A")
    world.report(order, OrderStatus.CANCELLED, executed="0")
    world.fill(order, "100", "1")
    assert world.resting(OrderPurpose.CLOSE).quantity == 1


def test_ended_orders_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeengine.domain.memory.ENDED_ENTRIES", 5)
    world = World()
    for _ in range(12):
        world.report(world.order(quantity="1"), OrderStatus.REJECTED)
    assert len(world.state.ended) == 5
    world.now += ENDED_MS + 1
    world.report(world.order(quantity="1"), OrderStatus.REJECTED)
    assert len(world.state.ended) == 1
    world.trade("buy", "A", "100", "1")
    assert len(world.state.ended) == 1, "what filled wholly cannot fill again"


# ---------------------------------------------------------------- foreign


def forced(world: World, quantity: str, origin: FillOrigin, price: str = "80") -> list[ev.AnyEvent]:
    world.trades += 1
    return world.give(
        build(
            FillReported,
            time_ms=world.now,
            client_order_id="autoclose-1",
            trade_id=str(world.trades),
            symbol="BTCUSDT",
            side="SELL",
            position_side="LONG",
            quantity=quantity,
            price=price,
            fee="0.4",
            fee_asset="USDT",
            origin=origin,
        )
    )


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        (FillOrigin.LIQUIDATION, "liquidation"),
        (FillOrigin.ADL, "liquidation"),
        (FillOrigin.SETTLEMENT, "emergency"),
    ],
)
def test_what_the_exchange_forces_it_takes_from_all_alike(origin: FillOrigin, reason: str) -> None:
    world = World(stop_loss_pct="0.5")
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "100", "2")
    world.foreign("BUY", LONG, "1", "100")
    events = forced(world, "2", origin)
    (filled,) = of_kind(events, ev.OrderFilled)
    taken = {share.strategy_id: share.quantity for share in filled.shares}
    assert taken == {"A": Decimal("0.5"), "B": 1, EXTERNAL: Decimal("0.5")}
    assert {share.close_reason for share in filled.shares} == {reason}
    assert sum(share.fee for share in filled.shares) == Decimal("0.4")
    assert alerts(events) == [("forced_close", Severity.CRITICAL)]
    check(world.state)


def test_a_liquidated_leg_leaves_no_order_behind() -> None:
    world = World(stop_loss_pct="0.5", take_profit_pct="0.5")
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "100", "2")
    forced(world, "3", FillOrigin.LIQUIDATION)
    world.honour_cancels()
    assert (world.state.legs, world.state.orders) == ({}, {})


def test_what_others_do_to_strategies_is_told_and_what_they_do_to_their_own_is_not() -> None:
    world = World()
    assert alerts(world.foreign("BUY", LONG, "2", "100")) == [("foreign_fill", Severity.WARNING)]
    world.trade("buy", "A", "100", "1")
    assert alerts(world.foreign("SELL", LONG, "1", "100")) == []
    assert alerts(world.foreign("SELL", LONG, "1.5", "100")) == [("foreign_fill", Severity.WARNING)]


# ---------------------------------------------------------------- the watermark


def test_the_newest_trade_is_known_per_symbol() -> None:
    world = World()
    for trade_id in ("99", "100", "98", "p-7", "reconciled-1"):
        world.fill(world.order(quantity="1"), "100", trade_id=trade_id)
    assert world.state.last_trades == {"BTCUSDT": "100"}


def test_a_trade_that_could_not_be_booked_is_dealt_with_all_the_same() -> None:
    world = World()
    world.trades = 500
    assert [type(event) for event in world.foreign("SELL", LONG, "1", "100")] == [ev.FillIgnored]
    assert world.state.last_trades == {"BTCUSDT": "501"}
