"""The simulated tables keep what every store of the read model promises."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.projection.targets import Model, Place
from tests.projection.test_contract import *  # noqa: F403 - the suite of the real ones
from tests.projection.test_examples import *  # noqa: F403
from tests.simulation.standing import SimPlace

# The fake has no process of its own that could be killed between two writes.
del test_kill_9_between_two_writes_leaves_no_half_record  # noqa: F821


@pytest.fixture
def target() -> str:
    return SimPlace.target


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    return SimPlace(tmp_path)


@pytest.fixture
async def model(place: Place) -> AsyncIterator[Model]:
    made = place.model()
    await made.open()
    yield made
    await made.close()
