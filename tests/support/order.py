"""The order in which files of tests begin: while workers wait for servers and clocks, others have the processors."""

from collections.abc import Sequence
from pathlib import Path

import pytest


def interleaved(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Put files that wait between files that compute, evenly, and of each kind the slow ones first.

    A file waits if a test of it has the marker ``process``, and is slow if one has the marker ``slow``. Files stay
    together, and their tests in order; files that are alike keep theirs.

    Parameters
    ----------
    items
        Tests as they were collected.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    slow_first = sorted(files.values(), key=lambda tests: not _any(tests, "slow"))
    waiting = [tests for tests in slow_first if _any(tests, "process")]
    computing = [tests for tests in slow_first if not _any(tests, "process")]
    places = [(rank / len(kind), tests) for kind in (waiting, computing) for rank, tests in enumerate(kind)]
    return [item for _, tests in sorted(places, key=lambda place: place[0]) for item in tests]


def _any(tests: Sequence[pytest.Item], marker: str) -> bool:
    return any(test.get_closest_marker(marker) for test in tests)
