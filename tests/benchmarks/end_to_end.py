"""The engine on JetStream beside the bare loop: signals a second, and time to the acknowledged decision."""

from dataclasses import dataclass, field
from statistics import median
from typing import Final

from tests.benchmarks import bare_loop, engine_process
from tests.benchmarks.figures import ratios, spread
from tests.benchmarks.flights import Flight, check, check_committed, latencies, seconds
from tests.benchmarks.load import Seen
from tests.benchmarks.report import Aim, Chart, Report, Table
from tests.benchmarks.settings import Progress, Settings
from tests.benchmarks.signals import Workload
from tradeengine.runtime.copies import READ_MODEL

TITLE = "End to end: from JetStream to an acknowledged decision"
STEPS_PER_ROUND = 6

_SHARE = 0.5
_RATE: Final = 1_000

_ABOUT = """\
Signals of 20 strategies on 50 symbols, on a nats-server of each measurement's own (file storage, a sync for every
message). Beside it runs one process that publishes, pipelined, and watches the acknowledgements pass the server, and
one that is measured:

- the bare loop: `fetch(500)` of nats-py, one insert a batch into SQLite (WAL, `synchronous=FULL`) in a worker thread,
  acknowledgement of every message. It reads all shards with one consumer and does not look into the messages;
- or the engine: the service of `tradeengine run` with intake, 8 shards, SQLite journal, read model, metrics and paper
  venue, without HTTP.

Throughput: {sparse:,} signals ({dense:,} where each calls for an order) are stored first, so that publishing takes
nothing from it; the time runs from the consumer's first request to the last acknowledgement and, where there are
orders, the last booked fill. How long after that the read model had everything is a column of its own.

Latency: from publication to the acknowledgement's passing the server, with {rate:,} signals a second published evenly
for {seconds:g} s to a consumer at work; the first tenth is left out. The engine also answers each publisher. A much
higher rate would measure the server's own syncs, which share the disk with the consumer's commits.

Each signal's decision, and each order's fill, is counted in the journal. Median of {rounds} rounds (range), subject and
reference in turn."""
_BARE = "bare loop"
_LOOP: Final = Flight(bare_loop.work)
_ENGINE: Final = Flight(engine_process.work)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """How much is measured: signals of each backlog, and seconds of each stream."""

    sparse: int
    dense: int
    seconds: float

    def of(self, workload: Workload) -> int:
        return self.sparse if workload is Workload.SPARSE else self.dense


@dataclass(slots=True)
class _Found:
    """What the rounds found: signals a second, signals a commit, seconds behind, and latencies in milliseconds."""

    per_second: dict[str, list[float]] = field(default_factory=dict)
    p50: dict[str, list[float]] = field(default_factory=dict)
    p99: dict[str, list[float]] = field(default_factory=dict)
    batch: dict[str, list[float]] = field(default_factory=dict)
    behind: dict[str, list[float]] = field(default_factory=dict)

    def add_throughput(self, name: str, per_second: float, batch: float, behind: float | None = None) -> None:
        self.per_second.setdefault(name, []).append(per_second)
        self.batch.setdefault(name, []).append(batch)
        if behind is not None:
            self.behind.setdefault(name, []).append(behind)

    def add_latency(self, name: str, seen: Seen) -> None:
        p50, p99 = latencies(seen)
        self.p50.setdefault(name, []).append(p50)
        self.p99.setdefault(name, []).append(p99)


def run(settings: Settings, progress: Progress) -> Report:
    """Measure."""
    sizes = _Sizes(400, 200, 0.5) if settings.quick else _Sizes(50_000, 15_000, 8)
    found = _Found()
    for _ in range(settings.rounds):
        progress(f"{_BARE}: throughput")
        seen, stored = _LOOP.backlog(Workload.SPARSE, sizes.sparse)
        check(stored.signals, sizes.sparse, "stored by the bare loop")
        found.add_throughput(_BARE, sizes.sparse / seconds(seen), sizes.sparse / stored.commits)
        progress(f"{_BARE}: latency")
        seen, _ = _LOOP.stream(Workload.SPARSE, int(_RATE * sizes.seconds), _RATE)
        found.add_latency(_BARE, seen)
        for workload in Workload:
            progress(f"{workload}: throughput")
            _throughput(workload, sizes.of(workload), found)
            progress(f"{workload}: latency")
            _latency(workload, sizes.seconds, found)
    about = _ABOUT.format(
        sparse=sizes.sparse,
        dense=sizes.dense,
        seconds=sizes.seconds,
        rate=_RATE,
        rounds=settings.rounds,
    )
    chart = Chart("signals/s", [(name, median(values)) for name, values in found.per_second.items()])
    return Report(TITLE, about, [_throughputs(found), _latencies(found)], chart, _aims(found))


def _throughput(workload: Workload, count: int, found: _Found) -> None:
    seen, committed = _ENGINE.backlog(workload, count)
    check_committed(committed, workload, count)
    per_second = count / seconds(seen, committed.booked_ns)
    found.add_throughput(workload, per_second, count / committed.records, committed.behind_s[READ_MODEL])


def _latency(workload: Workload, lasting_s: float, found: _Found) -> None:
    count = int(_RATE * lasting_s)
    seen, committed = _ENGINE.stream(workload, count, _RATE)
    check_committed(committed, workload, count)
    found.add_latency(workload, seen)


def _throughputs(found: _Found) -> Table:
    bare = found.per_second[_BARE]
    rows = []
    for name, values in found.per_second.items():
        behind = spread(found.behind[name], 1) if name in found.behind else ""
        rows.append((name, spread(values), spread(ratios(values, bare), 2), spread(found.batch[name]), behind))
    return Table(("throughput", "signals/s", "÷ bare loop", "signals a commit", "read model behind, s"), rows)


def _latencies(found: _Found) -> Table:
    rows = []
    for name, middles in found.p50.items():
        tails = found.p99[name]
        rows.append(
            (
                name,
                spread(middles, 1),
                spread(tails, 1),
                spread(ratios(middles, found.p50[_BARE]), 1),
                spread(ratios(tails, found.p99[_BARE]), 1),
            )
        )
    return Table((f"latency at {_RATE:,} signals/s", "p50 ms", "p99 ms", "p50 ÷ bare loop", "p99 ÷ bare loop"), rows)


def _aims(found: _Found) -> list[Aim]:
    share = median(ratios(found.per_second[Workload.SPARSE], found.per_second[_BARE]))
    return [Aim(f"{Workload.SPARSE}: at least half of the bare loop", f"{share:.0%}", share >= _SHARE)]
