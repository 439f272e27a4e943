"""The collector looks at less, less often, and what is loaded already is left alone."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from shared.collector import calm_collector, collect_after_loss


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


class _Ring:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def _lost_ring() -> "weakref.ref[_Ring]":
    return weakref.ref(_Ring())


@pytest.mark.usefixtures("restored")
def test_what_was_lost_goes_at_once_where_the_collector_is_calm() -> None:
    calm_collector()
    lost = _lost_ring()
    assert lost() is not None, "nothing but the collector frees it"
    collect_after_loss()
    assert lost() is None


@pytest.mark.usefixtures("restored")
def test_a_collector_that_was_not_calmed_is_left_alone() -> None:
    gc.set_threshold(100_000, 10, 10)
    lost = _lost_ring()
    collect_after_loss()
    assert lost() is not None
