"""Soak: memory of an engine at work over many signals."""

from collections.abc import Sequence
from typing import Final

from tests.benchmarks import databases, engine_process
from tests.benchmarks.figures import spread
from tests.benchmarks.flights import Flight, check_committed
from tests.benchmarks.report import Aim, Report, Table
from tests.benchmarks.settings import Progress, Settings
from tests.benchmarks.signals import Workload

TITLE = "Soak: memory over many signals"
STEPS_PER_ROUND = 1

_RATE: Final = 500
_MIB: Final = 2**20
_MOST_GROWTH: Final = 1.0
_MAX_AGE_S: Final = 5
_QUARTERS: Final = 4

_ABOUT = """\
{count:,} signals, {workload}, at {rate:,} a second, to the engine with JetStream, MongoDB and MySQL (paper venue); the
memory that its process holds is read every second. Signals may be {age} s old here (300 s by default), so that what
the engine remembers of decisions has come to its full size within the first quarter. The slope is that of the line of
least squares through the second half. `make bench BENCH_ARGS="soak --signals 1000000 --rounds 1"` is the long form.

{rounds} rounds: median (range)."""


def run(settings: Settings, progress: Progress) -> Report:
    """Measure."""
    count = 4 * _RATE if settings.quick else settings.signals
    rounds: list[Sequence[int]] = []
    for _ in range(settings.rounds):
        progress(f"{count:,} signals")
        with databases.mongodb() as mongodb, databases.mysql() as mysql:
            asked = {**mongodb, **mysql, "MAX_SIGNAL_AGE_SECONDS": str(_MAX_AGE_S)}
            _, committed = Flight(engine_process.work, asked).stream(Workload.SPARSE, count, _RATE)
        check_committed(committed, Workload.SPARSE, count)
        rounds.append(committed.resident)
    slopes = [slope(resident[len(resident) // 2 :]) * 60 / _MIB for resident in rounds]
    about = _ABOUT.format(count=count, workload=Workload.SPARSE, rate=_RATE, age=_MAX_AGE_S, rounds=settings.rounds)
    aim = Aim(
        f"grows by less than {_MOST_GROWTH:g} MiB a minute", f"{spread(slopes, 2)} MiB", max(slopes) < _MOST_GROWTH
    )
    return Report(TITLE, about, [_table(rounds)], aims=[aim])


def slope(values: Sequence[float]) -> float:
    """Rise from one value to the next of the line of least squares; 0 for fewer than two."""
    middle, mean = (len(values) - 1) / 2, sum(values) / max(1, len(values))
    spread_out = sum((place - middle) ** 2 for place in range(len(values)))
    return sum((place - middle) * (value - mean) for place, value in enumerate(values)) / (spread_out or 1)


def _table(rounds: Sequence[Sequence[int]]) -> Table:
    """Memory at the end of each quarter."""
    rows = []
    for quarter in range(_QUARTERS + 1):
        held = [resident[quarter * (len(resident) - 1) // _QUARTERS] for resident in rounds]
        growth = [now / resident[0] for now, resident in zip(held, rounds, strict=True)]
        rows.append((f"after {quarter}/{_QUARTERS}", spread([one / _MIB for one in held], 1), spread(growth, 2)))
    return Table(("of all signals", "MiB", "÷ first"), rows)
