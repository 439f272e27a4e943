"""Programs for the tests of the chart: those in the user's cache, or built where somebody asked for that."""

import os
from pathlib import Path

import pytest

from scripts.kubernetes.go_programs import HELM, HELM_UNITTEST, KUBE_SCORE, GoProgram


def _had(program: GoProgram) -> Path:
    """Minutes of building are for ``make test-kubernetes``, which says so by KUBERNETES_TESTS=all."""
    if not program.is_built and os.environ.get("KUBERNETES_TESTS") != "all":
        pytest.skip(f"{program.name} was not built here yet: make test-kubernetes builds it, and runs this too")
    return program.built()


@pytest.fixture(scope="session")
def _helm() -> None:
    _had(HELM)


@pytest.fixture(scope="session")
def helm_unittest() -> Path:
    return _had(HELM_UNITTEST)


@pytest.fixture(scope="session")
def kube_score() -> Path:
    return _had(KUBE_SCORE)
