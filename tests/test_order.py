"""The order in which files of tests begin, as ``make test`` sees it."""

import subprocess
import sys
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
WAITING = ROOT / "tests" / "outages"
COMPUTING = ROOT / "tests" / "contracts"


def begun(*paths: Path) -> list[Path]:
    """Files of tests in the order in which they begin; one twice if something comes in between."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    tests = [line.partition("::") for line in done.stdout.splitlines() if "::" in line]
    return [ROOT / file for file, _ in groupby(file for file, _, _ in tests)]


def test_files_that_wait_lie_evenly_between_files_that_compute_and_slow_ones_come_first() -> None:
    files = begun(WAITING, COMPUTING)

    assert sorted(files) == sorted([*WAITING.glob("test_*.py"), *COMPUTING.glob("test_*.py")])
    waiting = [file for file in files if file.parent == WAITING]
    slow = ["mark.slow" in file.read_text() for file in waiting]
    assert True in slow
    assert slow == sorted(slow, reverse=True), waiting
    waits = [file.parent == WAITING for file in files]
    counts = {kind: waits.count(kind) for kind in (True, False)}
    for end in range(len(files)):
        begun_of = {kind: waits[:end].count(kind) / counts[kind] for kind in counts}
        assert abs(begun_of[True] - begun_of[False]) <= 1 / counts[True] + 1 / counts[False], files[:end]
