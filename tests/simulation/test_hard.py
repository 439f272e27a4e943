"""Histories with the faults of five: several pods die and freeze while others take over from them."""

import pytest

from tests.simulation.history import play
from tests.simulation.plan import harder, make_plan

SEEDS = (129, *range(7))
"""129: under a former generator several kills in a row left a position without its stop for longer than is allowed."""


@pytest.mark.parametrize("seed", SEEDS)
def test_hard_histories(seed: int) -> None:
    plan = harder(make_plan(seed))
    outcome = play(plan)
    assert outcome.wrong == [], f"seed {seed} with\n" + "\n".join(map(str, plan.faults))
