"""Shrinking finds the faults that matter, and leaves everything else of the plan as it is."""

from dataclasses import replace
from random import Random

import pytest

from tests.simulation.fault import Fault
from tests.simulation.plan import Plan, make_plan
from tests.simulation.shrink import shrink


@pytest.mark.parametrize("seed", range(30))
def test_only_what_matters_is_left(seed: int) -> None:
    random = Random(seed)
    faults = tuple(Fault(float(number), "kill") for number in range(random.randint(1, 12)))
    culprits = set(random.sample(faults, random.randint(1, min(3, len(faults)))))
    plan = make_plan(seed, faults)

    def fails(fewer: Plan) -> bool:
        assert replace(fewer, faults=faults) == plan
        return culprits <= set(fewer.faults)

    assert set(shrink(plan, fails).faults) == culprits


def test_a_failure_without_faults_needs_none() -> None:
    plan = make_plan(1, tuple(Fault(float(number), "kill") for number in range(5)))
    assert shrink(plan, lambda _: True).faults == ()
