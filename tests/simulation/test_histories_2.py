"""Histories of the seeds 440 to 559. Apart, so that workers share them."""

import pytest

from tests.simulation.playing import CHUNK, play_all


@pytest.mark.slow
@pytest.mark.parametrize("first", range(440, 560, CHUNK))
def test_histories(first: int) -> None:
    play_all(range(first, first + CHUNK))
