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


def test_what_passes_within_its_patience_is_never_told(alerts: Alerts) -> None:
    clock = alerts._clock
    assert isinstance(clock, ManualClock)
    for _ in range(3):
        alerts.stand("engine_trouble", "coming up", patience_s=15)
        clock.set(clock.now_ms() + 14_999)
        alerts.stand("engine_trouble", "coming up", patience_s=15)
        alerts.stand("engine_trouble", None, patience_s=15)
    assert told(alerts) == []


def test_what_lasts_beyond_its_patience_is_told_and_a_failure_at_once(alerts: Alerts) -> None:
    clock = alerts._clock
    assert isinstance(clock, ManualClock)
    alerts.stand("engine_trouble", "coming up", patience_s=15)
    clock.set(clock.now_ms() + 15_000)
    alerts.stand("engine_trouble", "coming up", patience_s=15)
    alerts.stand("engine_trouble", None)
    alerts.stand("engine_trouble", "coming up", patience_s=15)
    alerts.stand("engine_trouble", "failed")
    alerts.stand("engine_trouble", "coming up again", patience_s=15)
    assert [text for _, text in told(alerts)] == ["coming up", "over: coming up", "failed"]


def test_prometheus_sees_what_stands_and_what_was_looked_at(alerts: Alerts) -> None:
    def shown() -> float | None:
        return alerts._metrics.registry.get_sample_value("tradeengine_alert_standing", {"name": "engine_trouble"})

    for trouble, patience_s, expected in (("coming up", 15, 0), ("failed", 0, 1), (None, 0, 0)):
        alerts.stand("engine_trouble", trouble, patience_s=patience_s)
        assert shown() == expected


def test_another_position_without_its_stop_is_told_while_the_first_still_has_none(alerts: Alerts) -> None:
    for text in ("no live stop: A", "no live stop: A", "no live stop: A, B", "no live stop: B", None):
        alerts.stand("naked_position", text, changes=True)
    assert told(alerts) == [
        ("critical", "no live stop: A"),
        ("critical", "no live stop: A, B"),
        ("critical", "no live stop: B"),
        ("info", "over: no live stop: B"),
    ]
