"""The simulated journal keeps what every journal promises."""

import pytest

from tests.journal.test_contract import *  # noqa: F403 - the suite of the real ones
from tests.simulation.road import Server
from tests.simulation.standing import road_to
from tests.simulation.truth import SimJournal, Truth
from tests.support.stores import MakeJournal
from tradeengine.journal.base import Journal


@pytest.fixture  # type: ignore[no-redef] # instead of the suite's own
async def make_journal() -> MakeJournal:
    async def make() -> Journal:
        journal = SimJournal(road_to(Server("mongodb")), Truth())
        await journal.open()
        return journal

    return make
