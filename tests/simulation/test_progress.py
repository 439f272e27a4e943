"""A campaign that was interrupted goes on where it was."""

from pathlib import Path

import pytest

from tests.simulation.campaign import Total, run
from tests.simulation.plan import GENERATION
from tests.simulation.progress import Progress


def played(file: Path, seeds: int) -> tuple[Total, list[int]]:
    """Run a campaign; what came of it, and after how many histories it told of its progress."""
    told: list[int] = []
    total = run(0, seeds, 1, lambda total, _: told.append(total.histories), kept=Progress(file))
    return total, told


def test_what_was_played_is_not_played_again(tmp_path: Path) -> None:
    file = tmp_path / "progress"
    first, _ = played(file, 2)
    text = file.read_text()
    # Killed in the middle of the second line.
    file.write_text(text[: text.rindex('"turns"')])
    again, told = played(file, 3)
    assert told == [2, 3]
    assert again.histories == 3
    once, _ = played(tmp_path / "other", 3)
    assert (again.hit, again.figures) == (once.hit, once.figures)
    assert first.histories == 2


def test_seeds_of_another_generator_are_other_histories(tmp_path: Path) -> None:
    file = tmp_path / "progress"
    file.write_text(f'{{"generation": {GENERATION + 1}}}\n')
    with pytest.raises(ValueError, match="name another file"):
        Progress(file)
