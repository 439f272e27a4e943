"""Soak: memory and processor time of an engine at work over many signals."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

from tests.benchmarks import databases, engine_process
from tests.benchmarks.figures import ratios, spread
from tests.benchmarks.flights import Flight, check_committed
from tests.benchmarks.load import Seen
from tests.benchmarks.report import Aim, Report, Table
from tests.benchmarks.settings import Progress, Settings
from tests.benchmarks.signals import Workload
from tests.benchmarks.soak_watch import Sample, Watch
from tradeengine.projection.prefetch import MAX_REMEMBERED
from tradeengine.projection.projector import MAX_BUFFERED
from tradeengine.venue.paper.ledger import ENDED_KEPT

TITLE = "Soak: memory over many signals"
STEPS_PER_ROUND = 10

_RATE: Final = 500
_MIB: Final = 2**20
_MINUTE_NS: Final = 60_000_000_000
_MOST_GROWTH: Final = 1.0
_DEAREST: Final = 1.1
_MAX_AGE_S: Final = 60
_TENTHS: Final = 10
_CONSUMER: Final = "the consumer"
_SIGNALS_PER_ORDER: Final = 50
_WARM_UP: Final = _SIGNALS_PER_ORDER * ENDED_KEPT
"""Signals until the bound is met that takes longest: the ended orders that the paper exchange keeps."""

_ABOUT = """\
{count:,} signals, {workload}, at {rate:,} a second, to the engine with JetStream, MongoDB and MySQL (paper venue).
The engine's process alone is watched, from outside, twice a second: the memory that it holds, and the processor time of
all its threads. Servers and load are other processes.

The first {warm:,} signals are the warm-up{short}. It fills what is bounded: the memory of duplicates (signals may be
{age} s old here, 300 s by default), the {rows:,} rows that each copy remembers, the {entries:,} decisions that wait for
each copy where it lags, the 2,000 positions that these signals ask for, and the {ended:,} ended orders that the paper
exchange keeps. Memory grows by the line of least squares through every look after the warm-up; processor time is that
of each tenth of the signals after it.
`make bench BENCH_ARGS="soak --signals 1000000 --rounds 1"` is the long form; it takes {long:.0f} minutes.

