"""Servers in the test's own loop, and clients of theirs."""

from collections.abc import AsyncIterator

import pytest

from tests.simulator.server.raw import Raw
from tradeengine.simulator.server import SimulatorServer


@pytest.fixture
async def server() -> AsyncIterator[SimulatorServer]:
    """A simulator whose time stands still."""
    async with SimulatorServer(virtual_time=True, seed=7) as running:
        yield running


@pytest.fixture
async def raw(server: SimulatorServer) -> AsyncIterator[Raw]:
    """A client of ``server``."""
    async with Raw(server) as client:
        yield client


@pytest.fixture
async def real_server() -> AsyncIterator[SimulatorServer]:
    """A simulator that goes by the machine's clock."""
    async with SimulatorServer(seed=7) as running:
        yield running
