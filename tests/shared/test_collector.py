"""The collector looks at less, less often, and what is loaded already is left alone."""

import gc
from collections.abc import Iterator

import pytest

from shared.collector import calm_collector


@pytest.fixture
def restored() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("restored")
def test_what_is_loaded_is_frozen_and_the_rest_looked_at_seldom() -> None:
    before = gc.get_threshold()
    calm_collector()
    assert gc.get_freeze_count() > 1_000
    assert gc.get_threshold()[0] > before[0]
    assert gc.isenabled(), "whatever forms cycles must still go"
