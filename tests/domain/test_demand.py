"""Demand: what a shard that shares the account's limits has left decides, and what it lacks is told."""

from decimal import Decimal
from typing import Any

import pytest

from contracts.enums import OrderStatus, Reason
from tests.support.builders import World, signal
from tradeengine.domain.decide import preview, step
from tradeengine.domain.demand import Demand, demand, lacks_room

BOTH = {"stop_loss_pct": "0.02", "take_profit_pct": "0.04"}


@pytest.mark.parametrize(("room", "reason"), [("100", None), ("99.99", "exposure_limit"), ("-5", "exposure_limit")])
def test_the_room_decides_whatever_the_limit_is(room: str, reason: str | None) -> None:
    world = World(max_exposure_usd="1000")
    decision = world.signal(quantity="1", mark="100", exposure_room=room)
    assert decision.reason == reason
    assert reason is None or f"limit of 1000 there is {room} for this shard" in (decision.detail or "")


def test_room_is_asked_for_only_where_there_is_a_limit() -> None:
    assert World().signal(quantity="1", mark="100", exposure_room="0").reason is None
    assert World().signal(quantity="1", mark="100", conditional_room=0, **BOTH).reason is None


def test_room_without_a_price_is_no_room() -> None:
    assert World(max_exposure_usd="1000").signal(quantity="1", exposure_room="900").reason == "no_reference_price"


@pytest.mark.parametrize(
    ("room", "fields", "accepted"),
    [
        (2, BOTH, True),
        (1, BOTH, False),
        (0, {}, True),
        (-3, {}, True),
        (0, {"stop_loss_pct": "0.02"}, False),
        (1, {"order_type": "stop", "target_price": "101"}, True),
        (0, {"order_type": "stop", "target_price": "101"}, False),
    ],
)
def test_stop_and_target_must_fit_into_the_room(room: int, fields: dict[str, str], accepted: bool) -> None:
    decision = World().signal(quantity="1", mark="100", conditional_room=room, conditional_limit=200, **fields)
    assert decision.reason is (None if accepted else Reason.PROTECTION_LIMIT)


def test_closing_needs_no_room_and_no_knowledge() -> None:
    world = World(max_exposure_usd="1000")
    world.trade("buy", "A", "100", "1", mark="100", exposure_room="100")
    nothing: dict[str, Any] = {"exposure_room": "-100", "conditional_room": -1, "conditional_limit": 200}
    assert world.signal("close", "A", account_unknown="the ledger is away", **nothing).reason is None


def test_what_is_unknown_refuses_every_opening() -> None:
    decision = World().signal(quantity="1", mark="100", account_unknown="the ledger is away")
    assert decision.reason is Reason.ACCOUNT_UNKNOWN
    assert decision.detail == "the ledger is away; closing is possible"


@pytest.mark.parametrize(
    ("config", "fields", "wanted"),
    [
        ({}, {"quantity": "2"}, Demand(Decimal(200), 0)),
        ({}, {"quantity": "2", **BOTH}, Demand(Decimal(200), 2)),
        ({}, {"quote_quantity": "50"}, Demand(Decimal(50), 0)),
        ({}, {"quantity": "2", "order_type": "limit", "target_price": "90"}, Demand(Decimal(180), 0)),
        ({}, {"quantity": "2", "order_type": "stop", "target_price": "110"}, Demand(Decimal(220), 1)),
        ({"max_position_usd": "150"}, {"quantity": "2"}, Demand(Decimal(150), 0)),
        ({"min_confidence": "0.95"}, {"quantity": "2"}, None),
        ({"max_daily_loss_usd": "5"}, {"quantity": "2", "day_pnl": "-5"}, None),
        ({"max_position_usd": "0.0001"}, {"quantity": "2"}, None),
    ],
)
def test_the_demand_is_what_the_order_would_take(
    config: dict[str, str], fields: dict[str, Any], wanted: Demand | None
) -> None:
    """And nothing where something else refuses it: that need not be asked for."""
    world = World(max_exposure_usd="1000", **config)
    nothing: dict[str, Any] = {"exposure_room": "0", "conditional_room": 0, "conditional_limit": 200}
    given = signal(mark="100", time_ms=world.now, **nothing, **fields)
    assert demand(world.state, given) == wanted
    assert lacks_room(preview(world.state, given)) is (wanted is not None)


def test_a_close_and_a_duplicate_lack_no_room() -> None:
    world = World(max_exposure_usd="1000")
    world.signal(quantity="1", mark="100", signal_id="s", exposure_room="100")
    again = signal(quantity="1", mark="100", signal_id="s", time_ms=world.now, exposure_room="0")
    assert not lacks_room(preview(world.state, again))
    assert demand(world.state, signal("close", time_ms=world.now)) is None


def test_with_as_much_room_as_its_demand_an_order_passes() -> None:
    world = World(max_exposure_usd="1000")
    world.trade("buy", "B", "100", "1", mark="100", exposure_room="100", **BOTH)
    given = signal(quantity="3", mark="101", time_ms=world.now, exposure_room="0", **BOTH)
    lacked = demand(world.state, given)
    assert lacked == Demand(Decimal(303), 2)
    order = world.order(quantity="3", mark="101", exposure_room="303", conditional_room=2, conditional_limit=9, **BOTH)
    world.report(order, OrderStatus.OPEN)


def test_a_preview_changes_nothing_and_is_what_the_step_does() -> None:
    world = World()
    given = signal(quantity="1", mark="100", time_ms=world.now, **BOTH)
    before = world.state.digest()
    decided = preview(world.state, given)
    assert world.state.digest() == before
    told = list(decided)
    assert step(world.state, given, decided)[: len(told)] == told
    assert world.state.digest() != before
