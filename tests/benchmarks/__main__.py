"""Command line of the benchmarks."""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks import copies, core, end_to_end, exchange, leases, pods, simulate, soak, startup, stores
from tests.benchmarks.machine import describe
from tests.benchmarks.page import stamp, write_page
from tests.benchmarks.report import Report, show
from tests.benchmarks.settings import Settings

BENCHMARKS: dict[str, ModuleType] = {
    "core": core,
    "end_to_end": end_to_end,
    "stores": stores,
    "pods": pods,
    "copies": copies,
    "leases": leases,
    "soak": soak,
    "exchange": exchange,
    "simulate": simulate,
    "startup": startup,
}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def run(names: Sequence[str], settings: Settings, console: Console) -> list[Report]:
    """Run benchmarks one after the other and print what they find."""
    reports = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    for name in names:
        benchmark = BENCHMARKS[name]
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(name, total=settings.rounds * benchmark.STEPS_PER_ROUND, completed=-1)

            def tell(step: str, name: str = name, bar: Progress = bar, task: int = task) -> None:
                bar.update(task, advance=1, description=f"{name}: {step}")  # type: ignore[arg-type]

            report = benchmark.run(settings, tell)
        show(report, console)
        reports.append(report)
    return reports


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a tiny run: shows that the benchmarks work, no more")
    parser.add_argument("--rounds", type=int, default=3, help="how often subject and reference are measured in turn")
    parser.add_argument("--signals", type=int, default=100_000, help="how many the soak takes")
    parser.add_argument("--events", type=int, default=40_000, help="how many events the copies catch up with")
    parser.add_argument("--prices", action="append", default=[], metavar="SYMBOL=FILE", help="bars for simulate")
    parser.add_argument("--funding", action="append", default=[], metavar="SYMBOL=FILE", help="funding for simulate")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="keep the profiles of the pods there")
    parser.add_argument("--write", action="store_true", help="renew docs/benchmarks.md with the results")
    asked = parser.parse_args()
    names = asked.names or list(BENCHMARKS)
    if unknown := set(names) - BENCHMARKS.keys():
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; choose of {', '.join(BENCHMARKS)}")
    if asked.write and asked.quick:
        parser.error("--quick measures nothing that is worth writing down")
    settings = Settings(
        quick=asked.quick,
        rounds=1 if asked.quick else max(1, asked.rounds),
        signals=max(10_000, asked.signals),
        events=max(10_000, asked.events),
        profile=asked.profile,
        prices=_files("--prices", asked.prices, "*-1h-*.csv", parser),
        funding=_files("--funding", asked.funding, "*-funding-*.csv", parser),
    )
    console = Console()
    reports = run(names, settings, console)
    machine = describe()
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    if asked.write:
        command = f"make bench BENCH_ARGS={shlex.quote(shlex.join(_shown(sys.argv[1:])))}"
        titles = [benchmark.TITLE for benchmark in BENCHMARKS.values()]
        write_page(PAGE, reports, titles, stamp(f"{datetime.now(UTC):%Y-%m-%d}", machine, command))
        console.print(f"written: {PAGE}")
    return 0


def _files(option: str, given: Sequence[str], pattern: str, parser: argparse.ArgumentParser) -> dict[str, Path]:
    """Files named by an option; without it, those of the folder BENCH_PRICES_DIR that fit a pattern."""
    pairs = [text.partition("=") for text in given]
    folder = os.environ.get("BENCH_PRICES_DIR")
    if not pairs and folder:
        pairs = [(file.name.partition("-")[0], "=", str(file)) for file in sorted(Path(folder).glob(pattern))]
    for symbol, equals, file in pairs:
        if not (symbol and equals and Path(file).is_file()):
            parser.error(f"{option} {symbol}{equals}{file}: give SYMBOL=FILE with a file that exists")
    return {symbol: Path(file) for symbol, _, file in pairs}


def _shown(arguments: Sequence[str]) -> list[str]:
    """The arguments without this machine's paths."""
    return [re.sub(r"=[^=]*/", "=", argument) for argument in arguments]


if __name__ == "__main__":
    sys.exit(main())
