"""Pods: one engine and three on real servers and at the simulated exchange, beside the bare loop."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from tests.benchmarks import commit_probe, databases
from tests.benchmarks.apart import Child
from tests.benchmarks.consumers import Consumers, loops, pods
from tests.benchmarks.figures import MS
from tests.benchmarks.load import SHARDS
from tests.benchmarks.pods_about import ABOUT
from tests.benchmarks.pods_found import BARE, DENSE, NAMES, PODS, SPARSE, Case, Found
from tests.benchmarks.pods_tables import aims, cost_table, latency_table, rate_table
from tests.benchmarks.profiled import FUNCTIONS
from tests.benchmarks.ramp import LOWEST, TRIES, highest_rate
from tests.benchmarks.report import Chart, Report
from tests.benchmarks.settings import Progress, Settings
from tests.benchmarks.signals import Workload
from tests.benchmarks.steps import LATEST_NS, Step

TITLE = "Pods: one engine and three at the exchange"
STEPS_PER_ROUND = 4

_START_S: Final = 60.0
_TASKS_SHOWN: Final = 19


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Rates to begin with, seconds of a step of the ramp and of the step at half load, and whether rates are raised."""

    first: dict[str, float]
    ramp_s: float
    half_s: float
    climbs: bool = True


_QUICK: Final = _Sizes({BARE: 200, SPARSE: 200, DENSE: 30}, 1, 1, climbs=False)
_FULL: Final = _Sizes({BARE: 2_000, SPARSE: 1_000, DENSE: 60}, 6, 12)


def run(settings: Settings, progress: Progress) -> Report:
    """Measure."""
    sizes, found = _QUICK if settings.quick else _FULL, Found()
    began = os.getloadavg()
    for _ in range(settings.rounds):
        for number in PODS:
            _measure(number, found, sizes, progress)
    about = ABOUT.format(
        shards=SHARDS,
        latest=LATEST_NS // MS,
        ramp=sizes.ramp_s,
        half=sizes.half_s,
        tries=TRIES,
        bytes=commit_probe.BYTES,
        began=began[0],
        ended=os.getloadavg()[0],
        rounds=settings.rounds,
    )
    printed = _profiles(found, sizes, settings.profile) if sizes.climbs else {}
    chart = Chart("signals/s", [(case.name, median(rates)) for case, rates in found.rates.items()])
    tables = [rate_table(found), latency_table(found), cost_table(found)]
    return Report(TITLE, about, tables, chart, aims(found), printed)


def _measure(number: int, found: Found, sizes: _Sizes, progress: Progress) -> None:
    """One round of so many consumers."""
    bare = Case(number, BARE)
    progress(f"{Case(number, 'pods').name} beside {bare.name}")
    with databases.mongodb() as theirs, databases.mongodb() as mongodb, databases.mysql() as mysql:
        asyncio.run(_pods_measured(number, theirs, {**mongodb, **mysql}, found, sizes))
    progress(f"{bare.name}: latency")
    rate = found.halves[Case(number, SPARSE)][-1].rate
    with databases.mongodb() as asked:
        step, times = asyncio.run(_bare_half(number, asked, rate, sizes))
    found.halves.setdefault(bare, []).append(step)
    found.commits.setdefault(number, []).append(times)


