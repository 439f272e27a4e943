"""scripts/deploy.sh: its words, and all that it does, on a real API server with the release's real stores."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.kubernetes.helm import CHART
from tests.kubernetes.cluster.cluster import Done
from tests.kubernetes.cluster.release import KEYS, NAME, Release
from tests.support.nats import nats_server
from tests.support.process import clean_env

__all__ = ["nats_server"]

pytestmark = pytest.mark.process

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "deploy.sh"
DONE, FAILED, WRONG = 0, 1, 2
PODS = 3


def deploy(*words: str, given: str = "", **env: str) -> Done:
    return subprocess.run(
        [SCRIPT, *words], env=clean_env() | env, input=given, capture_output=True, text=True, timeout=200, check=False
    )


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--env paper",
        "--action deploy",
        "--env staging --action deploy",
        "--env paper --action destroy",
        "--env paper --action",
        "--env paper --action status --force",
        "paper deploy",
    ],
)
def test_unknown_words_are_wrong_usage(words: str) -> None:
    done = deploy(*words.split())

    assert done.returncode == WRONG
    assert "usage:" in done.stderr


@pytest.mark.parametrize("action", ["deploy", "restart", "stop", "rollback"])
@pytest.mark.parametrize("answer", ["", "\n", "no\n", "confirm\n", "CONFIRM it\n", "yes\n"])
def test_whatever_is_not_the_word_cancels_production(action: str, answer: str) -> None:
    # Without kubectl and helm on the PATH it would say so, if it went on.
    done = deploy("--env", "production", "--action", action, given=answer, PATH="/usr/bin:/bin", KUBECONFIG="/dev/null")

    assert (done.returncode, done.stdout) == (DONE, "")
    assert "cancelled; nothing was changed" in done.stderr


# ---------------------------------------------------------------- on a cluster


class Operator:
    """Whoever runs the script for one namespace.

    Parameters
    ----------
    release
        The namespace, with the addresses of real stores in its Secret.
    values
        File of values beside those of the environment.
    """

    def __init__(self, release: Release, values: Path) -> None:
        self.release = release
        self._env = release.cluster.env | {"DEPLOY_NAMESPACE": release.namespace, "DEPLOY_VALUES": str(values)}
        self._env |= {"DEPLOY_TIMEOUT": "60s"}

    def __call__(self, action: str, *words: str, environment: str = "paper", given: str = "", **env: str) -> Done:
        return deploy("--env", environment, "--action", action, *words, given=given, **self._env | env)


@pytest.fixture
def operator(
    tmp_path: Path,
    new_release: Callable[..., Release],
    mongodb_uri: str,
    mongodb_database: str,
    mysql_uri: str,
    nats_server: Any,
) -> Operator:
    secret = {key: f"{key}-of-the-tests" for key in KEYS} | {"MONGODB_URI": mongodb_uri, "MYSQL_URI": mysql_uri}
    values = {
        "config": {"MONGODB_DATABASE": mongodb_database, "NATS_URL": nats_server.url},
        "rollout": {"minReadySeconds": 0},
        # Its operator would set the pods of a release that is stopped to the least number again.
        "autoscaling": {"enabled": True, "keda": {"enabled": True}},
    }
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return Operator(new_release(secret), file)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_release_is_looked_after_by_the_script(operator: Operator) -> None:
    release = operator.release
    assert operator("status").returncode == FAILED, "there is none yet"

    refused = operator("deploy")
    assert (refused.returncode, release.get("all")["items"]) == (FAILED, []), refused.stderr
    assert "the schema of mongodb is not complete" in refused.stderr
    assert operator("deploy", "--dry-run", "--apply-schema").returncode == FAILED, "a dry run applies nothing"

    done = operator("deploy", "--apply-schema")
    assert done.returncode == DONE, done.stderr
    assert len(release.serving) == PODS
    first = release.image
    status = operator("status")
    assert (status.returncode, status.stdout.count("Running")) == (DONE, PODS), status.stderr

    tried = operator("deploy", "--dry-run", DEPLOY_IMAGE="next")
    assert tried.returncode == DONE, tried.stderr
    assert f"deployment.apps/{NAME} serverside-applied (server dry run)" in tried.stdout
    assert (release.image, release.history) == (first, [(1, "deployed")])

    assert operator("deploy", DEPLOY_IMAGE="next").returncode == DONE
    failed = operator("deploy", DEPLOY_IMAGE="never-ready", DEPLOY_TIMEOUT="15s")
    assert failed.returncode == FAILED
    assert "was undone" in failed.stderr
    assert release.serving == ["tradeengine:next"] * PODS

    # Helm alone would go back to the one that failed.
    assert operator("rollback", "--dry-run").returncode == DONE
    assert release.image == "tradeengine:next"
    back = operator("rollback")
    assert back.returncode == DONE, back.stderr
    assert release.serving == [first] * PODS

    pods = {pod["metadata"]["uid"] for pod in release.pods}
    assert operator("restart", "--dry-run").returncode == DONE
    assert {pod["metadata"]["uid"] for pod in release.pods} == pods
    restarted = operator("restart")
    assert restarted.returncode == DONE, restarted.stderr
    assert not {pod["metadata"]["uid"] for pod in release.pods} & pods

    assert operator("stop", "--dry-run").returncode == DONE
    assert len(release.serving) == PODS
    assert operator("stop").returncode == DONE
    assert (release.pods, paused(release)) == ([], "0")
    assert (operator("status").returncode, operator("restart").returncode) == (FAILED, FAILED)
    assert operator("deploy").returncode == DONE
    assert (len(release.serving), paused(release)) == (PODS, None)


def paused(release: Release) -> str | None:
    """Number of pods that KEDA is told to leave."""
    metadata = release.get("scaledobject", NAME)["metadata"]
    found: str | None = metadata.get("annotations", {}).get("autoscaling.keda.sh/paused-replicas")
    return found


@pytest.mark.long
def test_the_doctor_is_asked_with_what_the_pods_get(operator: Operator) -> None:
    release = operator.release
    assert operator("deploy", "--apply-schema").returncode == DONE
    generation = release.deployment["metadata"]["generation"]
    patch = '{"stringData": {"MYSQL_URI": "mysql://nobody-we-know:open-sesame@127.0.0.1:9/t"}}'
    assert release.kubectl("patch", "secret", NAME, "--patch", patch).returncode == 0

    for action in ("deploy", "restart"):
        done = operator(action)
        assert done.returncode == FAILED
        assert "refused" in done.stderr
        assert "open-sesame" not in done.stdout + done.stderr
    assert release.deployment["metadata"]["generation"] == generation
    # What undoes and stops is for the time when nothing else works.
    assert operator("stop").returncode == DONE


@pytest.mark.long
def test_production_goes_on_with_the_word(operator: Operator) -> None:
    done = operator("stop", environment="production", given="CONFIRM\n")
    assert done.returncode == FAILED
    assert "no release tradeengine" in done.stderr

    keys = yaml.safe_load((CHART / "values-production.yaml").read_text(encoding="utf-8"))["secrets"]["keys"]
    assert "BINANCE_API_SECRET" in keys
    taken = '{"data": {"BINANCE_API_SECRET": null}}'
    assert operator.release.kubectl("patch", "secret", NAME, "--patch", taken).returncode == 0
    done = operator("deploy", environment="production", given="CONFIRM\n", DEPLOY_VALUES="")
    assert done.returncode == FAILED
    assert "gives no BINANCE_API_SECRET" in done.stderr
    assert operator.release.get("all")["items"] == []
