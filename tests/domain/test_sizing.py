"""Sizing: how much, at what price, as which kind of order."""

from decimal import Decimal
from typing import Any

import pytest

from contracts.enums import OrderKind
from tests.support.builders import T0, World, instrument
from tradeengine.domain.orders import ApprovedOrder

CONTEXT = {"mark": "50000", "equity": "10000"}


def sized(world: World | None = None, action: str = "buy", **fields: Any) -> ApprovedOrder:
    return (world or World(instrument(step_size="0.001"))).order(action, **{**CONTEXT, **fields})


@pytest.mark.parametrize(
    ("fields", "quantity"),
    [
        ({"quantity": "0.0129"}, "0.012"),
        ({"quote_quantity": "649"}, "0.012"),
        ({"position_size_pct": "0.1"}, "0.02"),
        ({"quantity": "1", "quote_quantity": "50", "position_size_pct": "0.9"}, "1"),
        ({"quote_quantity": "50", "position_size_pct": "0.9"}, "0.001"),
    ],
)
def test_the_first_size_that_is_given_decides(fields: dict[str, Any], quantity: str) -> None:
    assert sized(**fields).quantity == Decimal(quantity)


@pytest.mark.parametrize(
    ("config", "quantity"),
    [
        ({"order_size_quote": "100"}, "0.002"),
        ({"order_size_pct": "0.05"}, "0.01"),
        ({"order_size_quote": "100", "order_size_pct": "0.05"}, "0.002"),
    ],
)
def test_a_signal_without_a_size_takes_the_configured_one(config: dict[str, str], quantity: str) -> None:
    assert sized(World(instrument(step_size="0.001"), **config)).quantity == Decimal(quantity)


def test_a_percentage_of_the_signal_wins_over_a_configured_amount() -> None:
    world = World(instrument(step_size="0.001"), order_size_quote="100")
    assert sized(world, position_size_pct="0.1").quantity == Decimal("0.02")


@pytest.mark.parametrize(
    ("step_size", "quantity"),
    [
        ("1e-8", "0.00666666"),
        ("1e-7", "0.0066666"),
        ("1e-5", "0.00666"),
        ("0.05", "66.65"),
        ("0.5", "66.5"),
        ("1", "66"),
        ("10", "60"),
    ],
)
def test_an_amount_of_money_buys_whole_steps_only(step_size: str, quantity: str) -> None:
    mark = "15000" if Decimal(step_size) < Decimal("0.01") else "1.5"
    decision = World(instrument(step_size=step_size)).order(quote_quantity="100", mark=mark)
    assert decision.quantity == Decimal(quantity)


def test_a_limit_order_is_sized_by_its_own_price() -> None:
    order = sized(order_type="limit", target_price="40000.004", quote_quantity="400")
    assert (order.kind, order.price, order.quantity) == ("LIMIT", Decimal("40000.00"), Decimal("0.01"))


def test_a_conditional_order_is_sized_by_its_trigger() -> None:
    order = sized(order_type="stop", conditional_price="80000", quote_quantity="800")
    assert (order.kind, order.trigger_price, order.quantity) == ("STOP_MARKET", Decimal(80000), Decimal("0.01"))


def test_the_price_of_the_signal_serves_where_the_venue_has_none() -> None:
    assert World().order(quote_quantity="100", price="1000").quantity == Decimal("0.1")


def test_the_mark_wins_over_the_price_of_the_signal() -> None:
    assert World().order(quote_quantity="100", price="1000", mark="2000").quantity == Decimal("0.05")


# ---------------------------------------------------------------- kinds


