"""Fixtures of the suite that every store of the read model passes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.projection.targets import TARGETS, Model, Place, prepared


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    """Name of a store; a test that asks for it, or for what builds on it, is run once for each."""
    return str(request.param)


@pytest.fixture
async def place(target: str, tmp_path: Path) -> AsyncIterator[Place]:
    """Empty tables in the store."""
    async with prepared(target, tmp_path) as made:
        yield made


@pytest.fixture
async def model(place: Place) -> AsyncIterator[Model]:
    """Open read model on empty tables."""
    made = place.model()
    await made.open()
    yield made
    await made.close()
