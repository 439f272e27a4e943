"""A backtest beside the mere reading of its prices."""

import csv
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from time import perf_counter_ns

from contracts.values import iso_millis
from tests.benchmarks.apart import result_of
from tests.benchmarks.figures import ratios, spread
from tests.benchmarks.report import Report, Table
from tests.benchmarks.settings import Progress, Settings
from tradeengine.runtime.bars import read_bars
from tradeengine.runtime.demo.presets import BAR_STRATEGIES
from tradeengine.runtime.demo.sample import write_sample
from tradeengine.runtime.demo.signals import write_example_signals

TITLE = "Simulation: bars a second"
STEPS_PER_ROUND = 2 * len(BAR_STRATEGIES)

_DAYS = 622
_SEED = 1
_S = 1_000_000_000

_ABOUT = """\
`tradeengine simulate` over {prices}:
{bars:,} bars, with the signals of each strategy that ships as an example. It is the whole command, from the start of
the interpreter: reading, deciding, journal, read model and result on disk. The reference reads the same prices alone,
in the same run, with `csv` and `Decimal`, in a process that is already up. Median of {rounds} rounds (range)."""


def run(settings: Settings, progress: Progress) -> Report:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="tradeengine-bench-") as name:
        folder = Path(name)
        prices, funding, called = _inputs(settings, folder)
        signals = {strategy: folder / f"{strategy}.jsonl" for strategy in BAR_STRATEGIES}
        counts = {strategy: write_example_signals(prices, strategy, file) for strategy, file in signals.items()}
        simulated: dict[str, list[float]] = {strategy: [] for strategy in BAR_STRATEGIES}
        read: dict[str, list[float]] = {strategy: [] for strategy in BAR_STRATEGIES}
        printed: dict[str, str] = {}
        bars = 0
        for _ in range(settings.rounds):
            for strategy in BAR_STRATEGIES:
                progress("reading alone")
                bars, reading = result_of("the reader", read_alone, list(prices.values()))
                progress(strategy)
                took, printed[strategy] = _simulate(folder, prices, funding, signals[strategy])
                read[strategy].append(bars / reading * _S)
                simulated[strategy].append(bars / took * _S)
    rows = [
        (f"simulate, {strategy}", f"{counts[strategy]:,}", spread(rates), spread(ratios(rates, read[strategy]), 3))
        for strategy, rates in simulated.items()
    ]
    alone = [rate for rates in read.values() for rate in rates]
    rows.append(("reading alone", "", spread(alone), "1.000"))
    about = _ABOUT.format(prices=called, bars=bars, rounds=settings.rounds)
    return Report(TITLE, about, [Table(("", "signals", "bars/s", "÷ reading alone"), rows)], printed=printed)


def read_alone(files: Sequence[Path]) -> tuple[int, int]:
    """Read prices and nothing else; return the number of bars, and the nanoseconds that it took."""
    begun, bars = perf_counter_ns(), 0
    for file in files:
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                _ = [Decimal(row[column]) for column in ("open", "high", "low", "close")]
                bars += 1
    return bars, perf_counter_ns() - begun


def _inputs(settings: Settings, folder: Path) -> tuple[Mapping[str, Path], Mapping[str, Path], str]:
    if settings.prices:
        return settings.prices, settings.funding, f"recorded {_described(settings.prices)}"
    days = 30 if settings.quick else _DAYS
    files = write_sample(folder, _SEED, days)
    prices = {file.name.partition("-")[0]: file for file in files if file.stem.endswith("-1h")}
    funding = {file.name.partition("-")[0]: file for file in files if file.stem.endswith("-funding-8h")}
    return prices, funding, f"made-up {_described(prices)}"


def _described(prices: Mapping[str, Path]) -> str:
    times = [bar.time_ms for file in prices.values() for bar in read_bars(file)]
    first, last = (iso_millis(time)[:10] for time in (min(times), max(times)))
    return f"prices of {' and '.join(prices)} from {first} to {last}"


def _simulate(folder: Path, prices: Mapping[str, Path], funding: Mapping[str, Path], signals: Path) -> tuple[int, str]:
    """Run the command; return its nanoseconds, and itself with what it printed."""
    command = [str(Path(sys.executable).parent / "tradeengine"), "simulate", "--signals", signals.name]
    for option, files in (("--prices", prices), ("--funding", funding)):
        for symbol, file in files.items():
            command += [option, f"{symbol}={file.absolute()}"]
    command += ["--store", "store", "--result", "result.json", "--taker-fee", "0.0005", "--maker-fee", "0.0002"]
    shown = shlex.join(["tradeengine", *[re.sub(r"=/.*/", "=", word) for word in command[1:]]])
    begun = perf_counter_ns()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    took = perf_counter_ns() - begun
    if done.returncode:
        raise RuntimeError(f"tradeengine simulate failed with {done.returncode}: {done.stderr or done.stdout}")
    return took, f"$ {shown}\n{done.stdout}"
