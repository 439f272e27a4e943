"""The simulated tables answer questions as every store of the read model does."""

from pathlib import Path

import pytest

from tests.projection.targets import Place
from tests.projection.test_query import *  # noqa: F403 - the suite of the real ones
from tests.simulation.standing import SimPlace


@pytest.fixture
def target() -> str:
    return SimPlace.target


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    return SimPlace(tmp_path)
