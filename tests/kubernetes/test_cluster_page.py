"""The commands of docs/kubernetes.md, as they stand there, on a real API server."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from scripts.kubernetes.manifests import FILL_IN, FOLDER
from scripts.kubernetes.setting_names import names
from tests.kubernetes.cluster.cluster import Cluster, Done
from tests.kubernetes.cluster.release import KEYS, NAME, Release

pytestmark = [pytest.mark.process, pytest.mark.long]

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
MOST_STEPS: Final = 4


def commands(title: str) -> str:
    """First block of commands under a title of the page."""
    found = re.search(rf"^## {title}$.*?^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def run(cluster: Cluster, folder: Path, script: str) -> Done:
    """Run commands as somebody in a checkout does."""
    for part in ("helm", "k8s"):
        (folder / part).symlink_to(ROOT / part)
    command = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(
        command, cwd=folder, env=cluster.env, capture_output=True, text=True, timeout=200, check=False
    )


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The namespace of the page, gone again after the test."""
    yield "tradeengine"
    assert cluster.kubectl("delete", "namespace", "tradeengine", "--timeout=60s").returncode == 0


def test_an_install_with_helm_is_four_commands(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    script = commands("With Helm")
    (tmp_path / "secrets.env").write_text("".join(f"{key}={key}-of-the-tests\n" for key in KEYS), encoding="utf-8")

    done = run(cluster, tmp_path, script)

    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^(?:kubectl|helm) ", script, re.MULTILINE)) == MOST_STEPS
    assert cluster.get("deployment", NAME, "--namespace", namespace)["status"]["readyReplicas"] == 3


def test_an_install_with_kubectl(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    assert cluster.kubectl("create", "namespace", namespace).returncode == 0
    # What somebody fills in: the settings that the manifests name.
    filled = (FOLDER / FILL_IN).read_text(encoding="utf-8")
    for key in KEYS:
        assert key in names().secret
        filled = filled.replace(f'  {key}: ""', f'  {key}: "{key}-of-the-tests"')
    script = commands("With kubectl").replace(f"cp k8s/{FILL_IN} secret.yaml", "true", 1)
    (tmp_path / "secret.yaml").write_text(filled, encoding="utf-8")

    done = run(cluster, tmp_path, script)

    assert done.returncode == 0, done.stderr
    assert cluster.get("deployment", NAME, "--namespace", namespace)["status"]["readyReplicas"] == 3


def test_a_trial_needs_nothing_before_it(new_release: Callable[..., Release]) -> None:
    bare = new_release({})

    bare.install("trial.enabled=true")

    assert len(bare.serving) == 3
    servers = {pod["metadata"]["name"] for pod in bare.get("pods")["items"]} - {
        p["metadata"]["name"] for p in bare.pods
    }
    assert servers == {f"{NAME}-{server}-0" for server in ("mongodb", "mysql", "nats")}
