"""Tables and aims of the pods, from what a run has found."""

from collections.abc import Sequence
from statistics import median
from typing import Final

from tests.benchmarks.figures import MS, percentile, ratios, spread
from tests.benchmarks.pods_found import BARE, NAMES, PODS, Case, Found
from tests.benchmarks.report import Aim, Table
from tests.benchmarks.steps import Step

_COMMIT: Final = "its commits"
_S: Final = 1e9


def rate_table(found: Found) -> Table:
    rows = [(case.name, spread(rates), spread(_shares(found, case), 2)) for case, rates in found.rates.items()]
    return Table(("highest rate", "signals/s", f"÷ {BARE}"), rows)


def _shares(found: Found, case: Case) -> list[float]:
    return ratios(found.rates[case], found.rates[case.bare])


def latency_table(found: Found) -> Table:
    rows: list[Sequence[str]] = []
    for number in PODS:
        commits, bare = found.commits[number], Case(number, BARE)
        rows += [_times_row(Case(number, _COMMIT).name, commits, commits), _step_row(found, bare, commits)]
        for what in NAMES.values():
            case = Case(number, what)
            rows += [
                _step_row(found, case, commits),
                _times_row(f"{case.name}, one insert beside it", found.beside[case], commits),
            ]
    columns = (
        "at half of the highest rate",
        "signals/s",
        "p50 ms",
        "p99 ms",
        "p50 ÷ a bare commit",
        "p99 ÷ a bare commit",
        "order on the wire p50 ms",
        "p99 ms",
    )
    return Table(columns, rows)


def _times_row(name: str, times: Sequence[Sequence[int]], commits: Sequence[Sequence[int]]) -> list[str]:
    return [name, "", *_shown(times), *_compared(times, commits), "", ""]


def _step_row(found: Found, case: Case, commits: Sequence[Sequence[int]]) -> list[str]:
    steps = found.halves[case]
    times = [step.to_decision for step in steps]
    wired = [step.to_wire for step in steps]
    wire = _shown(wired) if all(wired) else ["", ""]
    return [case.name, spread([step.rate for step in steps]), *_shown(times), *_compared(times, commits), *wire]


def _shown(rounds: Sequence[Sequence[int]]) -> list[str]:
    return [spread(_ms(rounds, part), 1) for part in (0.5, 0.99)]


def _compared(rounds: Sequence[Sequence[int]], theirs: Sequence[Sequence[int]]) -> list[str]:
    return [spread(ratios(_ms(rounds, part), _ms(theirs, part)), 2) for part in (0.5, 0.99)]


def _ms(rounds: Sequence[Sequence[int]], part: float) -> list[float]:
    return [percentile(times, part) / MS for times in rounds]


def cost_table(found: Found) -> Table:
    rows: list[Sequence[str]] = []
    for number in PODS:
        bare = Case(number, BARE)
        reference = _per_thousand(found.halves[bare])
        for what in (BARE, *NAMES.values()):
            case = Case(number, what)
            steps = found.halves[case]
            taken = _per_thousand(steps)
            logged = [step.cost.log_bytes / len(step.seen.acked) * 1000 for step in steps]
            records = [step.records / len(step.seen.acked) * 1000 for step in steps]
            written = spread(records) if all(records) else ""
            rows.append((case.name, spread(taken, 2), spread(ratios(taken, reference), 1), spread(logged), written))
    return Table(("1,000 signals at that rate", "CPU s of all", f"÷ {BARE}", "log bytes", "records"), rows)


def _per_thousand(steps: Sequence[Step]) -> list[float]:
    """Processor seconds per 1,000 signals; clocks of processes tick in hundredths of a second."""
    return [max(1e7, step.cost.cpu_ns) / _S / len(step.seen.acked) * 1000 for step in steps]


def aims(found: Found) -> list[Aim]:
    number = PODS[-1]
    sparse, dense = (Case(number, name) for name in NAMES.values())
    share, rate = median(_shares(found, sparse)), median(found.rates[sparse])
    times, commits = [step.to_decision for step in found.halves[sparse]], found.commits[number]
    middle, tail = (median(ratios(_ms(times, part), _ms(commits, part))) for part in (0.5, 0.99))
    each = median(found.rates[dense])
    return [
        Aim(f"{sparse.name}: at least half of the bare loop", f"{share:.2f}", share >= 0.5),
        Aim(f"{sparse.name}: at least 2,500 signals/s", f"{rate:,.0f}", rate >= 2_500),
        Aim(f"{sparse.name}: at half load, p50 at most 2.5 × a bare commit", f"{middle:.2f}", middle <= 2.5),
        Aim(f"{sparse.name}: at half load, p99 at most 5 × a bare commit", f"{tail:.2f}", tail <= 5),
        Aim(f"{dense.name}: at least 250 signals/s", f"{each:,.0f}", each >= 250),
    ]
