"""Rollouts that go wrong on a real API server: what served before serves on, and the next one is not in the way."""

import pytest

from scripts.kubernetes.manifests import FOLDER
from tests.kubernetes.cluster.release import BRIEF, NAME, Release
from tests.support.nats import wait_for_sync

pytestmark = [pytest.mark.process, pytest.mark.long]

PODS = 3


def test_pods_that_never_get_ready_are_taken_back(release: Release) -> None:
    release.install()
    before = release.image

    done = release.upgrade("image.tag=never-ready", words=["--atomic"], timeout=BRIEF)

    assert done.returncode != 0
    assert "has been rolled back due to atomic being set" in done.stderr
    assert release.serving == [before] * PODS
    assert release.history[-1][1] == "deployed"
    assert (release.image, len(release.pods)) == (before, PODS)


def test_no_pod_that_serves_goes_while_the_next_is_not_ready(release: Release) -> None:
    release.install()
    before, uids = release.image, {pod["metadata"]["uid"] for pod in release.pods}

    done = release.upgrade("image.tag=never-ready", "rollout.progressDeadlineSeconds=5", timeout="8s")

    assert done.returncode != 0
    assert release.serving == [before] * PODS
    assert uids <= {pod["metadata"]["uid"] for pod in release.pods}, "those of before, untouched"
    # Kubernetes says so, too: whoever rolls out without helm sees it by this.
    wait_for_sync(lambda: "ProgressDeadlineExceeded" in str(release.deployment["status"]), what="its deadline")
    assert release.rollout("status", "--timeout=20s").returncode != 0
    assert release.rollout("undo").returncode == 0
    assert release.rollout("status", "--timeout=60s").returncode == 0
    assert release.serving == [before] * PODS


def test_a_schema_job_that_fails_stops_the_upgrade(release: Release) -> None:
    release.install()
    before, generation = release.image, release.deployment["metadata"]["generation"]

    done = release.upgrade("image.tag=schema-fails", "schema.backoffLimit=0", words=["--atomic"])

    assert done.returncode != 0
    assert "pre-upgrade hooks failed" in done.stderr
    assert release.serving == [before] * PODS
    assert {pod["spec"]["containers"][0]["image"] for pod in release.pods} == {before}
    assert release.deployment["spec"]["template"]["spec"]["containers"][0]["image"] == before
    assert release.deployment["metadata"]["generation"] == generation, "nothing was even begun"


def test_an_install_whose_schema_fails_starts_no_engine(release: Release) -> None:
    done = release.upgrade("image.tag=schema-fails", "schema.backoffLimit=0")

    assert done.returncode != 0
    assert release.get("deployments", "--selector", f"app.kubernetes.io/name={NAME}")["items"] == []

    release.install()
    assert len(release.serving) == PODS, "and what failed is in nobody's way"


def test_upgrades_in_a_row_run_the_jobs_again(release: Release) -> None:
    release.install()
    runs = [{job["metadata"]["uid"] for job in release.jobs.values()}]
    for given in (
        "podLabels.turn=one",
        "schema.backoffLimit=5",
        "config.LOG_LEVEL=DEBUG",
        "schema.deadlineSeconds=500",
    ):
        done = release.upgrade(given, words=["--atomic"])
        assert done.returncode == 0, done.stderr
        assert "immutable" not in done.stderr
        runs.append({job["metadata"]["uid"] for job in release.jobs.values()} - set.union(*runs))

    assert [len(fresh) for fresh in runs] == [2] * len(runs), "both, each time"
    assert all(job["status"]["succeeded"] == 1 for job in release.jobs.values())


def test_the_plain_manifests_can_be_applied_twice_and_changed(release: Release) -> None:
    files = [word for file in sorted(FOLDER.glob("*.yaml")) for word in ("--filename", str(file))]
    waited = ("wait", "--for=condition=complete", "job", "--selector", "app.kubernetes.io/component=schema")
    for _ in range(2):
        done = release.kubectl("apply", *files)
        assert done.returncode == 0, done.stderr
        assert release.kubectl(*waited, "--timeout=60s").returncode == 0
    wait_for_sync(lambda: len(release.serving) == PODS, what="its pods")
