"""Stores: the engine with JetStream, MongoDB and MySQL, beside the bare loop on the same servers."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from tests.benchmarks import append_times, bare_loop, databases, engine_process
from tests.benchmarks.apart import result_of
from tests.benchmarks.append_times import BARE as ONE_INSERT
from tests.benchmarks.append_times import ORDERS
from tests.benchmarks.figures import MS, percentile, ratios, spread
from tests.benchmarks.flights import Flight, check, check_committed, latencies, seconds
from tests.benchmarks.load import SHARDS
from tests.benchmarks.report import Aim, Chart, Report, Table
from tests.benchmarks.settings import Progress, Settings
from tests.benchmarks.signals import Workload
from tests.support.toxiproxy import Toxiproxy
from tradeengine.runtime.copies import MYSQL, READ_MODEL

TITLE = "Stores: the engine with JetStream, MongoDB and MySQL"
STEPS_PER_ROUND = 11

BARE: Final = "bare loop"
COMMIT: Final = "its commits"
WITH: Final = "with MySQL"
WITHOUT: Final = "without MySQL"
HUNG: Final = "with MySQL blackholed"
_SPARSE: Final = "1 order in 50"
_DENSE: Final = "an order each"
_NAMES: Final = {Workload.SPARSE: _SPARSE, Workload.DENSE: _DENSE}
_LEAST_RATE: Final = 50

_ABOUT = """\
The service of `tradeengine run` in a process of its own, with {shards} shards, JetStream (file storage, a sync for
every message), journal, leases and read model on MongoDB, the copy on MySQL, metrics and paper venue, without HTTP. The
servers are those of the tests (`tests/support/services.py`); they and the load share this machine's processors, so
whatever one of them takes the others lack.

The bare loop is `fetch(500)` of nats-py, one `insert_many` a batch (a document a signal, majority, journaled) into the
same MongoDB with the same client, and an acknowledgement of every message. It does not look into the messages.

Throughput: {sparse:,} signals ({dense:,} where each calls for an order) are stored first; the time runs from the
consumer's first request to the last acknowledgement and, where there are orders, the last booked fill. Lasting: the
time runs until both copies had everything too, so it is what the engine and these servers can do all day.

Latency: from publication to the acknowledgement's passing the server, which follows the decision's commit, for
{lasting:g} s at half of what lasts with MySQL in the same round: {rates}. The bare loop gets the same signals at the
rate of the first, and each of its `insert_many` is one bare commit under that load. Blackholed: everything to and from
MySQL is swallowed from before the first signal until after the last acknowledgement, and it catches up afterwards.

Commits: {count:,} of each kind in turn in one process with nothing else to do, a record with {orders} orders that
filled. The reference is one `insert_one` of the same bytes.

