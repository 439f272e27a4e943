"""Command line of the mutants."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.mutants.mutant import Mutant
from tests.mutants.table import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
_COPIED = ("contracts", "shared", "tradeengine", "tests", "scripts", "pyproject.toml", "docs", "README.md")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", "*.sqlite*")
# More than what a test waits for what never comes (tests/support/deadline.py).
_TEST_S = 90
_MUTANT_S = 180
_BASELINE_S = 900
_FAILED = 1


class Verdict(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    STUCK = "killed: the tests did not end"
    BROKEN = "broken: the tests could not run"
    OUTDATED = "outdated: its old text is gone"

    @property
    def good(self) -> bool:
        """Whether a test noticed."""
        return self in (Verdict.KILLED, Verdict.STUCK)


class Outcome(NamedTuple):
    """A mutant, its verdict, what the tests printed, and how long they took in seconds."""

    mutant: Mutant
    verdict: Verdict
    said: str
    seconds: float


class Copy:
    """A copy of the working tree, in which one safety at a time is taken out.

    Parameters
    ----------
    folder
        Empty.
    """

    def __init__(self, folder: Path) -> None:
        self._root = folder
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=_LEFT_OUT)
            elif source.exists():
                shutil.copy2(source, folder / name)

    def test(self, selection: Sequence[str], seconds: float) -> tuple[int | None, str]:
        """Run tests on the copy; pytest's exit code, ``None`` if it did not end in time, and what it printed."""
        command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", f"--timeout={_TEST_S}", *selection]
        # Compiled files are told apart by time and size only: a mutant might run as the one before it.
        env = os.environ | {
            "PYTHONPATH": str(self._root),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_PROFILE": "quick",
            "PYTEST_ADDOPTS": "",
        }
        try:
            done = subprocess.run(
                command, cwd=self._root, env=env, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            return None, f"the tests did not end in {seconds:.0f} s"
        return done.returncode, done.stdout + done.stderr

    def imported_from(self) -> Path:
        """Where the tests' code is imported from."""
        command = [sys.executable, "-c", "import tradeengine; print(tradeengine.__file__)"]
        env = os.environ | {"PYTHONPATH": str(self._root), "PYTHONDONTWRITEBYTECODE": "1"}
        said = subprocess.run(command, cwd=self._root, env=env, capture_output=True, text=True, check=True).stdout
        return Path(said.strip())

    def try_out(self, mutant: Mutant) -> Outcome:
        """Take a safety out, run the tests that must notice, and put it back."""
        file = self._root / mutant.file
        begun = monotonic()
        try:
            changed = mutant.applied(self._root)
        except (LookupError, OSError) as error:
            return Outcome(mutant, Verdict.OUTDATED, str(error), 0)
        kept = file.read_text(encoding="utf-8")
        file.write_text(changed, encoding="utf-8")
        try:
            code, said = self.test(mutant.tests, _MUTANT_S)
        finally:
            file.write_text(kept, encoding="utf-8")
        verdicts = {None: Verdict.STUCK, 0: Verdict.SURVIVED, _FAILED: Verdict.KILLED}
        return Outcome(mutant, verdicts.get(code, Verdict.BROKEN), said, monotonic() - begun)


def run(mutants: Sequence[Mutant], console: Console) -> list[Outcome]:
    """Try mutants out, one after the other.

    Raises
    ------
    RuntimeError
        If the tests fail with every safety in place: then their failing would say nothing.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="tradeengine-mutants-") as name,
        Progress(*columns, console=console, transient=True) as bar,
    ):
        copy = Copy(Path(name))
        task = bar.add_task("the tests as they are", total=len(mutants) + 1)
        if not copy.imported_from().is_relative_to(Path(name).resolve()):
            raise RuntimeError(f"the tests would import {copy.imported_from()} and not the copy in {name}")
        selection = dict.fromkeys(test for mutant in mutants for test in mutant.tests)
        code, said = copy.test(list(selection), _BASELINE_S)
        if code != 0:
            raise RuntimeError(f"the tests fail with every safety in place; mend them first:\n{said[-4000:]}")
        outcomes = []
        for mutant in mutants:
            bar.update(task, advance=1, description=mutant.name)
            outcomes.append(copy.try_out(mutant))
            if not outcomes[-1].verdict.good:
                console.print(f"[red]{mutant.name}: {outcomes[-1].verdict}", highlight=False)
        return outcomes


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print what became of each mutant, and why of those that nobody noticed."""
    table = Table(show_edge=False)
    for column in ("mutant", "taken out", "verdict", "s"):
        table.add_column(column, justify="right" if column == "s" else "left")
    for outcome in outcomes:
        style = "green" if outcome.verdict.good else "red"
        mutant = outcome.mutant
        table.add_row(mutant.name, mutant.safety, f"[{style}]{outcome.verdict}", f"{outcome.seconds:.0f}")
    console.print(table)
    for outcome in outcomes:
        if not outcome.verdict.good:
            where = f"{outcome.mutant.file}, held by {', '.join(outcome.mutant.tests)}"
            console.print(f"{outcome.mutant.name}: {outcome.verdict}; {where}\n{outcome.said[-2000:]}", markup=False)
    killed = sum(outcome.verdict.good for outcome in outcomes)
    console.print(
        f"{killed} of {len(outcomes)} mutants were noticed", style="green" if killed == len(outcomes) else "red"
    )


def main() -> int:
    """Try out the mutants that the command line names; 1 if one survives, 2 if they cannot be tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    names = [mutant.name for mutant in MUTANTS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all by default")
    asked = parser.parse_args().names
    if unknown := set(asked) - set(names):
        parser.error(f"there is no mutant {', '.join(sorted(unknown))}")
    console = Console()
    try:
        outcomes = run([mutant for mutant in MUTANTS if not asked or mutant.name in asked], console)
    except RuntimeError as error:
        console.print(str(error), style="red", markup=False)
        return 2
    show(outcomes, console)
    return 0 if all(outcome.verdict.good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
