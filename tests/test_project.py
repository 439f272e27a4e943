"""The project keeps its own promises: one version, locked dependencies, a pure domain, no private hosts."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import tradeengine
from scripts.lint_purity import MAX_FUNCTION_LINES, MAX_MODULE_LINES, check_purity, check_size, check_tree

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("runtime", "dev")


def locked(name: str) -> dict[str, list[str]]:
    """Map each pin of a lock, such as ``rich==15.0.0``, to its hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    pins = [line.partition("--hash=") for line in text.splitlines() if line and not line.startswith("#")]
    return {
        pin.partition(";")[0].strip(): re.findall(r"sha256:[0-9a-f]{64}(?!\S)", equals + hashes)
        for pin, equals, hashes in pins
    }


def pinned_names(name: str) -> set[str]:
    return {canonicalize_name(pin.partition("==")[0]) for pin in locked(name)}


def required_names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


# ---------------------------------------------------------------- purity


@pytest.mark.parametrize(
    ("snippet", "said"),
    [
        ("rate = 0.1", "float literal 0.1"),
        ("rate = -1e-8", "float literal 1e-08"),
        ("rate = float('0.1')", "float:"),
        ("def price(value: float) -> None: ...", "float:"),
        ("import time", "import of time"),
        ("import logging.handlers", "import of logging.handlers"),
        ("import asyncio as aio", "import of asyncio"),
        ("from os import environ", "import of os"),
        ("from random import Random", "import of random"),
        ("from uuid import uuid4", "import of uuid"),
        ("def late():\n    import random", "import of random"),
        ("from shared.clock import Clock", "import of shared.clock"),
        ("import tradeengine.journal", "import of tradeengine.journal"),
        ("from tradeengine import domain, journal", "import of tradeengine"),
        ("from contracts_of_others import x", "import of contracts_of_others"),
        ("from datetime import datetime\nnow = datetime.now()", "datetime.datetime.now"),
        ("from datetime import datetime as dt\nnow = dt.utcnow()", "datetime.datetime.utcnow"),
        ("import datetime\nclock = datetime.datetime.now", "datetime.datetime.now"),
        ("import datetime as d\ntoday = d.date.today()", "datetime.date.today"),
        ("print('filled')", "print()"),
        ("open('positions.json')", "open()"),
        ("shard = hash('BTCUSDT')", "hash()"),
    ],
)
def test_an_impure_snippet_is_caught(snippet: str, said: str) -> None:
    findings = check_purity(snippet, "snippet.py")

    assert [finding.message for finding in findings if finding.message.startswith(said)]
    assert findings[0].line == len(snippet.splitlines())


@pytest.mark.parametrize(
    "snippet",
    [
        "from decimal import Decimal\nrate = Decimal('0.1') * 3",
        "from collections.abc import Mapping\nfrom tradeengine import domain\nfrom tradeengine.domain.ids import x",
        "import contracts.signal\nimport tradeengine.domain.ids",
        "def decide(context):\n    return context.now",
        "from datetime import datetime, timedelta\nlimit = datetime.max - timedelta(seconds=1)",
        "journal.open(1)\nlabel = 'float 0.1'",
    ],
)
def test_a_pure_snippet_passes(snippet: str) -> None:
    assert check_purity(snippet, "snippet.py") == []


@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_a_function_may_have_the_limit_of_lines_and_no_more(keyword: str) -> None:
    allowed = f"{keyword} long():\n" + "    x = 1\n" * (MAX_FUNCTION_LINES - 1)

    assert check_size(allowed, "snippet.py") == []
    assert [finding.line for finding in check_size(f"\n{allowed}    x = 1\n", "snippet.py")] == [2]


def test_a_module_may_have_the_limit_of_lines_and_no_more() -> None:
    allowed = "x = 1\n" * MAX_MODULE_LINES

    assert check_size(allowed, "snippet.py") == []
    assert len(check_size(f"{allowed}x = 1\n", "snippet.py")) == 1


def test_purity_is_asked_of_the_domain_only_and_size_of_all(tmp_path: Path) -> None:
    long = "x = 1\n" * (MAX_MODULE_LINES + 1)
    for path in ("contracts/a.py", "shared/a.py", "tradeengine/api/a.py", "tradeengine/domain/deep/a.py"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(f"import time\n{long}", encoding="utf-8")

    found = [(finding.path, finding.message.split()[0]) for finding in check_tree(tmp_path)]

    assert found == [
        ("contracts/a.py", "module"),
        ("shared/a.py", "module"),
        ("tradeengine/api/a.py", "module"),
        ("tradeengine/domain/deep/a.py", "module"),
        ("tradeengine/domain/deep/a.py", "import"),
    ]


def test_the_tree_is_pure() -> None:
    assert list((ROOT / "tradeengine" / "domain").glob("*.py")), "no domain found: the check would pass for nothing"
    assert check_tree(ROOT) == []


# ---------------------------------------------------------------- version and locks


def test_the_version_has_one_source() -> None:
    version = PROJECT["project"]["version"]
    newest = re.search(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert tradeengine.__version__ == version
    assert newest is not None
    assert newest[1] == version


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_requirement_is_exact_and_has_a_hash(lock: str) -> None:
    pins = locked(lock)

    assert pins
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9.-]+==[0-9][^\s*]*", pin)] == []
    assert [pin for pin, hashes in pins.items() if not hashes] == []


def test_the_locks_hold_all_that_the_project_asks_for() -> None:
    runtime = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["embedded"]

    assert required_names(runtime) - pinned_names("runtime") == set()
    assert required_names(runtime + PROJECT["dependency-groups"]["dev"]) - pinned_names("dev") == set()


def test_what_is_tested_is_what_runs() -> None:
    assert locked("runtime").keys() - locked("dev").keys() == set()


# ---------------------------------------------------------------- what the repository must not hold


def test_no_file_names_a_package_registry() -> None:
    hosts = re.compile(r"\b(pypi|pythonhosted|crates|npmjs|proxy\.golang|maven(\.apache)?|deb\.debian)\.(org|io|com)\b")
    assert hosts.search("https://files.pythonhosted" + ".org/packages")
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    files = [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]

    assert ROOT / "pyproject.toml" in files
    offenders = [
        f"{file.relative_to(ROOT)}: {found[0]}"
        for file in files
        if (found := hosts.search(file.read_text(encoding="utf-8", errors="ignore")))
    ]
    assert offenders == []


def test_the_lint_passes_as_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/lint_purity.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
