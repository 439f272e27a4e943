"""The way to the exchange and back: round trips, what the simulator takes, and how long a fill waits for its stop."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any
from urllib.request import Request, urlopen

from tests.benchmarks import exchange_server, order_rate, round_trips, stop_cycles
from tests.benchmarks.apart import Child, result_of
from tests.benchmarks.figures import MS, percentile, ratios, spread
from tests.benchmarks.report import Aim, Chart, Report, Table
from tests.benchmarks.settings import Progress, Settings
from tests.benchmarks.stop_cycles import HURRIED_EVERY, Cycled
from tests.support.cycles import LEGS

TITLE = "Exchange: orders over the wire, and from a fill to its live stop"
STEPS_PER_ROUND = 6

_START_S = 60.0
_STOP_MS = 50

_ABOUT = """\
Against `tradeengine simulator`, in a process of its own, on loopback.

Round trip: {trips:,} MARKET orders from placing to answer, through the `AsyncClient` of python-binance as it ships, and
as many bare `POST`s of aiohttp with the same parameters, one after the other in turn. The library signs within its
time; the bare body is signed before.

Orders a second: MARKET orders, each matched and told to nobody. Requests are signed and written out before, and sent
by a client that knows no more of HTTP than it needs. The reference is the simulator's core alone, in one process
without HTTP and signatures.

Fill to live stop: `tradeengine run` and the simulator as two processes. {cycles} times a strategy opens a position by
HTTP, with a stop and a target, and closes it; one cycle in {hurried} is closed as soon as it is held. The time runs
from the fill to the acceptance of its stop, by the exchange's own clock (its resolution is a millisecond), and has in
it the event's way, the decision, the commit of the record that plans the stop, and the stop's way. In the end {legs}
positions stay open. The reference does the same orders with a bare loop of aiohttp: it reads the user data stream,
stores each fill with one insert in SQLite (WAL, `synchronous=FULL`), and sends the stop; it takes no signals, decides
nothing and finds nothing again after a crash. The insert waits for the disk, which limits both; it is shown by itself.

