"""The life of a release on a real API server: installed, changed, undone, scaled, drained, and gone without a trace."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.kubernetes.cluster.cluster import Cluster, Document
from tests.kubernetes.cluster.release import NAME, Release, is_ready
from tests.kubernetes.objects import of_kind
from tests.support.nats import wait_for_sync

pytestmark = [pytest.mark.process, pytest.mark.slow]

PODS: Final = 3
VERSION: Final = "image.tag=next"
NEIGHBOURS: Final = ("configmap", "secret", "service", "deployment", "serviceaccount", "poddisruptionbudget", "job")


@pytest.fixture
def neighbours(cluster: Cluster, release: Release) -> Callable[[], list[tuple[str, ...]]]:
    """Objects of others, in the release's namespace and in another; says how they are."""
    made = [neighbour(kind, release.namespace) for kind in ("ConfigMap", "Secret")]
    elsewhere = f"other-{release.namespace}"
    made += [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": elsewhere}}]
    # With the names and labels of the release, as one of its own would have there.
    made += [neighbour("ConfigMap", elsewhere, NAME), neighbour("Service", elsewhere, NAME)]
    done = cluster.apply(made)
    assert done.returncode == 0, done.stderr

    def seen() -> list[tuple[str, ...]]:
        listed = cluster.get(",".join(NEIGHBOURS), "--all-namespaces")["items"]
        others = [each for each in listed if "others" in each["metadata"].get("labels", {})]
        places = cluster.get("nodes,namespaces")["items"]
        # A change of any kind is another version of an object; nodes get one at each sign of life.
        versions = [(each["kind"], *text(each, "namespace", "name", "uid", "resourceVersion")) for each in others]
        return sorted(versions + [(each["kind"], *text(each, "name", "uid")) for each in places])

    return seen


def text(document: Document, *fields: str) -> tuple[str, ...]:
    """Fields of an object's metadata."""
    return tuple(document["metadata"][field] for field in fields)


def neighbour(kind: str, namespace: str, name: str = "neighbour") -> Document:
    labels = {"others": "yes", "app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": NAME}
    spec = {"spec": {"ports": [{"port": 80}], "selector": {"app": "other"}}} if kind == "Service" else {}
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        **spec,
    }


def test_a_release_lives_and_leaves_nothing_behind(release: Release, neighbours: Callable[[], object]) -> None:
    before = neighbours()
    names = _install(release)
    _change_and_undo(release)
    _upgrade_and_roll_back(release, names)
    _scale(release)
    _make_room(release)
    assert neighbours() == before

    assert release.helm("uninstall", NAME, "--wait", "--timeout", "60s").returncode == 0
    left = release.get("all,configmap,networkpolicy,poddisruptionbudget,persistentvolumeclaim")["items"]
    ours = [each for each in left if each["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") == "Helm"]
    # Jobs are hooks: helm keeps what they said, and Kubernetes removes them in time.
    assert {each["kind"] for each in ours} <= {"Job", "Pod"}
    assert {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in ours} <= {"schema"}
    assert all(job["spec"]["ttlSecondsAfterFinished"] for job in of_kind(ours, "Job"))
    assert neighbours() == before


def _install(release: Release) -> set[str]:
    release.install()

    assert release.rollout("status", "--timeout=30s").returncode == 0
    assert len(release.serving) == PODS
    assert len({pod["spec"]["nodeName"] for pod in release.pods}) == PODS, "no two of them on a node"
    assert all(job["status"]["succeeded"] == 1 for job in release.jobs.values())
    pods = {pod["metadata"]["creationTimestamp"] for pod in release.pods}
    assert all(job["status"]["completionTime"] <= min(pods) for job in release.jobs.values()), "the schema first"
    assert len(release.jobs) == 2
    return set(release.jobs)


def _change_and_undo(release: Release) -> None:
    first = release.image
    done = release.kubectl("set", "image", f"deployment/{NAME}", "engine=tradeengine:patched")
    assert done.returncode == 0, done.stderr
    assert release.rollout("status", "--timeout=60s").returncode == 0
    assert release.serving == ["tradeengine:patched"] * PODS

    assert release.rollout("undo").returncode == 0
    assert release.rollout("status", "--timeout=60s").returncode == 0
    assert release.serving == [first] * PODS


def _upgrade_and_roll_back(release: Release, names: set[str]) -> None:
    first = release.image
    done = release.upgrade(VERSION, words=["--atomic"])
    assert done.returncode == 0, done.stderr
    assert release.serving == ["tradeengine:next"] * PODS
    assert len(set(release.jobs) - names) == 2, "other Jobs for another version"

    done = release.helm("rollback", NAME, "1", "--wait", "--timeout", "60s")
    assert done.returncode == 0, done.stderr
    assert release.serving == [first] * PODS
    assert [status for _, status in release.history] == ["superseded", "superseded", "deployed"]


def _scale(release: Release) -> None:
    for replicas in (PODS + 1, PODS):
        assert release.kubectl("scale", f"deployment/{NAME}", f"--replicas={replicas}").returncode == 0
        wait_for_sync(lambda wanted=replicas: len(release.serving) == wanted, what=f"{replicas} pods")  # type: ignore[misc]
    wait_for_sync(lambda: len(release.pods) == PODS, what="the fourth is gone")


def _make_room(release: Release) -> None:
    """Evictions of one pod at a time, and a node that is emptied."""
    budget = release.get("poddisruptionbudget", NAME)
    wait_for_sync(
        lambda: release.get("poddisruptionbudget", NAME)["status"].get("disruptionsAllowed") == 1, what="the budget"
    )
    assert budget["spec"]["maxUnavailable"] == 1

    # No pod takes the place of one that went, so that the budget is seen to be used up.
    nodes = release.cluster.get("nodes")["items"]
    names = [node["metadata"]["name"] for node in nodes]
    assert release.cluster.kubectl("cordon", *names).returncode == 0
    one, two, *_ = (pod["metadata"]["name"] for pod in release.pods)
    assert evict(release, one).returncode == 0
    wait_for_sync(lambda: sum(is_ready(pod) for pod in release.pods) == PODS - 1, what="one pod less")
    refused = evict(release, two)
    assert "disruption budget" in refused.stderr
    assert release.cluster.kubectl("uncordon", *names).returncode == 0
    wait_for_sync(lambda: len(release.serving) == PODS, what="all pods again")

    node = release.pods[0]["spec"]["nodeName"]
    drained = release.cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
    assert drained.returncode == 0, drained.stderr
    wait_for_sync(lambda: len(release.serving) == PODS, what="all pods on other nodes")
    assert node not in {pod["spec"]["nodeName"] for pod in release.pods}
    assert release.cluster.kubectl("uncordon", node).returncode == 0


def evict(release: Release, pod: str) -> Any:
    """Ask for an eviction, as whoever empties a node does."""
    path = f"/api/v1/namespaces/{release.namespace}/pods/{pod}/eviction"
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": release.namespace},
    }
    return release.kubectl("create", "--raw", path, "--filename", "-", given=json.dumps(body))
