"""The same seeds in two fresh processes that hash strings differently."""

import hashlib
import os
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[2]
_SCRIPT: Final = """
import sys
from tests.simulation.history import play
from tests.simulation.plan import make_plan
for seed in range(int(sys.argv[1]), int(sys.argv[2])):
    sys.stdout.write(f"seed {seed}\\n{play(make_plan(seed), keeps_log=True).timeline}\\f")
"""


def timelines(first: int, end: int, hash_seed: str) -> list[str]:
    """Timelines of seeds, with what the engine logged, as a fresh process plays them."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(first), str(end)],
        cwd=_ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().split("\f")[:-1]


def compare(first: int, end: int) -> None:
    """Play seeds in two processes; each history is well, and both have it the same, byte for byte."""
    one, other = timelines(first, end, "1"), timelines(first, end, "4242")
    assert len(one) == len(other) == end - first
    for seed, text, again in zip(range(first, end), one, other, strict=True):
        assert text.startswith(f"seed {seed}\n")
        assert len(text) > 1_000
        assert "WRONG" not in text, f"seed {seed} fails: python -m tests.simulation --show {seed}"
        if hashlib.sha256(text.encode()).digest() != hashlib.sha256(again.encode()).digest():
            lines = enumerate(zip_longest(text.splitlines(), again.splitlines()), 1)
            number, (left, right) = next(line for line in lines if line[1][0] != line[1][1])
            raise AssertionError(f"seed {seed} differs from line {number} on:\n{left}\n{right}")
