"""What the measurement of pods makes of what it sees: the highest rate, whether one holds, whose order arrived when."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.figures import MS
from tests.benchmarks.load import Seen
from tests.benchmarks.pods_exchange import by_signal
from tests.benchmarks.profiled import FUNCTIONS
from tests.benchmarks.ramp import highest_rate
from tests.benchmarks.signals import Workload, asks_for_order, payloads
from tests.benchmarks.steps import Step

_PROGRAM = """
import asyncio, os, signal, sys, time

async def work():
    end = time.process_time() + 0.6
    while time.process_time() < end:
        pass

async def main():
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.create_task(work())

asyncio.run(main())
sys.exit(3)
"""


def _highest(first: float, holds: Callable[[float], bool]) -> tuple[float, list[float]]:
    tried: list[float] = []

    async def tell(rate: float) -> bool:
        tried.append(rate)
        return holds(rate)

    return asyncio.run(highest_rate(first, tell)), tried


@pytest.mark.parametrize("limit", [130.0, 999.0, 1_000.0, 1_700.0, 12_345.0])
def test_the_highest_rate_is_found_to_an_eighth(limit: float) -> None:
    found, _ = _highest(1_000, lambda rate: rate <= limit)
    assert limit / 1.125 <= found <= limit


def test_a_rate_that_fails_once_is_tried_again() -> None:
    failed: set[float] = set()

    def holds(rate: float) -> bool:
        if rate <= 3_000 and rate not in failed:
            failed.add(rate)
            return False
        return rate <= 3_000

    found, tried = _highest(1_000, holds)

    assert found >= 3_000 / 1.125
    assert max(tried.count(rate) for rate in tried) == 2


def test_where_nothing_holds_the_search_ends() -> None:
    found, tried = _highest(800, lambda rate: False)
    assert found == 0
    assert min(tried) == 100


def _step(latency_ms: int, *, late_ms: int = 0, wire_ms: int = 1, rejected: tuple[str, ...] = ()) -> Step:
    """A hundred signals, one a millisecond, of which each fiftieth asks for an order."""
    due = [number * MS for number in range(100)]
    published = [time + late_ms * MS for time in due]
    wire = {number: published[number] + wire_ms * MS for number in range(0, 100, 50)}
    return Step(1_000, Seen(0, published, [time + latency_ms * MS for time in published]), wire, rejected=rejected)


def test_a_rate_holds_while_decisions_and_orders_keep_up_with_what_was_due() -> None:
    assert _step(250).holds
    assert not _step(251).holds
    assert not _step(10, late_ms=241).holds
    assert not _step(10, wire_ms=251).holds
    assert not _step(10, rejected=("account_unknown",)).holds


def test_latency_runs_from_publication_and_leaves_the_first_tenth_out() -> None:
    step = _step(7, late_ms=30, wire_ms=9)
    assert step.to_decision == [7 * MS] * 90
    assert step.to_wire == [9 * MS]


def test_arrivals_are_told_apart_by_the_signal_that_asked() -> None:
    arrivals = {"te-j-1-2e": 70, "te-j-1-3e": 90, "somebody's": 10}
    assert by_signal(arrivals, {"te-j-1-2e": 5, "te-j-1-3e": 4, "te-j-1-4e": 6}) == {5: 70, 4: 90}


def test_one_trader_asks_on_each_side_of_each_symbol_in_turn() -> None:
    made = payloads(Workload.DENSE, range(200), 0, traders=1)
    assert len({symbol for symbol, _ in made[:50]}) == 50
    assert [b'"action":"buy"' in body for _, body in made] == ([True] * 50 + [False] * 50) * 2
    assert all(b'"strategy_id":"strategy-00"' in body for _, body in made)
    assert sum(asks_for_order(Workload.SPARSE, number) for number in range(1_000)) == 20


def test_a_profile_names_functions_and_their_tasks(tmp_path: Path) -> None:
    program, profile = tmp_path / "program.py", tmp_path / "profile"
    program.write_text(_PROGRAM, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.profiled", profile, program], timeout=60, check=False
    )

    assert done.returncode == 3
    tasks, functions = profile.read_text(encoding="utf-8").split(FUNCTIONS)
    assert "program.py:4 work" in tasks
    busiest = next(line for line in functions.splitlines() if "program.py:4 work" in line)
    assert float(busiest.partition("%")[0]) > 50
