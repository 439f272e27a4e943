"""Campaigns: many histories on all cores, and what came of them."""

import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.simulation.faults import KINDS
from tests.simulation.history import Outcome, play
from tests.simulation.plan import Plan, make_plan
from tests.simulation.progress import Progress
from tests.simulation.shrink import shrink

_CHUNK: Final = 4
_FIGURES: Final = ("longest naked, ms", "settled in s", "most exposure, % of limit")
"""Figures of which the greatest counts; all others are added up."""


@dataclass(frozen=True)
class Failure:
    """A history that failed, with as few faults as make it fail."""

    seed: int
    wrong: list[str]
    plan: Plan
    timeline: str


@dataclass
class Total:
    """What came of many histories."""

    histories: int = 0
    hit: Counter[str] = field(default_factory=Counter)
    figures: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    cpu_s: float = 0.0

    def add(self, outcome: Outcome, cpu_s: float) -> None:
        """Count a history."""
        self.histories += 1
        self.cpu_s += cpu_s
        self.hit += outcome.hit
        for name, value in outcome.figures.items():
            self.figures[name] = max(self.figures[name], value) if name in _FIGURES else self.figures[name] + value

    def table(self) -> list[str]:
        """Kinds of faults with how often each happened; one that never did is no proof of anything."""
        return [f"  {kind:<20} {self.hit[kind] or 'never':>7}" for kind, _ in KINDS]


def shrunk(plan: Plan) -> Failure:
    """The smallest form of a failure."""
    least = shrink(plan, lambda fewer: bool(play(fewer).wrong))
    outcome = play(least, keeps_log=True)
    return Failure(plan.seed, outcome.wrong, least, outcome.timeline)


def run(
    first: int,
    seeds: int,
    jobs: int,
    progress: Callable[[Total, float], None],
    *,
    most: int = 5,
    kept: Progress | None = None,
) -> Total:
    """Play histories.

    Parameters
    ----------
    first, seeds
        Seeds from ``first`` on, so many.
    jobs
        Processes.
    progress
        Told after each history, with the seconds since the start.
    most
        Failures after which nothing more is played.
    kept
        Where progress is kept; what it has is not played again.
    """
    total, began = Total(), time.monotonic()
    asked = range(first, first + seeds)
    before = list(kept.of(asked)) if kept is not None else []
    for outcome, cpu_s in before:
        total.add(outcome, cpu_s)
    known = {outcome.seed for outcome, _ in before}
    for outcome, cpu_s in _outcomes([seed for seed in asked if seed not in known], jobs):
        total.add(outcome, cpu_s)
        if kept is not None:
            kept.add(outcome, cpu_s)
        if outcome.wrong:
            total.failures.append(shrunk(make_plan(outcome.seed)))
        progress(total, time.monotonic() - began)
        if len(total.failures) >= most:
            break
    return total


def _outcomes(seeds: Sequence[int], jobs: int) -> Iterator[tuple[Outcome, float]]:
    if jobs == 1:
        yield from map(_one, seeds)
        return
    gc.freeze()
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap_unordered(_one, seeds, _CHUNK)


def _one(seed: int) -> tuple[Outcome, float]:
    began = time.process_time()
    outcome = play(make_plan(seed))
    outcome.timeline = ""
    return outcome, time.process_time() - began
