"""What other tools say of the chart: its own tests by helm-unittest, and kube-score."""

import re
import subprocess
from pathlib import Path

import pytest

from scripts.kubernetes.helm import CHART, rendered

pytestmark = [pytest.mark.usefixtures("_helm"), pytest.mark.process]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "kubernetes.md"
OF_TRIALS = {"The container is running with a low user ID", "The container running with a low group ID"}


def explained() -> set[str]:
    """Findings that the page's table gives a reason for."""
    table = PAGE.read_text(encoding="utf-8").partition("## Findings with a reason")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| (?!finding|---)([^|]+?) \|", table, re.MULTILINE))


def critical(kube_score: Path, text: str) -> set[str]:
    command: list[str | Path] = [kube_score, "score", "--output-format", "ci", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=100, check=False)
    assert "[OK]" in done.stdout, done.stderr
    return {
        re.sub(r"^\(\S+\) ", "", line.split(": ", 1)[1]) for line in done.stdout.splitlines() if "[CRITICAL]" in line
    }


@pytest.mark.parametrize("mode", ["paper", "testnet", "production"])
def test_each_mode_has_the_explained_findings_only(kube_score: Path, mode: str) -> None:
    found = critical(kube_score, rendered(CHART / f"values-{mode}.yaml"))

    assert found <= explained() - OF_TRIALS
    assert found, "kube-score finds what the page explains"


def test_a_trial_has_the_explained_findings_only(kube_score: Path) -> None:
    assert critical(kube_score, rendered(given=["trial.enabled=true"])) == explained()


def test_a_careless_pod_is_found(kube_score: Path) -> None:
    text = rendered(CHART / "values-paper.yaml").replace(
        "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"
    )

    assert critical(kube_score, text) - explained()


def test_the_charts_own_tests_pass(helm_unittest: Path) -> None:
    command = [str(helm_unittest), "--strict", "--color=false", str(CHART)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 0, done.stdout
    assert re.search(r"^Tests: +[1-9]\d* passed, ", done.stdout, re.MULTILINE)
