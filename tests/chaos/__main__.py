"""Chaos on real processes: ``python -m tests.chaos --minutes 10 --signals 20000``."""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Final

from scripts.devservices.folders import make_throw_away_folder
from tests.chaos.page import PAGE, report, write_page
from tests.chaos.plan import Pace
from tests.chaos.run import Order, play

_SHOWN: Final = 60
_PAGE: Final = Path(__file__).parents[2] / PAGE


def main() -> int:
    """Run the command; 1 if anything was not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long faults happen (10)")
    parser.add_argument("--signals", type=int, default=20_000, help="how many are sent meanwhile (20000)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="of the faults and the load")
    parser.add_argument(
        "--pause", default="4-16", metavar="S-S", help="seconds between two kills or freezes outside of storms (4-16)"
    )
    parser.add_argument("--write", action="store_true", help=f"write the figures to {PAGE}")
    asked = parser.parse_args()
    shortest, longest = map(float, asked.pause.split("-"))
    order = Order(asked.seed, asked.minutes * 60, asked.signals, Pace(pods=(shortest, longest)))
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"chaos: {time.monotonic() - began:5.0f} s  {line}", flush=True)

    print(f"chaos: --seed {order.seed}; logs are in {folder}", flush=True)
    servers = make_throw_away_folder()
    try:
        result = asyncio.run(play(order, folder, servers, say))
    except (AssertionError, TimeoutError):
        traceback.print_exc(file=sys.stdout)
        print(_last_faults(folder))
        print(f"chaos: --seed {order.seed} FAILED; logs and all faults: {folder}; the servers' data: {servers}")
        return 1
    shutil.rmtree(servers, ignore_errors=True)
    shutil.rmtree(folder)
    print(report(result))
    if asked.write:
        write_page(_PAGE, result)
        print(f"written to {_PAGE}")
    return 0


def _last_faults(folder: Path) -> str:
    found = folder / "faults.jsonl"
    lines = found.read_text(encoding="utf-8").splitlines(keepends=True) if found.exists() else []
    return "".join(["the last faults were\n", *lines[-_SHOWN:]])


if __name__ == "__main__":
    sys.exit(main())