Each signal's decision and each order's fill is counted in the journal. Median of {rounds} rounds (range), in turn."""


@dataclass(frozen=True, slots=True)
class _Sizes:
    sparse: int
    dense: int
    lasting_s: float
    commits: int


@dataclass(slots=True)
class _Found:
    """What the rounds found, by name: signals a second, seconds behind by copy, milliseconds, nanoseconds."""

    per_second: dict[str, list[float]] = field(default_factory=dict)
    lasting: dict[str, list[float]] = field(default_factory=dict)
    batch: dict[str, list[float]] = field(default_factory=dict)
    behind: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    p50: dict[str, list[float]] = field(default_factory=dict)
    p99: dict[str, list[float]] = field(default_factory=dict)
    commits: dict[str, list[list[int]]] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)

    def add_latency(self, name: str, p50: float, p99: float) -> None:
        self.p50.setdefault(name, []).append(p50)
        self.p99.setdefault(name, []).append(p99)

    def half(self, workload: Workload) -> float:
        """Half of what the engine could do all day in this round, with MySQL."""
        rate = max(_LEAST_RATE, self.lasting[_name(workload, WITH)][-1] // 20 * 10)
        self.rates.setdefault(_NAMES[workload], []).append(rate)
        return rate


def run(settings: Settings, progress: Progress) -> Report:
    """Measure."""
    sizes = _Sizes(400, 200, 0.5, 20) if settings.quick else _Sizes(20_000, 6_000, 6, 300)
    found = _Found()
    for _ in range(settings.rounds):
        # First: a server that has just started is slow, and nobody's figures are to suffer from it.
        progress("commits")
        with databases.mongodb() as asked:
            for name, times in result_of("the commits", append_times.commits, asked, sizes.commits).items():
                found.commits.setdefault(name, []).append(times)
        _throughputs(found, sizes, progress)
        _latencies(found, sizes, progress)
    about = _ABOUT.format(
        shards=SHARDS,
        sparse=sizes.sparse,
        dense=sizes.dense,
        lasting=sizes.lasting_s,
        rates=", ".join(f"{spread(rates)} signals a second ({name})" for name, rates in found.rates.items()),
        count=sizes.commits,
        orders=ORDERS,
        rounds=settings.rounds,
    )
    chart = Chart("signals/s", [(name, median(values)) for name, values in found.per_second.items()])
    tables = [_throughput_table(found), _latency_table(found), _commit_table(found)]
    return Report(TITLE, about, tables, chart, _aims(found))


def _throughputs(found: _Found, sizes: _Sizes, progress: Progress) -> None:
    progress(f"{BARE}: throughput")
    with databases.mongodb() as asked:
        seen, stored = Flight(bare_loop.work, asked).backlog(Workload.SPARSE, sizes.sparse)
    check(stored.signals, sizes.sparse, "stored by the bare loop")
    found.per_second.setdefault(BARE, []).append(sizes.sparse / seconds(seen))
    found.lasting.setdefault(BARE, []).append(sizes.sparse / seconds(seen))
    found.batch.setdefault(BARE, []).append(sizes.sparse / stored.commits)
    for workload, count in ((Workload.SPARSE, sizes.sparse), (Workload.DENSE, sizes.dense)):
        for how in (WITH, WITHOUT):
            name = _name(workload, how)
            progress(f"{name}: throughput")
            with _engine(how) as flight:
                seen, committed = flight.backlog(workload, count)
            check_committed(committed, workload, count)
            took = seconds(seen, committed.booked_ns)
            found.per_second.setdefault(name, []).append(count / took)
            found.lasting.setdefault(name, []).append(count / (took + max(committed.behind_s.values())))
            found.batch.setdefault(name, []).append(count / committed.records)
            for copy, behind_s in committed.behind_s.items():
                found.behind.setdefault(name, {}).setdefault(copy, []).append(behind_s)


def _latencies(found: _Found, sizes: _Sizes, progress: Progress) -> None:
    rate = found.half(Workload.SPARSE)
    progress(f"{BARE}: latency")
    with databases.mongodb() as asked:
        seen, stored = Flight(bare_loop.work, asked).stream(Workload.SPARSE, int(rate * sizes.lasting_s), rate)
    found.add_latency(BARE, *latencies(seen))
    times = stored.times[len(stored.times) // 10 :]
    found.add_latency(COMMIT, percentile(times, 0.5) / MS, percentile(times, 0.99) / MS)
    runs = [(Workload.SPARSE, how, rate) for how in (WITH, WITHOUT, HUNG)]
    for workload, how, per_second in (*runs, (Workload.DENSE, WITH, found.half(Workload.DENSE))):
        name = _name(workload, how)
        progress(f"{name}: latency")
        count = int(per_second * sizes.lasting_s)
        with _engine(how) as flight:
            seen, committed = flight.stream(workload, count, per_second)
        check_committed(committed, workload, count)
        found.add_latency(name, *latencies(seen))


@contextmanager
def _engine(how: str) -> Iterator[Flight]:
    """Run the engine on empty databases."""
    with ExitStack() as stack:
        asked = stack.enter_context(databases.mongodb())
        if how == WITHOUT:
            yield Flight(engine_process.work, asked)
            return
        mysql = stack.enter_context(databases.mysql())
        if how == WITH:
            yield Flight(engine_process.work, {**asked, **mysql})
            return
        proxy = stack.enter_context(Toxiproxy()).proxy(mysql["MYSQL_URI"])
        through = {**asked, "MYSQL_URI": proxy.url}
        yield Flight(engine_process.work, through, before=proxy.timeout, after=proxy.clear)


def _name(workload: Workload, how: str) -> str:
    return f"{_NAMES[workload]}, {how}"


def _throughput_table(found: _Found) -> Table:
    rows = []
    for name, values in found.per_second.items():
        behind = found.behind.get(name, {})
        late = [spread(behind[copy], 1) if copy in behind else "" for copy in (READ_MODEL, MYSQL)]
        ratio, lasting = spread(ratios(values, found.per_second[BARE]), 2), spread(found.lasting[name])
        rows.append((name, spread(values), ratio, lasting, spread(found.batch[name]), *late))
    columns = (
        "throughput",
        "signals/s",
        f"÷ {BARE}",
        "lasting signals/s",
        "signals a record",
        "read model behind, s",
        "MySQL behind, s",
    )
    return Table(columns, rows)


def _latency_table(found: _Found) -> Table:
    rows = []
    for name, middles in found.p50.items():
        tails = found.p99[name]
        shares = [spread(ratios(middles, found.p50[COMMIT]), 2), spread(ratios(tails, found.p99[COMMIT]), 2)]
        rows.append((f"{BARE}, {name}" if name == COMMIT else name, spread(middles, 1), spread(tails, 1), *shares))
    return Table(("latency at half load", "p50 ms", "p99 ms", "p50 ÷ bare commit", "p99 ÷ bare commit"), rows)


def _commit_table(found: _Found) -> Table:
    middles = {name: [percentile(times, 0.5) / MS for times in rounds] for name, rounds in found.commits.items()}
    rows = [
        (
            name,
            spread(middles[name], 2),
            spread([percentile(times, 0.99) / MS for times in rounds], 2),
            spread(ratios(middles[name], middles[ONE_INSERT]), 2),
        )
        for name, rounds in found.commits.items()
    ]
    return Table(("commit", "p50 ms", "p99 ms", f"p50 ÷ {ONE_INSERT}"), rows)


def _aims(found: _Found) -> list[Aim]:
    sparse, off, hung = (_name(Workload.SPARSE, how) for how in (WITH, WITHOUT, HUNG))
    rate, p50, p99 = found.per_second, found.p50, found.p99

    def aim(text: str, ours: Sequence[float], theirs: Sequence[float], *, least: float = 0, most: float = 1e9) -> Aim:
        ratio = median(ratios(ours, theirs))
        return Aim(text, f"{ratio:.2f}", least <= ratio <= most)

    return [
        aim(f"{_SPARSE}: at least half of the bare loop", rate[sparse], rate[BARE], least=0.5),
        aim(f"{_SPARSE}: with MySQL within a tenth of without it", rate[sparse], rate[off], least=0.9),
        aim("at half load, p50 at most 2.5 × a bare commit", p50[sparse], p50[COMMIT], most=2.5),
        aim("at half load, p99 at most 5 × a bare commit", p99[sparse], p99[COMMIT], most=5),
        aim("MySQL blackholed: p99 at most 1.2 × the one without MySQL", p99[hung], p99[off], most=1.2),
    ]
