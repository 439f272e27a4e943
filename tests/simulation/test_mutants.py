"""The list of what the simulation must notice fits the code as it is."""

import ast
from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant
from tests.simulation.mutants import SHARPNESS

ROOT = Path(__file__).resolve().parents[2]


def test_names_are_unique() -> None:
    assert len({mutant.name for mutant in SHARPNESS}) == len(SHARPNESS)


@pytest.mark.parametrize("mutant", SHARPNESS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_the_code(mutant: Mutant) -> None:
    changed = mutant.applied(ROOT)
    assert changed != (ROOT / mutant.file).read_text(encoding="utf-8")
    ast.parse(changed)
