"""Histories of the whole system as tests: whatever goes wrong, each signal has one outcome and the books add up."""

from collections.abc import Iterable

import pytest

from tests.simulation.campaign import shrunk
from tests.simulation.history import play
from tests.simulation.plan import make_plan

CHUNK = 20


def play_all(seeds: Iterable[int]) -> None:
    """Play histories; the first that fails fails the test, with as few faults as make it fail."""
    for seed in seeds:
        if not play(make_plan(seed)).wrong:
            continue
        failure = shrunk(make_plan(seed))
        faults = "\n".join(map(str, failure.plan.faults))
        pytest.fail(f"seed {seed} with\n{faults}\n{failure.wrong}\n{failure.timeline[-20_000:]}", pytrace=False)
