"""Leases: what renewing and taking costs on each store, and how long a shard is without an owner."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from tests.benchmarks import lease_times
from tests.benchmarks.apart import result_of
from tests.benchmarks.figures import MS, percentile, ratios, spread
from tests.benchmarks.lease_times import BARE, HANDOVER, STORES, TAKEOVER
from tests.benchmarks.load import SHARDS
from tests.benchmarks.report import Aim, Report, Table
from tests.benchmarks.settings import Progress, Settings
from tests.support.services import mongodb_uri

TITLE = "Leases: renewal, take and takeover"
STEPS_PER_ROUND = 2

_TAKEOVERS_OF_LEASE: Final = 2.0

_ABOUT = """\
One process, {count:,} operations of each kind in turn with the reference, which is one bare `find_one_and_update` of
PyMongo on a document of its own in the same MongoDB (majority, journaled). SQLite waits for the disk as well (WAL,
`synchronous=FULL`), in a thread of its own. A renewal is one command, for one shard as for {shards}.

Takeover: two keepers with a lease time of {ttl_s:g} s on {shards} shards. The one that holds them all falls silent just
after a renewal, and the time runs until the other holds all of them; or it stops in order, which is the handover.
Every time counts from the silence or the stop; the least that is possible after a silence is the lease time.

Median of {rounds} rounds (range)."""


def run(settings: Settings, progress: Progress) -> Report:
    """Measure."""
    count, ttl_s = (20, 0.6) if settings.quick else (500, 3.0)
    commands: dict[str, list[list[int]]] = {}
    waits: dict[str, list[float]] = {}
    for _ in range(settings.rounds):
        progress("commands")
        for name, times in result_of("the commands", lease_times.commands, mongodb_uri(), count).items():
            commands.setdefault(name, []).append(times)
        progress("takeovers")
        for name, seconds in result_of("the keepers", lease_times.takeovers, mongodb_uri(), ttl_s).items():
            waits.setdefault(name, []).append(seconds)
    about = _ABOUT.format(count=count, shards=SHARDS, ttl_s=ttl_s, rounds=settings.rounds)
    return Report(TITLE, about, [_command_table(commands), _wait_table(waits, ttl_s)], aims=[_aim(waits, ttl_s)])


def _command_table(commands: Mapping[str, Sequence[Sequence[int]]]) -> Table:
    middles = {name: [percentile(times, 0.5) / MS for times in rounds] for name, rounds in commands.items()}
    rows = [
        (
            name,
            spread(middles[name], 2),
            spread([percentile(times, 0.99) / MS for times in rounds], 2),
            spread(ratios(middles[name], middles[BARE]), 2),
        )
        for name, rounds in commands.items()
    ]
    return Table(("command", "p50 ms", "p99 ms", f"p50 ÷ {BARE}"), rows)


def _wait_table(waits: Mapping[str, Sequence[float]], ttl_s: float) -> Table:
    lease_time = [ttl_s] * len(next(iter(waits.values())))
    rows = [("lease time", spread(lease_time, 2), "1.00")]
    rows += [(name, spread(times, 2), spread(ratios(times, lease_time), 2)) for name, times in waits.items()]
    return Table((f"{SHARDS} shards without an owner", "s", "÷ lease time"), rows)


def _aim(waits: Mapping[str, Sequence[float]], ttl_s: float) -> Aim:
    longest = max(median(waits[f"{TAKEOVER}, {store}"]) for store in STORES) / ttl_s
    handed = max(median(waits[f"{HANDOVER}, {store}"]) for store in STORES) / ttl_s
    return Aim(
        f"all shards taken over within {_TAKEOVERS_OF_LEASE:g} lease times of a silence",
        f"{longest:.2f} ({handed:.2f} after a clean stop)",
        longest <= _TAKEOVERS_OF_LEASE,
    )
