"""The exported JSON Schemas are those of the models, and say what the models do."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest

from contracts.alert import Alert
from contracts.decision import Decision
from contracts.execution_event import ExecutionEvent
from contracts.export import main, schemas

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def test_the_exported_schemas_are_up_to_date() -> None:
    exported = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.iterdir()}

    assert exported == schemas(), "run: python -m contracts.export docs/schemas"


def test_the_export_is_a_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "contracts.export", str(tmp_path / "out")]
    subprocess.run(command, cwd=FOLDER.parents[1], check=True)

    assert {file.name for file in (tmp_path / "out").iterdir()} == schemas().keys()
    assert main([]) == 2


@pytest.mark.parametrize(
    ("fields", "valid"),
    [
        ({}, True),
        ({"timestamp": 1_735_689_600}, True),
        ({"timestamp": "1735689600000"}, True),
        ({"timestamp": "2024-02-29T12:00:00+05:30"}, True),
        ({"timestamp": "2025-02-29T12:00:00Z"}, False),
        ({"timestamp": "soon"}, False),
        ({"price": "1E-7"}, True),
        ({"price": 0}, False),
        ({"price": "0.0"}, False),
        ({"strength": None}, True),
        ({"colour": "red"}, True),
        ({"symbol": "btc"}, False),
        ({"confidence": 1.1}, False),
        *[({"trailing_pct": step / 1000}, True) for step in range(1, 101)],
        *[({"trailing_pct": f"{step / 1000}"}, True) for step in range(1, 101)],
        ({"trailing_pct": 0.0005}, False),
        ({"trailing_pct": 0.0155}, False),
        ({"trailing_pct": "0.101"}, False),
        ({"trailing_pct": 0.02, "stop_loss": None}, True),
        ({"trailing_pct": None, "stop_loss": 5, "break_even_at_pct": 0.1}, True),
        ({"trailing_pct": 0.02, "stop_loss": 5}, False),
        ({"trailing_pct": 0.02, "stop_loss_pct": "0.1"}, False),
        ({"trailing_pct": 0.02, "break_even_at_pct": 0.1}, False),
    ],
)
def test_a_publisher_can_check_signals_with_the_schema(fields: dict[str, object], valid: bool) -> None:
    validator = jsonschema_rs.validator_for(json.loads((FOLDER / "signal.json").read_text(encoding="utf-8")))
    base = {"strategy_id": "a", "symbol": "BTCUSDT", "action": "buy", "confidence": "0.9", "timestamp": "2025-01-01"}

    assert validator.is_valid({**base, **fields}) is valid


def test_written_shapes_keep_their_schemas() -> None:
    event = ExecutionEvent.model_validate(
        {
            "event_id": "e1",
            "event_type": "filled",
            "strategy_id": "a",
            "symbol": "BTCUSDT",
            "timestamp": "2025-01-01T00:00:00Z",
            "fill_price": "45000.10",
            "fee": None,
        }
    )
    alert = Alert.model_validate(
        {"alert_name": "naked", "severity": "critical", "timestamp": "2025-01-01", "position": "BTCUSDT_LONG"}
    )
    for name, data in (("execution_event", event.to_json()), ("alert", alert.to_json())):
        schema = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        assert jsonschema_rs.validator_for(schema).is_valid(json.loads(data))

    assert json.loads(event.to_json()) == {
        "event_id": "e1",
        "event_type": "filled",
        "strategy_id": "a",
        "symbol": "BTCUSDT",
        "timestamp": "2025-01-01T00:00:00Z",
        "fill_price": "45000.10",
        "fee": None,
    }
    assert json.loads(alert.to_json())["position"] == "BTCUSDT_LONG"


def test_a_decision_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="mood"):
        Decision.model_validate({"mood": "good"})
