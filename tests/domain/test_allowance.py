"""Allowance: openings leave room for the stops and targets of the whole account."""

from typing import Any

import pytest

from contracts.enums import OrderPurpose, Reason
from tests.support.builders import World
from tradeengine.domain.allowance import in_use

BOTH = {"stop_loss_pct": "0.02", "take_profit_pct": "0.04"}


@pytest.mark.parametrize(
    ("orders", "fields", "accepted"),
    [
        (188, BOTH, True),
        (189, BOTH, False),
        (189, {"stop_loss_pct": "0.02"}, True),
        (190, {"trailing_pct": "0.02"}, False),
        (190, {"break_even_at_pct": "0.02"}, False),
        (500, {}, True),
        (189, {"order_type": "stop", "target_price": "101"}, True),
        (190, {"order_type": "stop", "target_price": "101"}, False),
        (188, {"order_type": "stop", "target_price": "101", **BOTH}, True),
    ],
)
def test_stop_and_target_must_fit_below_the_limit_less_the_reserve(
    orders: int, fields: dict[str, str], accepted: bool
) -> None:
    decision = World().signal(quantity="1", mark="100", conditional_orders=orders, conditional_limit=200, **fields)
    assert decision.reason is (None if accepted else Reason.PROTECTION_LIMIT)
    assert accepted or f"{orders} conditional orders of 200" in (decision.detail or "")


def test_the_reserve_is_configured() -> None:
    world = World(conditional_reserve=0)
    assert world.signal(quantity="1", conditional_orders=198, conditional_limit=200, **BOTH).reason is None


@pytest.mark.parametrize("facts", [{"conditional_orders": 300}, {"conditional_limit": 1}, {}])
def test_what_is_not_known_or_not_limited_refuses_nothing(facts: dict[str, Any]) -> None:
    assert World().signal(quantity="1", **facts, **BOTH).reason is None


def test_an_addition_to_what_is_protected_needs_no_more_room() -> None:
    world = World()
    world.trade("buy", "A", "100", "1", **BOTH)
    full: dict[str, Any] = {"conditional_orders": 200, "conditional_limit": 200}
    assert world.signal("buy", "A", quantity="1", **full).reason is None
    assert world.signal("buy", "B", quantity="1", **full, **BOTH).reason is Reason.PROTECTION_LIMIT
    assert world.signal("close", "A", **full).reason is None


def test_an_addition_that_brings_the_first_stop_needs_room_for_it() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    full: dict[str, Any] = {"conditional_orders": 190, "conditional_limit": 200}
    assert world.signal("buy", "A", quantity="1", stop_loss_pct="0.1", **full).reason is Reason.PROTECTION_LIMIT


def test_what_is_in_use_counts_what_entries_under_way_will_ask_for() -> None:
    world = World()
    assert in_use(world.state) == 0
    entry = world.order("buy", "A", quantity="2", **BOTH)
    assert in_use(world.state) == 2
    world.fill(entry, "100", "1")
    assert in_use(world.state) == 2
    world.fill(entry, "100", "1")
    world.honour_cancels()
    assert in_use(world.state) == 2
    stop_entry = world.order("buy", "B", quantity="1", order_type="stop", conditional_price="101", **BOTH)
    assert in_use(world.state) == 4
    world.fill(stop_entry, "101")
    assert in_use(world.state) == 4
    world.fill(world.resting(OrderPurpose.STOP_LOSS, "A"), "98")
    world.honour_cancels()
    assert in_use(world.state) == 2