{rounds} rounds: median (range)."""


class _Round(NamedTuple):
    """What one round found after its warm-up.

    Parameters
    ----------
    per_minute, per_signal
        Growth in bytes.
    begun
        Bytes held when the engine had just started.
    held
        Bytes held at the end of the warm-up, and of each tenth after it.
    cpu_us
        Processor time per signal of each tenth, microseconds.
    """

    per_minute: float
    per_signal: float
    begun: int
    held: Sequence[int]
    cpu_us: Sequence[float]


def run(settings: Settings, progress: Progress) -> Report:
    """Measure."""
    count = 14 * _RATE if settings.quick else settings.signals
    warm = 0 if settings.quick else min(_WARM_UP, count // 2)
    rounds = [_round(count, warm, progress) for _ in range(settings.rounds)]
    about = _ABOUT.format(
        count=count,
        workload=Workload.SPARSE,
        rate=_RATE,
        warm=warm,
        short="" if warm == _WARM_UP else f", too short to fill every bound: that takes {_WARM_UP:,}",
        age=_MAX_AGE_S,
        rows=MAX_REMEMBERED,
        entries=MAX_BUFFERED,
        ended=ENDED_KEPT,
        long=1_000_000 / _RATE / 60,
        rounds=settings.rounds,
    )
    return Report(TITLE, about, [_slopes(rounds), _tenths(rounds)], aims=_aims(rounds))


def _round(count: int, warm: int, progress: Progress) -> _Round:
    told = _Tenths(count, progress)
    with databases.mongodb() as mongodb, databases.mysql() as mysql, Watch(_CONSUMER, told.see) as watch:
        asked = {**mongodb, **mysql, "MAX_SIGNAL_AGE_SECONDS": str(_MAX_AGE_S)}
        flight = Flight(engine_process.work, asked, before=watch.begin, after=watch.end)
        seen, committed = flight.stream(Workload.SPARSE, count, _RATE)
    check_committed(committed, Workload.SPARSE, count)
    return evaluate(seen, watch.samples, warm)


class _Tenths:
    """Tells how far a round is, at the beginning and after each tenth of the signals that are due by the clock."""

    def __init__(self, count: int, progress: Progress) -> None:
        self._count = count
        self._progress = progress
        self._began_ns: int | None = None
        self._told = 0
        progress(f"{count:,} signals")

    def see(self, sample: Sample) -> None:
        """Take a sample in."""
        if self._began_ns is None:
            self._began_ns = sample.at_ns
        due = int((sample.at_ns - self._began_ns) / 1e9 * _RATE)
        while self._told < _TENTHS - 1 and due >= (self._told + 1) * self._count // _TENTHS:
            self._told += 1
            self._progress(f"{due:,} of {self._count:,} signals, {sample.resident / _MIB:.0f} MiB")


def evaluate(seen: Seen, samples: Sequence[Sample], warm: int) -> _Round:
    """Growth and cost of what came after the warm-up.

    Parameters
    ----------
    warm
        Number of signals that belong to the warm-up.
    """
    acked = sorted(seen.acked)
    counted = [bisect_right(acked, sample.at_ns) for sample in samples]
    after = [place for place, signals in enumerate(counted) if signals >= warm]
    if len(after) <= _TENTHS:
        raise RuntimeError(f"{len(after)} looks at the engine after the warm-up: too few for a slope")
    resident = [float(samples[place].resident) for place in after]
    minutes = [samples[place].at_ns / _MINUTE_NS for place in after]
    first, last = counted[after[0]], counted[after[-1]]
    ends = [first + tenth * (last - first) // _TENTHS for tenth in range(_TENTHS + 1)]
    marks = [bisect_left(counted, end, lo=after[0]) for end in ends]
    cpu_us = [
        max(1, samples[end].cpu_ns - samples[begin].cpu_ns) / 1_000 / max(1, counted[end] - counted[begin])
        for begin, end in pairwise(marks)
    ]
    return _Round(
        slope(minutes, resident),
        slope([float(counted[place]) for place in after], resident),
        samples[0].resident,
        [samples[mark].resident for mark in marks],
        cpu_us,
    )


def slope(places: Sequence[float], values: Sequence[float]) -> float:
    """Rise of the line of least squares through values at places; 0 for fewer than two places."""
    middle, mean = sum(places) / max(1, len(places)), sum(values) / max(1, len(values))
    width = sum((place - middle) ** 2 for place in places)
    return sum((place - middle) * (value - mean) for place, value in zip(places, values, strict=True)) / (width or 1)


def _slopes(rounds: Sequence[_Round]) -> Table:
    names = ("start", "end of the warm-up", "end")
    held = [(one.begun, one.held[0], one.held[-1]) for one in rounds]
    rows = []
    for place, name in enumerate(names):
        mib = [each[place] / _MIB for each in held]
        rows.append((name, spread(mib, 1), spread(ratios(mib, [each[0] / _MIB for each in held]), 2)))
    return Table(("memory at the", "MiB", "÷ start"), rows)


def _tenths(rounds: Sequence[_Round]) -> Table:
    rows = []
    for tenth in range(_TENTHS):
        times = [one.cpu_us[tenth] for one in rounds]
        rows.append(
            (
                f"{tenth + 1} of {_TENTHS}",
                spread([one.held[tenth + 1] / _MIB for one in rounds], 1),
                spread(times),
                spread(ratios(times, [one.cpu_us[0] for one in rounds]), 2),
            )
        )
    return Table(("tenth after the warm-up", "MiB at its end", "processor time, µs a signal", "÷ first"), rows)


def _aims(rounds: Sequence[_Round]) -> list[Aim]:
    grown = [one.per_minute / _MIB for one in rounds]
    dearer = [one.cpu_us[-1] / one.cpu_us[0] for one in rounds]
    per_signal = spread([one.per_signal for one in rounds], 1)
    return [
        Aim(
            f"grows by less than {_MOST_GROWTH:g} MiB a minute",
            f"{spread(grown, 2)} MiB a minute, {per_signal} bytes a signal",
            max(grown) < _MOST_GROWTH,
        ),
        Aim(
            f"the last tenth's signals cost at most {_DEAREST:g} times the first's",
            spread(dearer, 2),
            median(dearer) <= _DEAREST,
        ),
    ]
