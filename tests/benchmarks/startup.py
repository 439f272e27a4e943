"""Start-up: how long it takes until every shard of a long journal is loaded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from tests.benchmarks import startup_times
from tests.benchmarks.apart import result_of
from tests.benchmarks.figures import ratios, spread
from tests.benchmarks.load import SHARDS
from tests.benchmarks.report import Aim, Report, Table
from tests.benchmarks.settings import Progress, Settings
from tests.benchmarks.startup_times import Place
from tests.support.services import fresh_mongodb_database, mongodb_uri

TITLE = "Start-up after a long life"
STEPS_PER_ROUND = 2

_LONGEST_S: Final = 5.0
_BUILDING_S: Final = 1_800.0

_ABOUT = """\
A journal of {events:,} events in {shards} shards: trades of twenty strategies, each opened, given a stop and closed.
The last snapshot of each shard is as old as one ever gets, so that a start applies {applied:,} events again. Each start
is a process of its own: it opens the journal, and loads snapshot and records of one shard after the other.

Reference: the bytes that a start reads, read by the same driver in one go, and nothing done with them.

Median of {rounds} rounds (range)."""


def run(settings: Settings, progress: Progress) -> Report:
    """Measure."""
    wanted = 8_000 if settings.quick else 1_000_000
    with TemporaryDirectory(prefix="startup-") as folder, fresh_mongodb_database(mongodb_uri()) as database:
        places = (Place(str(Path(folder) / "journal.sqlite")), Place(mongodb_uri(), database))
        events, applied = 0, 0
        for place in places:
            events = result_of("the journal", startup_times.build, place, wanted, timeout=_BUILDING_S)
        ours: dict[str, list[float]] = {place.store: [] for place in places}
        bare: dict[str, list[float]] = {place.store: [] for place in places}
        for _ in range(settings.rounds):
            for place in places:
                progress(place.store)
                bare[place.store].append(result_of("the bare reader", startup_times.bare, place))
                seconds, applied = result_of("the start", startup_times.loaded, place)
                ours[place.store].append(seconds)
    about = _ABOUT.format(events=events, shards=SHARDS, applied=applied, rounds=settings.rounds)
    return Report(TITLE, about, [_table(ours, bare)], aims=[_aim(ours)])


def _table(ours: Mapping[str, Sequence[float]], bare: Mapping[str, Sequence[float]]) -> Table:
    rows = []
    for store, seconds in ours.items():
        rows.append((f"{store}, bare reading", spread(bare[store], 2), "1.00"))
        rows.append((f"{store}, all shards loaded", spread(seconds, 2), spread(ratios(seconds, bare[store]), 1)))
    return Table(("start", "s", "÷ bare reading"), rows)


def _aim(ours: Mapping[str, Sequence[float]]) -> Aim:
    longest = max(median(seconds) for seconds in ours.values())
    return Aim(f"all shards loaded within {_LONGEST_S:g} s", f"{longest:.2f} s", longest <= _LONGEST_S)
