"""The simulator's page names everything that can be set."""

from pathlib import Path

import pytest

from tradeengine.simulator.faults import Effect
from tradeengine.simulator.server import SimulatorServer
from tradeengine.simulator.server_options import ServerOptions
from tradeengine.simulator.setup import HeldPosition, Setup

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")
FIELDS = {
    field.alias or name
    for model in (Setup, HeldPosition, ServerOptions, Effect)
    for name, field in model.model_fields.items()
}


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE or f'"{name}"' in PAGE


@pytest.mark.parametrize(
    "path", ["reset", "mark", "fill", "funding", "adl", "settle", "clock", "faults", "requests", "state"]
)
def test_every_control_path_is_named(path: str) -> None:
    assert f"/sim/{path}" in PAGE


def test_the_example_runs() -> None:
    assert "SimulatorServer(virtual_time=True, seed=1)" in PAGE
    assert SimulatorServer(virtual_time=True, seed=1).url.startswith("http://127.0.0.1:")
