"""Copies: how fast an empty one catches up with the journal."""

from typing import Final

from tests.benchmarks import copy_times, databases
from tests.benchmarks.apart import result_of
from tests.benchmarks.copy_times import INSERTING, READING, CatchUp
from tests.benchmarks.figures import ratios, spread
from tests.benchmarks.load import SHARDS
from tests.benchmarks.report import Report, Table
from tests.benchmarks.settings import Progress, Settings

TITLE = "Copies: catching up with the journal"
STEPS_PER_ROUND = 1

_LONGEST_S: Final = 1_800.0
_ABOUT = """\
A journal of {events:,} events in {shards} shards on MongoDB: signals that each open, add to or close a position with
one order, which fills at once. Each copy is empty, and the engine's projector brings it up to the journal's end: one
after the other, in one process, with nothing else to do. The references are the journal read and decoded alone, and
the finished rows put into empty MongoDB collections by `insert_many` of 250: collections with the indexes of the read
model, so that what is compared is the engine's way to keep rows, not what indexes cost this server. `make bench
BENCH_ARGS="copies --events 200000 --rounds 1"` is the long form.

Median of {rounds} rounds (range)."""


def run(settings: Settings, progress: Progress) -> Report:
    """Measure."""
    events = 4_000 if settings.quick else settings.events
    found: list[CatchUp] = []
    for _ in range(settings.rounds):
        progress(f"{events:,} events")
        with databases.mongodb() as mongodb, databases.mysql() as mysql:
            asked = {**mongodb, **mysql}
            found.append(result_of("the copies", copy_times.catch_ups, asked, events, timeout=_LONGEST_S))
    speeds = {name: [one.events / one.seconds[name] for one in found] for name in found[0].seconds}
    rows = [
        (
            name,
            spread(values),
            spread(ratios(values, speeds[READING]), 3),
            spread(ratios(values, speeds[INSERTING]), 2),
            spread([one.seconds[name] for one in found], 1),
        )
        for name, values in speeds.items()
    ]
    about = _ABOUT.format(events=found[0].events, shards=SHARDS, rounds=settings.rounds)
    return Report(TITLE, about, [Table(("catching up", "events/s", f"÷ {READING}", f"÷ {INSERTING}", "seconds"), rows)])
