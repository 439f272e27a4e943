"""Execution events and alerts: what is absent does not apply, what is null is not known, decimals are text."""

import json
from decimal import Decimal

import pytest
from pydantic import ValidationError

from contracts.alert import Alert
from contracts.enums import EventType, PositionSide, Severity, Side
from contracts.execution_event import ExecutionEvent

EVENT = {
    "event_id": "e1",
    "event_type": "filled",
    "strategy_id": "momentum",
    "symbol": "BTCUSDT",
    "timestamp": "2026-01-02T03:04:05.678Z",
}


def test_an_event_says_what_it_knows_and_nothing_else() -> None:
    event = ExecutionEvent.model_validate(
        {**EVENT, "side": "BUY", "position_side": "LONG", "fill_qty": "0.0010", "fill_price": "45000.1", "pnl": None}
    )
    assert (event.event_type, event.side, event.position_side) == (EventType.FILLED, Side.BUY, PositionSide.LONG)
    assert event.fill_price == Decimal("45000.1")
    document = json.loads(event.to_json())
    assert document["fill_price"] == "45000.1"
    assert document["pnl"] is None
    assert "fee" not in document
    assert document["timestamp"].startswith("2026-01-02T03:04:05.678")
    assert ExecutionEvent.model_validate_json(event.to_json()) == event


@pytest.mark.parametrize(
    "change",
    [{"event_type": "sold"}, {"fill_price": "NaN"}, {"side": "LONG"}, {"colour": "red"}, {"timestamp": "soon"}],
)
def test_an_event_that_breaks_the_contract_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        ExecutionEvent.model_validate({**EVENT, **change})


@pytest.mark.parametrize("missing", EVENT)
def test_an_event_needs_its_identity(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        ExecutionEvent.model_validate({name: value for name, value in EVENT.items() if name != missing})


def test_every_kind_of_event_is_known() -> None:
    assert {kind.value for kind in EventType} == {
        "accepted",
        "rejected",
        "duplicate",
        "held",
        "placed",
        "partial_fill",
        "filled",
        "cancelled",
        "expired",
        "protection_placed",
        "protection_failed",
        "position_opened",
        "position_closed",
        "position_force_closed_no_stops",
    }


def test_an_alert_carries_what_it_is_about() -> None:
    alert = Alert.model_validate(
        {
            "alert_name": "naked_position",
            "severity": "critical",
            "timestamp": 1767323045,
            "symbol": "BTCUSDT",
            "order_id": "te-1",
        }
    )
    assert alert.severity is Severity.CRITICAL
    document = json.loads(alert.to_json())
    assert (document["order_id"], document["symbol"]) == ("te-1", "BTCUSDT")
    assert "message" not in document


@pytest.mark.parametrize("change", [{"alert_name": "two words"}, {"severity": "fatal"}, {"symbol": "btc"}])
def test_an_alert_that_breaks_the_contract_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        Alert.model_validate({"alert_name": "x", "severity": "info", "timestamp": 1767323045, **change})
