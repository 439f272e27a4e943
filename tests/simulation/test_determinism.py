"""The same seed is the same history, byte for byte, in fresh processes and whatever strings are hashed with."""

import pytest

from tests.simulation.twice import compare, timelines


@pytest.mark.process
def test_a_seed_does_not_depend_on_those_before_it() -> None:
    (alone,) = timelines(5, 6, "7")
    assert timelines(3, 6, "7")[-1] == alone


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 50, 25))
def test_seeds_twice(first: int) -> None:
    compare(first, first + 25)