Median of {rounds} rounds (range), subject and reference in turn."""

_LIBRARY, _POST = "python-binance", "bare POST"
_CORE, _SEQUENTIAL, _IN_FLIGHT = "core alone", "one connection", f"{order_rate.IN_FLIGHT} in flight"
_ENGINE, _BARE, _INSERT = "engine", "bare loop", "one durable insert"


@dataclass(frozen=True, slots=True)
class _Sizes:
    """How much is measured: orders of each way to send them, and cycles."""

    trips: int
    core: int
    http: int
    cycles: int


@dataclass(slots=True)
class _Found:
    """What the rounds found: milliseconds of orders and of stops, orders a second, and cycles."""

    trips: dict[str, list[list[int]]] = field(default_factory=lambda: {_LIBRARY: [], _POST: []})
    rates: dict[str, list[float]] = field(default_factory=lambda: {_CORE: [], _SEQUENTIAL: [], _IN_FLIGHT: []})
    cycled: dict[str, list[Cycled]] = field(default_factory=lambda: {_ENGINE: [], _BARE: []})


def run(settings: Settings, progress: Progress) -> Report:
    """Measure."""
    sizes = _Sizes(50, 500, 200, 6) if settings.quick else _Sizes(2_000, 20_000, 5_000, 500)
    found = _Found()
    for _ in range(settings.rounds):
        progress("round trips")
        with _server() as url:
            trips = result_of("the client", round_trips.measure, url, sizes.trips)
        found.trips[_LIBRARY].append(trips.library)
        found.trips[_POST].append(trips.bare)
        progress(f"orders a second: {_CORE}")
        found.rates[_CORE].append(result_of("the core", order_rate.core_alone, sizes.core))
        for name, in_flight in ((_SEQUENTIAL, 1), (_IN_FLIGHT, order_rate.IN_FLIGHT)):
            progress(f"orders a second: {name}")
            with _server() as url:
                found.rates[name].append(result_of("the load", order_rate.over_http, url, sizes.http, in_flight))
        progress(f"fill to live stop: {_ENGINE}")
        found.cycled[_ENGINE].append(stop_cycles.through_engine(sizes.cycles))
        progress(f"fill to live stop: {_BARE}")
        found.cycled[_BARE].append(stop_cycles.through_bare_loop(sizes.cycles))
    about = _ABOUT.format(
        trips=sizes.trips,
        cycles=sizes.cycles,
        hurried=HURRIED_EVERY,
        legs=len(LEGS),
        rounds=settings.rounds,
    )
    tables = [_trip_table(found.trips), _rate_table(found.rates), _stop_table(found.cycled), _cycle_table(found.cycled)]
    chart = Chart("orders/s", [(name, median(rates)) for name, rates in found.rates.items()])
    return Report(TITLE, about, tables, chart, _aims(found, sizes.cycles))


@contextmanager
def _server() -> Iterator[str]:
    """A fresh exchange; its address."""
    with Child("the exchange", exchange_server.serve) as server:
        url = str(server.hear(_START_S))
        document = exchange_server.setup_of()
        document["options"] |= exchange_server.ROOMY
        _post(f"{url}/sim/reset", document)
        yield url
        server.tell("stop")
        server.hear(_START_S)


def _post(url: str, document: Any) -> None:
    with urlopen(Request(url, data=json.dumps(document).encode(), method="POST")) as answer:
        answer.read()


def _trip_table(trips: Mapping[str, Sequence[Sequence[int]]]) -> Table:
    return _time_table("order round trip", {name: _in_ms(rounds, MS) for name, rounds in trips.items()}, _POST, 2)


def _stop_table(cycled: Mapping[str, Sequence[Cycled]]) -> Table:
    measured = {name: _in_ms([each.stop_ms for each in rounds], 1) for name, rounds in cycled.items()}
    measured[_INSERT] = _in_ms([each.stored_ns for each in cycled[_BARE]], MS)
    return _time_table("fill to live stop", measured, _BARE, 1)


def _in_ms(rounds: Sequence[Sequence[int]], unit: int) -> tuple[list[float], list[float]]:
    """Medians and 99th percentiles of the rounds, in milliseconds of so many units."""
    at_half = [percentile(times, 0.5) / unit for times in rounds]
    return at_half, [percentile(times, 0.99) / unit for times in rounds]


def _time_table(
    title: str, measured: Mapping[str, tuple[Sequence[float], Sequence[float]]], reference: str, digits: int
) -> Table:
    middle, tail = measured[reference]
    rows = [
        (
            name,
            spread(middles, digits),
            spread(tails, digits),
            spread(ratios(middles, middle), 2),
            spread(ratios(tails, tail), 2),
        )
        for name, (middles, tails) in measured.items()
    ]
    return Table((title, "p50 ms", "p99 ms", f"p50 ÷ {reference}", f"p99 ÷ {reference}"), rows)


def _rate_table(rates: Mapping[str, Sequence[float]]) -> Table:
    rows = [
        (name, spread(per_second), spread(ratios(per_second, rates[_CORE]), 2)) for name, per_second in rates.items()
    ]
    return Table(("simulator", "orders/s", f"÷ {_CORE}"), rows)


def _cycle_table(cycled: Mapping[str, Sequence[Cycled]]) -> Table:
    reference = [each.per_second for each in cycled[_BARE]]
    rows = []
    for name, rounds in cycled.items():
        per_second = [each.per_second for each in rounds]
        rows.append(
            (
                name,
                spread(per_second, 1),
                spread(ratios(per_second, reference), 2),
                spread([each.resting / each.held for each in rounds], 2),
            )
        )
    return Table(("open and close", "cycles/s", f"÷ {_BARE}", "live algo orders per open position"), rows)


def _aims(found: _Found, cycles: int) -> list[Aim]:
    engine = found.cycled[_ENGINE]
    tail = median(percentile(each.stop_ms, 0.99) for each in engine)
    left = ", ".join(sorted({f"{each.resting} for {each.held} positions" for each in engine}))
    exact = all((each.resting, each.held) == (2 * len(LEGS), len(LEGS)) for each in engine)
    return [
        Aim(f"fill to live stop, p99 at most {_STOP_MS} ms", f"{tail:.0f} ms", tail <= _STOP_MS),
        Aim(f"{cycles} cycles end with exactly two live algo orders per open position", left, exact),
    ]
