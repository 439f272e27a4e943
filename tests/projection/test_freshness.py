"""How far a read model lies behind, also as other threads ask while shards come and go."""

import sys
from collections.abc import Iterator
from threading import Thread

import pytest

from shared.clock import SystemClock
from tradeengine.projection.freshness import Freshness

_SHARDS = 400
_TURNS = 300


@pytest.fixture
def switching() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switching")
def test_it_is_asked_from_another_thread_while_shards_come_and_go() -> None:
    freshness = Freshness(SystemClock())
    errors: list[Exception] = []
    coming_and_going = True

    def ask() -> None:
        while coming_and_going:
            try:
                _ = (freshness.records_behind, freshness.age_seconds, freshness.heads())
            except RuntimeError as error:
                errors.append(error)
                return

    asking = Thread(target=ask)
    asking.start()
    for _ in range(_TURNS):
        for shard in range(_SHARDS):
            freshness.found(shard, 7)
        for shard in range(_SHARDS):
            freshness.forget(shard)
    coming_and_going = False
    asking.join()
    assert errors == []
