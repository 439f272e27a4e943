"""Histories of the seeds 560 to 679. Apart, so that workers share them."""

import pytest

from tests.simulation.playing import CHUNK, play_all


@pytest.mark.slow
@pytest.mark.parametrize("first", range(560, 680, CHUNK))
def test_histories(first: int) -> None:
    play_all(range(first, first + CHUNK))
