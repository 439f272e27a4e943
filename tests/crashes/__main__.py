"""Every point with every fate, with progress: ``python -m tests.crashes``."""

import argparse
import random
import secrets
import time
from typing import Final

from tests.crashes.choice import every
from tests.crashes.script import SCRIPT, SHORT
from tests.crashes.stage import staged

_EVERY: Final = 20


def main() -> None:
    """Strike the points that the command line asks for; the first that does not end in equality ends the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--script", choices=("short", "whole"), default="whole", help="what is played (whole)")
    parser.add_argument("--most", type=int, default=None, help="strike only so many")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="their order; chosen by itself")
    asked = parser.parse_args()
    script = SHORT if asked.script == "short" else SCRIPT
    began = time.monotonic()
    with staged() as stage:
        points = stage.points(script)
        strikes = every(points, random.Random(asked.seed))[: asked.most]
        print(f"crashes: {len(points)} points, {len(strikes)} strikes, --seed {asked.seed}", flush=True)
        for number, strike in enumerate(strikes, 1):
            stage.play(script, strike)
            if number % _EVERY == 0:
                print(f"crashes: {number} of {len(strikes)}, {time.monotonic() - began:.0f} s", flush=True)
    met = sum(strike.met for strike in strikes)
    print(f"crashes: equal after each of {len(strikes)}, {met} were met; {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
