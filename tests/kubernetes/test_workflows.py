"""The workflow files: taken by actionlint, and what they run is there."""

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

from scripts.kubernetes.go_programs import GoProgram
from tests.kubernetes.conftest import had

pytestmark = pytest.mark.process

ROOT: Final = Path(__file__).resolve().parents[2]
FILES: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT: Final = GoProgram("github.com/rhysd/actionlint", "1.7.7", "cmd/actionlint")


def actionlint(*files: Path) -> "subprocess.CompletedProcess[str]":
    command: list[str | Path] = [
        had(ACTIONLINT),
        "-no-color",
        "-config-file",
        ROOT / ".github" / "actionlint.yaml",
        *files,
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def commands() -> str:
    """All that the steps run."""
    jobs = [job for file in FILES for job in yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values()]
    return "\n".join(step["run"] for job in jobs for step in job.get("steps", []) if "run" in step)


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    done = actionlint(*FILES)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr

    wrong = tmp_path / "wrong.yml"
    wrong.write_text(FILES[0].read_text(encoding="utf-8").replace("needs: [lint, test, chart]", "needs: [nothing]"))
    assert "nothing" in actionlint(wrong).stdout


def test_targets_and_words_that_they_use_are_there() -> None:
    made = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = set(re.findall(r"^make ([a-z0-9-]+)", commands(), re.MULTILINE))
    assert asked == {"lint", "test", "test-kubernetes", "setup"}
    assert asked <= made

    usage = subprocess.run(
        [ROOT / "scripts" / "deploy.sh", "--help"], capture_output=True, text=True, check=True
    ).stdout
    words = re.findall(r"deploy\.sh (.+)$", commands(), re.MULTILINE)
    assert {re.findall(r"--action (\S+)", line)[0] for line in words} == {"deploy", "rollback"}
    assert {option for line in words for option in re.findall(r"--[a-z-]+", line)} <= set(
        re.findall(r"--[a-z-]+", usage)
    )


def test_what_others_wrote_is_pinned_to_a_commit() -> None:
    """A tag may be moved to another commit by whoever takes over its repository, and that runs with our secrets."""
    used = [name for file in FILES for name in re.findall(r"uses: (\S+)", file.read_text(encoding="utf-8"))]
    assert used
    assert [name for name in used if not name.startswith("./") and not re.search(r"@[0-9a-f]{40}$", name)] == []
