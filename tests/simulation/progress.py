"""Progress of a long campaign, in a file: what is interrupted goes on where it was."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.simulation.history import Outcome
from tests.simulation.plan import GENERATION

_HEADER: Final = "generation"


class Progress:
    """Outcomes of histories, one a line.

    Parameters
    ----------
    file
        Made with the first outcome.

    Raises
    ------
    ValueError
        If the file is of another generator, whose seeds mean other histories.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._done: dict[int, tuple[Outcome, float]] = dict(self._read())

    def __contains__(self, seed: int) -> bool:
        return seed in self._done

    def of(self, seeds: range) -> Iterator[tuple[Outcome, float]]:
        """Outcomes, with their seconds of processor time, of those of the seeds that were played before."""
        yield from [done for seed, done in self._done.items() if seed in seeds]

    def add(self, outcome: Outcome, cpu_s: float) -> None:
        """Note an outcome; it is in the file when this returns."""
        document = {
            "seed": outcome.seed,
            "wrong": outcome.wrong,
            "hit": outcome.hit,
            "lasted_s": round(outcome.lasted_s, 3),
            "turns": outcome.turns,
            "figures": outcome.figures,
            "cpu_s": round(cpu_s, 4),
        }
        is_new = not self._file.exists() or not self._file.stat().st_size
        with self._file.open("a", encoding="utf-8") as out:
            if is_new:
                out.write(json.dumps({_HEADER: GENERATION}) + "\n")
            out.write(json.dumps(document) + "\n")

    def _read(self) -> Iterator[tuple[int, tuple[Outcome, float]]]:
        if not self._file.exists():
            return
        text = self._file.read_text(encoding="utf-8")
        # Whoever was killed may have left half a line.
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self._file.write_text(whole, encoding="utf-8")
        if not whole:
            return
        header, *lines = whole.splitlines()
        found = json.loads(header).get(_HEADER)
        if found != GENERATION:
            raise ValueError(
                f"{self._file} holds histories of generator {found}, this one is {GENERATION}: name another file, or "
                "remove it"
            )
        for line in lines:
            read = json.loads(line)
            outcome = Outcome(
                read["seed"],
                read["wrong"],
                Counter(read["hit"]),
                read["lasted_s"],
                read["turns"],
                Counter(read["figures"]),
            )
            yield outcome.seed, (outcome, read["cpu_s"])
