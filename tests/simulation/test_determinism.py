"""The same seed is the same history, byte for byte, in fresh processes and whatever strings are hashed with."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
from tests.simulation.history import play
from tests.simulation.plan import make_plan
for seed in range(int(sys.argv[1]), int(sys.argv[2])):
    sys.stdout.write(f"seed {seed}\\n{play(make_plan(seed), keeps_log=True).timeline}")
"""
CHUNK = 20


def timelines(first: int, end: int, hash_seed: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(first), str(end)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    )
    return done.stdout


def compare(first: int, end: int) -> None:
    one, other = timelines(first, end, "1"), timelines(first, end, "4242")
    assert one.count(b"seed ") >= end - first
    assert len(one) > 1_000 * (end - first)
    if one != other:
        lines = zip(one.splitlines(), other.splitlines(), strict=False)
        raise AssertionError(next(pair for pair in lines if pair[0] != pair[1]))
    assert hashlib.sha256(one).digest() == hashlib.sha256(other).digest()


@pytest.mark.process
@pytest.mark.slow
def test_a_few_seeds_twice() -> None:
    compare(0, 6)


@pytest.mark.process
def test_a_seed_does_not_depend_on_those_before_it() -> None:
    alone = timelines(5, 6, "7").split(b"seed 5\n")[1]
    after_others = timelines(3, 6, "7").split(b"seed 5\n")[1]
    assert alone == after_others


@pytest.mark.process
@pytest.mark.long
@pytest.mark.parametrize("first", range(0, 200, CHUNK))
def test_two_hundred_seeds_twice(first: int) -> None:
    compare(first, first + CHUNK)
