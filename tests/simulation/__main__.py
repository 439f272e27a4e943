"""Play many histories: ``python -m tests.simulation --seeds 2000``, or show one: ``--show 17``."""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from tests.simulation.campaign import Failure, Total, run
from tests.simulation.history import play
from tests.simulation.plan import make_plan
from tests.simulation.progress import Progress

_LINES: Final = 120


def main() -> int:
    """Run the command; 1 if a history failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many histories")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="keep progress there, and play nothing again that it has"
    )
    parser.add_argument("--show", type=int, metavar="SEED", help="play one history and print its whole timeline")
    parser.add_argument(
        "--only", metavar="N,N", help="with --show: only these of its faults, counted from 0; - for none"
    )
    arguments = parser.parse_args()
    if arguments.show is not None:
        return _show(arguments.show, arguments.only)
    told = 0

    def progress(total: Total, seconds: float) -> None:
        nonlocal told
        _progress(total, arguments.seeds, seconds)
        for failure in total.failures[told:]:
            _tell(failure)
        told = len(total.failures)

    kept = Progress(arguments.resume) if arguments.resume is not None else None
    total = run(arguments.first, arguments.seeds, arguments.jobs, progress, kept=kept)
    _sum_up(total)
    return 1 if total.failures else 0


def _show(seed: int, only: str | None) -> int:
    plan = make_plan(seed)
    if only is not None:
        chosen = [int(number) for number in only.split(",") if number != "-"]
        plan = make_plan(seed, tuple(plan.faults[number] for number in chosen))
    outcome = play(plan, keeps_log=True)
    sys.stdout.write(outcome.timeline)
    for text in outcome.wrong:
        print(f"WRONG {text}")
    print(f"seed {seed}: {'failed' if outcome.wrong else 'all is well'} after {outcome.lasted_s:.1f} virtual seconds")
    return 1 if outcome.wrong else 0


def _progress(total: Total, seeds: int, seconds: float) -> None:
    if sys.stderr.isatty() or total.histories % 50 == 0 or total.histories == seeds:
        text = (
            f"{total.histories}/{seeds} histories, {total.histories / max(seconds, 0.001):.1f}/s, "
            f"{len(total.failures)} failed"
        )
        print(f"\r{text}" if sys.stderr.isatty() else text, end="" if sys.stderr.isatty() else "\n", file=sys.stderr)


def _tell(failure: Failure) -> None:
    faults = make_plan(failure.seed).faults
    only = ",".join(str(faults.index(fault)) for fault in failure.plan.faults) or "-"
    print(f"seed {failure.seed} fails with {len(failure.plan.faults)} of its {len(faults)} faults:")
    for fault in failure.plan.faults:
        print(f"  {fault}")
    for text in failure.wrong:
        print(f"  WRONG {text}")
    lines = failure.timeline.splitlines()
    print(f"  the last {min(_LINES, len(lines))} of {len(lines)} lines; all: --show {failure.seed} --only {only}")
    print("\n".join(f"  {line[:240]}" for line in lines[-_LINES:]), end="\n\n", flush=True)


def _sum_up(total: Total) -> None:
    print(f"{total.histories} histories, {total.histories / max(total.cpu_s, 0.001):.1f}/s on one core, ", end="")
    print(f"{len(total.failures)} failed: {[failure.seed for failure in total.failures]}")
    print("faults that happened:")
    print("\n".join(total.table()))
    print("in all histories:")
    print("\n".join(f"  {name:<20} {value:>7}" for name, value in sorted(total.figures.items())))


if __name__ == "__main__":
    sys.exit(main())
