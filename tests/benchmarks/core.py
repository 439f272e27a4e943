"""The core beside nautilus_trader: one signal to an attributed fill, one submission to a position event."""

from collections.abc import Sequence
from statistics import median

from tests.benchmarks import core_reference, core_subject
from tests.benchmarks.apart import result_of
from tests.benchmarks.core_subject import CoreTimes
from tests.benchmarks.figures import US, growth, percentile, ratios, spread
from tests.benchmarks.flow import STRATEGIES
from tests.benchmarks.report import Aim, Chart, Report, Table
from tests.benchmarks.settings import Progress, Settings

TITLE = "Core: one signal → events → fill → attribution"
STEPS_PER_ROUND = 4

_ABOUT = """\
{orders:,} market orders of 20 strategies on 50 symbols, one after the other; each opens, adds to or closes its
strategy's position. In the engine's time: the signal's input is made and decided, the order acknowledged and filled,
the fill attributed to the strategy position and the exchange position. With protection also: stop and target of the
position are planned and acknowledged, and those that they replace cancelled. Reading the signal's JSON and committing
the record are not in it; encoding the record for the journal is a row of its own.

The reference is nautilus_trader's backtest engine with {reference:,} orders of the same flow, from just before
`submit_order` to the strategy's position event: its risk and execution engines, simulated exchange, portfolio and
message bus. Making the order object is not in its time. It keeps no journal and attributes nothing to an exchange
position; it tracks margin, which the core does not, at a cost that grows with the strategies on an instrument: so it
is shown with 20 strategies (the same flow) and with one (its best case).

Median of {rounds} rounds (range), each in a process of its own, in turn. Growth: median of the last tenth of the orders
over that of the first, each from the round that disturbed it least."""


def run(settings: Settings, progress: Progress) -> Report:
    """Measure."""
    orders, reference = (2_000, 500) if settings.quick else (100_000, 10_000)
    plain: list[CoreTimes] = []
    protected: list[CoreTimes] = []
    one: list[list[int]] = []
    many: list[list[int]] = []
    for seed in range(settings.rounds):
        progress("the core without protection")
        plain.append(result_of("core", core_subject.measure, orders, seed, False))
        progress("nautilus_trader with one strategy")
        one.append(result_of("nautilus_trader", core_reference.measure, reference, seed, 1))
        progress("the core with stop and target")
        protected.append(result_of("core", core_subject.measure, orders, seed, True))
        progress("nautilus_trader with 20 strategies")
        many.append(result_of("nautilus_trader", core_reference.measure, reference, seed, len(STRATEGIES)))
    measured = {
        "engine": [times.decided for times in plain],
        "engine, with stop and target": [times.decided for times in protected],
        "journal's encoding": [times.encoded for times in plain],
        "journal's encoding, with stop and target": [times.encoded for times in protected],
        "nautilus_trader, 20 strategies": many,
        "nautilus_trader, one strategy": one,
    }
    rows = [_row(name, rounds, one) for name, rounds in measured.items()]
    return Report(
        TITLE,
        _ABOUT.format(orders=orders, reference=reference, rounds=settings.rounds),
        [Table(("per order", "p50 µs", "p99 µs", "growth", "p50 ÷ nautilus_trader's best"), rows)],
        Chart("p50 µs per order", [(name, median(_at(rounds, 0.5))) for name, rounds in measured.items()]),
        _aims(measured["engine"], measured["engine, with stop and target"]),
    )


def _row(name: str, rounds: Sequence[Sequence[int]], best: Sequence[Sequence[int]]) -> list[str]:
    middles, reference = _at(rounds, 0.5), _at(best, 0.5)
    return [
        name,
        spread(middles),
        spread(_at(rounds, 0.99)),
        f"{growth(rounds):.2f}",
        spread(ratios(middles, reference), 2),
    ]


def _at(rounds: Sequence[Sequence[int]], fraction: float) -> list[float]:
    return [percentile(times, fraction) / US for times in rounds]


def _aims(plain: Sequence[Sequence[int]], protected: Sequence[Sequence[int]]) -> list[Aim]:
    aims = []
    for name, rounds in (("", plain), (", with stop and target", protected)):
        middle, grown = median(_at(rounds, 0.5)), growth(rounds)
        aims.append(Aim(f"p50 at most 100 µs{name}", f"{middle:.0f} µs", middle <= 100))
        aims.append(Aim(f"growth at most 1.1{name}", f"{grown:.2f}", grown <= 1.1))
    return aims
