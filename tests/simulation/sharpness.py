"""Take safeties out of a copy, one at a time: in how many histories the simulation notices each.

``python -m tests.simulation.sharpness`` prints the table, for those that the command line names or for all.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from tests.mutants.__main__ import Copy
from tests.mutants.mutant import Mutant
from tests.simulation.campaign import shrunk
from tests.simulation.history import play
from tests.simulation.mutants import SHARPNESS
from tests.simulation.plan import make_plan

_WITHIN: Final = 500
_LONGEST_S: Final = 1_800
_TEXT: Final = 110


class Found(NamedTuple):
    """What the simulation found of a mutant.

    Parameters
    ----------
    seed
        Of the first history that failed; ``None`` if none did.
    histories
        That were played, that one included.
    wrong
        What was wrong in it.
    faults
        Kinds of the faults that it takes; none: it fails although nothing goes wrong.
    """

    seed: int | None
    histories: int
    wrong: str
    faults: str


def search(first: int, most: int) -> Found:
    """Play histories until one fails; its faults are shrunk."""
    for seed in range(first, first + most):
        outcome = play(make_plan(seed))
        if outcome.wrong:
            failure = shrunk(make_plan(seed))
            kinds = Counter(fault.kind for fault in failure.plan.faults)
            return Found(seed, seed - first + 1, (failure.wrong or outcome.wrong)[0], ", ".join(kinds) or "none")
    return Found(None, most, "", "")


class Bench:
    """A copy of the project, out of which safeties are taken."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._copy = Copy(folder)

    def try_out(self, mutants: Sequence[Mutant], first: int, most: int) -> Found:
        """Take safeties out together, search, and put them back.

        Raises
        ------
        RuntimeError
            If the histories could not be played.
        """
        kept: dict[Path, str] = {}
        try:
            for mutant in mutants:
                file = self._root / mutant.file
                kept.setdefault(file, file.read_text(encoding="utf-8"))
                file.write_text(mutant.applied(self._root), encoding="utf-8")
            return self._search(first, most)
        finally:
            for file, text in kept.items():
                file.write_text(text, encoding="utf-8")

    def _search(self, first: int, most: int) -> Found:
        command = [sys.executable, "-m", "tests.simulation.sharpness", "--search", str(first), str(most)]
        env = os.environ | {"PYTHONPATH": str(self._root), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
        done = subprocess.run(
            command, cwd=self._root, env=env, capture_output=True, text=True, timeout=_LONGEST_S, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"the histories could not be played:\n{done.stderr[-2000:]}")
        return Found(**json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Try out mutants; 1 if one of them is not noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.sharpness", description=__doc__)
    by_name = {mutant.name: mutant for mutant in SHARPNESS}
    parser.add_argument("names", nargs="*", metavar="NAME", help="several with + between are taken out together")
    parser.add_argument("--within", type=int, default=_WITHIN, help="histories in which each must be noticed")
    parser.add_argument("--first", type=int, default=0, help="seed of the first history")
    parser.add_argument("--search", nargs=2, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.search:
        print(json.dumps(search(*arguments.search)._asdict()))
        return 0
    together = [name.split("+") for name in arguments.names or by_name]
    if unknown := {name for names in together for name in names} - by_name.keys():
        parser.error(f"there is no mutant {', '.join(sorted(unknown))}; there are {', '.join(by_name)}")
    survived = 0
    with tempfile.TemporaryDirectory(prefix="tradeengine-sharpness-") as folder:
        bench = Bench(Path(folder))
        print("| taken out | seed | histories | what was wrong | with the faults |\n|---|---|---|---|---|", flush=True)
        for names in together:
            began = monotonic()
            found = bench.try_out([by_name[name] for name in names], arguments.first, arguments.within)
            survived += found.seed is None
            seed = "survives" if found.seed is None else found.seed
            wrong = found.wrong.replace("|", "/").replace("\n", " ")[:_TEXT]
            print(f"| {' + '.join(names)} | {seed} | {found.histories} | {wrong} | {found.faults} |", flush=True)
            print(f"{' + '.join(names)}: {monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
