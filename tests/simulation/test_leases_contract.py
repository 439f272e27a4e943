"""The simulated lease store keeps what every lease store promises."""

from collections.abc import AsyncIterator

import pytest

from shared.leases.base import LeaseStore
from tests.shared.leases.test_contract import *  # noqa: F403 - the suite of the real ones
from tests.simulation.road import Server
from tests.simulation.standing import road_to
from tests.simulation.truth import SimLeases, Truth
from tests.support.deadline import PATIENCE_S


@pytest.fixture  # type: ignore[no-redef] # instead of the suite's own
async def store() -> AsyncIterator[LeaseStore]:
    made = SimLeases(road_to(Server("mongodb")), Truth(), PATIENCE_S)
    await made.open()
    yield made
    await made.close()
