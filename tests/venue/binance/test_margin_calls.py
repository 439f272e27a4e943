"""Margin calls: each leg's reaches the shard of its symbol, and not again and again."""

from decimal import Decimal
from typing import Any

from contracts.enums import PositionSide, Severity
from shared.clock import ManualClock
from tests.support.builders import World, of_kind
from tradeengine.domain.events import AlertRaised
from tradeengine.domain.inputs import MarginCalled
from tradeengine.venue.base import Report
from tradeengine.venue.binance.margin_calls import AGAIN_S, MarginCalls

LEG = {"s": "ETHUSDT", "ps": "LONG", "pa": "1.327", "mt": "CROSSED", "iw": "0", "mp": "187.17127", "up": "-1.166074"}
DOCUMENTED = LEG | {"mm": "1.614445"}


def message(*legs: dict[str, Any]) -> dict[str, Any]:
    return {"e": "MARGIN_CALL", "E": 1587727187525, "cw": "3.16812045", "p": list(legs)}


def calls() -> tuple[MarginCalls, list[Report], ManualClock]:
    told: list[Report] = []
    clock = ManualClock(1_000_000)
    return MarginCalls(clock, told.append), told, clock


def test_the_documented_message_is_told() -> None:
    made, told, _ = calls()
    made.take(message(DOCUMENTED))
    assert told == [
        MarginCalled(
            time_ms=1_000_000,
            symbol="ETHUSDT",
            position_side=PositionSide.LONG,
            mark_price=Decimal("187.17127"),
            unrealized=Decimal("-1.166074"),
            maintenance=Decimal("1.614445"),
        )
    ]


def test_every_leg_is_told_and_in_one_way_mode_no_side() -> None:
    made, told, _ = calls()
    made.take(message(DOCUMENTED, DOCUMENTED | {"ps": "SHORT"}, DOCUMENTED | {"s": "BTCUSDT", "ps": "BOTH"}))
    assert [(call.symbol, call.position_side) for call in told if isinstance(call, MarginCalled)] == [
        ("ETHUSDT", PositionSide.LONG),
        ("ETHUSDT", PositionSide.SHORT),
        ("BTCUSDT", None),
    ]


def test_a_call_that_is_repeated_is_told_again_after_a_while_only() -> None:
    made, told, clock = calls()
    for _ in range(5):
        made.take(message(DOCUMENTED))
        clock.set(clock.now_ms() + int(1000 * AGAIN_S / 5))
    assert len(told) == 1
    made.take(message(DOCUMENTED))
    assert len(told) == 2


def test_what_cannot_be_read_breaks_nothing() -> None:
    made, told, _ = calls()
    for payload in ({}, message(LEG), {"p": [1]}, message(DOCUMENTED | {"mm": "x"})):
        made.take(payload)
    assert told == []


def test_the_core_raises_a_critical_alert_and_changes_nothing() -> None:
    world = World()
    made, told, _ = calls()
    made.take(message(DOCUMENTED))
    (call,) = told
    assert isinstance(call, MarginCalled)
    before = world.state.digest()
    (alert,) = of_kind(world.give(call), AlertRaised)
    assert (alert.name, alert.severity, alert.symbol) == ("margin_call", Severity.CRITICAL, "ETHUSDT")
    assert alert.position_side is PositionSide.LONG
    assert world.state.digest() == before