@pytest.mark.parametrize(
    ("order_type", "kind", "prices"),
    [
        ("market", "MARKET", (None, None)),
        ("limit", "LIMIT", ("49000", None)),
        ("stop", "STOP_MARKET", (None, "51000")),
        ("stop_limit", "STOP", ("49000", "51000")),
        ("take_profit", "TAKE_PROFIT_MARKET", (None, "51000")),
        ("take_profit_limit", "TAKE_PROFIT", ("49000", "51000")),
    ],
)
def test_each_order_type_has_its_kind_and_prices(
    order_type: str, kind: str, prices: tuple[str | None, str | None]
) -> None:
    fields: dict[str, Any] = {
        name: price for name, price in zip(("target_price", "conditional_price"), prices, strict=True) if price
    }
    order = sized(order_type=order_type, quantity="1", **fields)
    assert order.kind == kind
    assert (order.price, order.trigger_price) == tuple(price and Decimal(price) for price in prices)


@pytest.mark.parametrize(
    ("action", "direction", "kind"),
    [
        ("buy", "above", OrderKind.STOP_MARKET),
        ("buy", "below", OrderKind.TAKE_PROFIT_MARKET),
        ("sell", "below", OrderKind.STOP_MARKET),
        ("sell", "above", OrderKind.TAKE_PROFIT_MARKET),
    ],
)
def test_the_direction_tells_a_stop_entry_from_a_take_profit_entry(
    action: str, direction: str, kind: OrderKind
) -> None:
    trigger = "51000" if direction == "above" else "49000"
    fields: dict[str, Any] = {"quantity": "1", "conditional_price": trigger}
    assert sized(action=action, conditional_direction=direction, **fields).kind is kind
    assert sized(action=action, **fields).kind is kind, "and so does the price, without a direction"


def test_a_limit_order_with_a_condition_keeps_its_price() -> None:
    order = sized(
        order_type="limit",
        quantity="1",
        target_price="51500",
        conditional_price="51000",
        conditional_direction="above",
    )
    assert (order.kind, order.price, order.trigger_price) == (OrderKind.STOP, Decimal(51500), Decimal(51000))


def test_a_stop_entry_may_name_its_trigger_as_target_price() -> None:
    assert sized(order_type="stop", quantity="1", target_price="51000").trigger_price == Decimal(51000)


@pytest.mark.parametrize(
    ("action", "order_type", "direction"),
    [("buy", "stop", "below"), ("sell", "stop", "above"), ("buy", "take_profit", "above")],
)
def test_a_condition_that_contradicts_its_order_type_is_refused(action: str, order_type: str, direction: str) -> None:
    decision = World().signal(
        action, quantity="1", order_type=order_type, conditional_price="50000", conditional_direction=direction
    )
    assert decision.reason == "contradictory_trigger"


@pytest.mark.parametrize("time_in_force", ["GTC", "IOC", "FOK", "GTX"])
def test_time_in_force_travels_with_the_order(time_in_force: str) -> None:
    order = sized(order_type="limit", quantity="1", target_price="50000", time_in_force=time_in_force)
    assert order.time_in_force == time_in_force


def test_an_entry_that_waits_has_a_deadline() -> None:
    fields: dict[str, Any] = {"quantity": "1", "target_price": "50000", "conditional_timeout_s": 90, "time_ms": T0 + 5}
    assert World().order(order_type="limit", **fields).expires_ms == T0 + 90_005


def test_a_market_order_has_no_deadline() -> None:
    assert World().order(quantity="1", conditional_timeout_s=90).expires_ms is None


@pytest.mark.parametrize("price", ["0.004", "0.9", "101"])
def test_a_price_that_the_exchange_does_not_take_is_refused(price: str) -> None:
    world = World(instrument(min_price="1", max_price="100"))
    decision = world.signal(quantity="1", order_type="limit", target_price=price)
    assert (decision.reason, decision.source) == ("price_out_of_range", "sizing")


@pytest.mark.parametrize(("action", "limit"), [("buy", "100"), ("sell", "100.01")])
def test_a_limit_between_ticks_is_never_worse_than_asked(action: str, limit: str) -> None:
    order = World().order(action, quantity="1", order_type="limit", price="100.005", mark="100")
    assert order.price == Decimal(limit)


def test_a_limit_is_the_price_that_the_strategy_names_and_not_the_one_that_it_saw() -> None:
    order = World().order("buy", quantity="1", order_type="limit", price="95", current_price="100")
    assert order.price == 95