async def _bare_half(number: int, asked: dict[str, str], rate: float, sizes: _Sizes) -> tuple[Step, list[int]]:
    async with loops(asked, number) as consumers:
        step = await consumers.step(Workload.SPARSE, int(rate * sizes.half_s), rate)
        times = await consumers.stop()
    # The first of a new connection take longer.
    return step, times[len(times) // 10 :]


async def _pods_measured(
    number: int, theirs: dict[str, str], ours: dict[str, str], found: Found, sizes: _Sizes
) -> None:
    """Both workloads, one after the other, on the same pods; the first one's steps in turn with the bare loop's."""
    async with loops(theirs, number) as reference, pods(ours, number) as consumers:
        turns = asyncio.Lock()
        async with asyncio.TaskGroup() as tasks:
            bare = tasks.create_task(_highest(reference, Workload.SPARSE, BARE, sizes, turns))
            first = tasks.create_task(_highest(consumers, Workload.SPARSE, SPARSE, sizes, turns))
        found.rates.setdefault(Case(number, BARE), []).append(bare.result())
        await reference.stop()
        await _half_measured(Case(number, SPARSE), Workload.SPARSE, first.result(), consumers, ours, found, sizes)
        rate = await _highest(consumers, Workload.DENSE, DENSE, sizes, turns)
        await _half_measured(Case(number, DENSE), Workload.DENSE, rate, consumers, ours, found, sizes)


async def _half_measured(
    case: Case,
    workload: Workload,
    rate: float,
    consumers: Consumers,
    environment: dict[str, str],
    found: Found,
    sizes: _Sizes,
) -> None:
    """What half of the highest rate comes to, with bare commits beside it."""
    half = max(rate, sizes.first[case.what] / LOWEST) / 2
    async with _probe(environment) as times:
        step = await _unrejected(consumers, workload, max(1, int(half * sizes.half_s)), half)
    found.rates.setdefault(case, []).append(rate)
    found.halves.setdefault(case, []).append(step)
    found.beside.setdefault(case, []).append(times)


def _profiles(found: Found, sizes: _Sizes, kept: Path | None) -> dict[str, str]:
    """What one of the pods does with its processor time at half of its highest rate, by workload."""
    texts = {}
    for workload, name in NAMES.items():
        case = Case(PODS[-1], name)
        with tempfile.TemporaryDirectory() as thrown_away, databases.mongodb() as mongodb, databases.mysql() as mysql:
            folder = Path(thrown_away) if kept is None else kept / workload.name.lower()
            folder.mkdir(parents=True, exist_ok=True)
            rate = median(step.rate for step in found.halves[case])
            asyncio.run(_profiled(case.number, workload, rate, {**mongodb, **mysql}, folder, sizes))
            first = min(folder.iterdir()).read_text(encoding="utf-8")
        tasks = first.partition(FUNCTIONS)[0].splitlines()
        texts[f"a pod's profile by task, {case.name}"] = "\n".join(tasks[:_TASKS_SHOWN])
    return texts


async def _profiled(
    number: int, workload: Workload, rate: float, asked: dict[str, str], folder: Path, sizes: _Sizes
) -> None:
    async with pods(asked, number, folder) as consumers:
        await consumers.step(workload, int(rate * sizes.half_s), rate)


async def _unrejected(consumers: Consumers, workload: Workload, number: int, rate: float) -> Step:
    """A step without rejections, which another's load on the machine may cause."""
    step = await consumers.step(workload, number, rate)
    for _ in range(TRIES):
        if not step.rejected:
            return step
        step = await consumers.step(workload, number, rate)
    raise RuntimeError(f"{len(step.rejected)} of {number} signals at {rate:.0f}/s were rejected: {step.rejected[0]}")


async def _highest(consumers: Consumers, workload: Workload, what: str, sizes: _Sizes, turns: asyncio.Lock) -> float:
    """The highest rate; steps of those who share a lock take turns, so that both meet what else the machine does."""

    async def holds(rate: float) -> bool:
        async with turns:
            return (await consumers.step(workload, int(rate * sizes.ramp_s), rate)).holds

    return await highest_rate(sizes.first[what], holds) if sizes.climbs else sizes.first[what]


@asynccontextmanager
async def _probe(asked: dict[str, str]) -> AsyncIterator[list[int]]:
    """Make bare commits beside what the block does; the list has their nanoseconds when it has ended."""
    times: list[int] = []
    with Child("the probe", commit_probe.work, asked) as child:
        await asyncio.to_thread(child.hear, _START_S)
        yield times
        child.tell("stop")
        times += await asyncio.to_thread(child.hear, _START_S)
