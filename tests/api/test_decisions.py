"""Decisions for requests, and what is logged of those that are not made."""

import pytest
from structlog.testing import capture_logs

from shared.clock import SystemClock
from shared.errors import Fenced
from tests.api.parts import MemoryDesk
from tests.support.engines import make_signal
from tradeengine.api.decisions import DecisionDesk
from tradeengine.api.problems import ProblemError
from tradeengine.runtime.firsts import FirstDecisions


async def test_a_shard_that_decides_nothing_is_logged_once_until_it_decides_again() -> None:
    desk = MemoryDesk()
    requests = DecisionDesk(desk, FirstDecisions(SystemClock()), timeout_s=60)
    with capture_logs() as logs:
        for _ in range(2):
            desk.error = Fenced("shard 3 belongs to another")
            for _ in range(3):
                with pytest.raises(ProblemError):
                    await requests.decide(make_signal())
            desk.error = None
            await requests.decide(make_signal())
    assert [one["error"] for one in logs] == ["shard 3 belongs to another"] * 2
