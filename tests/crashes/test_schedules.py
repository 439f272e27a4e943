"""Any interleaving of crashes, losses and standstills between journal, MongoDB, MySQL and exchange ends in equality."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.crashes.fates import FROZEN, AnyFate, Schedule
from tests.crashes.script import SCRIPT
from tests.crashes.stage import Stage, staged
from tests.projection.mongodb_stage import Fate

_FATES: list[AnyFate] = [Fate.KILLED, Fate.KILLED_AFTER, Fate.LOST, Fate.UNANSWERED, FROZEN]
_blows = st.lists(st.tuples(st.integers(0, 300), st.sampled_from(_FATES)), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as made:
        yield made


# A failure is made smaller before it is told, and each step of that is a play.
@pytest.mark.timeout(1_200)
@settings(max_examples=max(2, settings().max_examples // 25), deadline=None, suppress_health_check=list(HealthCheck))
@given(blows=_blows)
def test_any_schedule_ends_in_equality(stage: Stage, blows: list[tuple[int, AnyFate]]) -> None:
    stage.play(SCRIPT, Schedule(blows))
