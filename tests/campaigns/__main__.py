"""The whole campaign, with progress: ``make campaign``."""

import argparse
import secrets
import time
from collections import Counter

from hypothesis import settings

from tests.campaigns.campaign import campaign

_EVERY = 20


def main() -> None:
    """Play the examples that the command line asks for; a failure is told as hypothesis tells it, and ends the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=2_000, help="how many (2,000)")
    parser.add_argument("--steps", type=int, default=30, help="of each example (30)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="repeats a run; chosen by itself")
    asked = parser.parse_args()
    settings.register_profile("campaign", print_blob=True, report_multiple_bugs=False)
    settings.load_profile("campaign")
    print(f"campaign: {asked.examples} examples of {asked.steps} steps, --seed {asked.seed}", flush=True)
    began = time.monotonic()

    def tell(done: Counter[str]) -> None:
        if done["examples"] % _EVERY == 0:
            print(
                f"campaign: {done['examples']} of {asked.examples} examples, {done['steps']} steps, "
                f"{done['OrderPlanned']} orders, {done['OrderFilled']} fills, {time.monotonic() - began:.0f} s",
                flush=True,
            )

    with campaign() as made:
        try:
            made.run(asked.examples, asked.steps, asked.seed, tell)
        finally:
            for name, count in sorted(made.done.items()):
                print(f"{count:>9}  {name}")
    print(
        f"campaign: equal after every one of {made.done['steps']} steps; {time.monotonic() - began:.0f} s", flush=True
    )


if __name__ == "__main__":
    main()
