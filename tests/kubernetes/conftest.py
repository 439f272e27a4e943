"""Programs for the tests of the chart: those in the user's cache, or built where somebody asked for that."""

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest

from scripts.devservices.folders import throw_away_folder
from scripts.kubernetes.go_programs import HELM, HELM_UNITTEST, KUBE_SCORE, GoProgram
from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.cluster.operators import DEFINITIONS
from tests.kubernetes.cluster.program import build, program_file
from tests.kubernetes.cluster.release import KEYS, Release


def had(program: GoProgram) -> Path:
    """Minutes of building are for ``make test-kubernetes``, which says so by KUBERNETES_TESTS=all."""
    _need(program.file)
    return program.built()


def _need(*files: Path) -> None:
    if os.environ.get("KUBERNETES_TESTS") == "all":
        return
    if missing := [file.name for file in files if not file.is_file()]:
        pytest.skip(f"not built here yet: {', '.join(missing)}; make test-kubernetes builds it, and runs this too")


@pytest.fixture(scope="session")
def _helm() -> None:
    had(HELM)


@pytest.fixture(scope="session")
def helm_unittest() -> Path:
    return had(HELM_UNITTEST)


@pytest.fixture(scope="session")
def kube_score() -> Path:
    return had(KUBE_SCORE)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster with the kinds of the operators that the chart knows; each test has a namespace of its own in it."""
    _need(HELM.file, program_file(), *(definition.file for definition in DEFINITIONS))
    build()
    with throw_away_folder() as folder, Cluster(folder / "cluster") as running:
        for definition in DEFINITIONS:
            definition.fetch()
            done = running.kubectl("apply", "--server-side", "--filename", definition.file)
            assert done.returncode == 0, done.stderr
        done = running.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        assert done.returncode == 0, done.stderr
        yield running


@pytest.fixture(scope="session")
def new_release(cluster: Cluster) -> Callable[..., Release]:
    """Make a namespace with a Secret, for one test; nothing is installed in it yet."""
    numbers = count(1)

    def make(secret: Mapping[str, str] | None = None) -> Release:
        given = {key: f"{key}-of-the-tests" for key in KEYS} if secret is None else secret
        return Release(cluster, f"engine-{next(numbers)}", given)

    return make


@pytest.fixture
def release(new_release: Callable[..., Release]) -> Release:
    """A namespace with all that a release needs."""
    return new_release()
