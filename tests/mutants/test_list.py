"""The list of mutants fits the code and the tests as they are."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.table import MUTANTS

ROOT = Path(__file__).resolve().parents[2]


def test_names_are_unique() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 25


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_the_code(mutant: Mutant) -> None:
    changed = mutant.applied(ROOT)
    assert changed != (ROOT / mutant.file).read_text(encoding="utf-8")
    ast.parse(changed)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_names_tests_that_exist(mutant: Mutant) -> None:
    assert mutant.tests
    for selected in mutant.tests:
        file, _, name = selected.partition("::")
        names = _names_in(ROOT / file)
        assert names
        assert not name or name.partition("[")[0] in names, f"{selected} is no test"
        assert "tests/process/" not in file, f"{selected} starts the installed command, which is not the mutant"


def test_an_old_text_that_is_gone_is_said() -> None:
    mutant = MUTANTS[0]._replace(old="this stands nowhere")
    with pytest.raises(LookupError, match="occurs 0 times"):
        mutant.applied(ROOT)


@cache
def _names_in(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(function.name for function in functions if function.name.startswith("test_"))
