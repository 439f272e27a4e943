"""Seeds 150 to 199, played in two processes; see :mod:`tests.simulation.twice`. Apart, so that workers share them."""

import pytest

from tests.simulation.twice import compare


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("first", range(150, 200, 25))
def test_seeds_twice(first: int) -> None:
    compare(first, first + 25)
