"""Alerts that stand: told when a trouble begins, when it is another one, and when it is over."""

import json

import pytest

from shared.clock import ManualClock
from shared.metrics import Metrics
from tests.support.builders import T0
from tradeengine.runtime.alerts import Alerts


@pytest.fixture
def alerts() -> Alerts:
    return Alerts(Metrics("test"), ManualClock(T0))


def told(alerts: Alerts) -> list[tuple[str, str]]:
    """Severity and text of what waits to be published."""
    messages = [json.loads(payload) for _, payload in alerts._waiting]
    return [(message["severity"], message["message"]) for message in messages]


def test_a_trouble_that_stands_is_told_once_and_once_that_it_is_over(alerts: Alerts) -> None:
    for seconds in range(3):
        alerts.stand("engine_trouble", f"looked {seconds} s ago")
    alerts.stand("engine_trouble", None)
    alerts.stand("engine_trouble", None)
    assert told(alerts) == [("critical", "looked 0 s ago"), ("info", "over: looked 0 s ago")]


def test_another_position_without_its_stop_is_told_while_the_first_still_has_none(alerts: Alerts) -> None:
    for text in ("no live stop: A", "no live stop: A", "no live stop: A, B", "no live stop: B", None):
        alerts.stand("naked_position", text, changes=True)
    assert told(alerts) == [
        ("critical", "no live stop: A"),
        ("critical", "no live stop: A, B"),
        ("critical", "no live stop: B"),
        ("info", "over: no live stop: B"),
    ]
