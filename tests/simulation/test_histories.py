"""Histories of the whole system: whatever goes wrong, each signal has one outcome and the books add up."""

import pytest

from tests.simulation.campaign import shrunk
from tests.simulation.history import play
from tests.simulation.plan import make_plan

CHUNK = 12
SHORT, LONG = 10, 180


@pytest.mark.slow
@pytest.mark.parametrize("first", [number * CHUNK for number in range(SHORT)])
def test_short_histories(first: int) -> None:
    play_all(range(first, first + CHUNK))


@pytest.mark.long
@pytest.mark.parametrize("first", [number * CHUNK for number in range(SHORT, LONG)])
def test_long_histories(first: int) -> None:
    play_all(range(first, first + CHUNK))


def play_all(seeds: range) -> None:
    for seed in seeds:
        if not play(make_plan(seed)).wrong:
            continue
        failure = shrunk(make_plan(seed))
        faults = "\n".join(map(str, failure.plan.faults))
        pytest.fail(f"seed {seed} with\n{faults}\n{failure.wrong}\n{failure.timeline[-20_000:]}", pytrace=False)
