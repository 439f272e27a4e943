"""Histories of the seeds 200 to 319; those before are played by the tests of determinism."""

import pytest

from tests.simulation.playing import CHUNK, play_all


@pytest.mark.slow
@pytest.mark.parametrize("first", range(200, 320, CHUNK))
def test_histories(first: int) -> None:
    play_all(range(first, first + CHUNK))


@pytest.mark.long
@pytest.mark.parametrize("first", range(680, 2_680, CHUNK))
def test_long_histories(first: int) -> None:
    play_all(range(first, first + CHUNK))
