"""Every lesson is a test that bears its id, or is listed with the reason why it cannot be one."""

import ast
import re
from pathlib import Path

from tests.lessons.not_applicable import NOT_APPLICABLE

TESTS = Path(__file__).parents[1]
LESSONS = {f"I{number:02}" for number in (*range(1, 65), *range(67, 119), 146)}


def _tested() -> set[str]:
    names = {
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    # A test may show several lessons: test_i84_i97_…
    heads = [match[0] for name in names if (match := re.match(r"test(_i\d+)+(?=_)", name))]
    return {f"I{number}" for head in heads for number in re.findall(r"\d+", head)}


def test_every_lesson_is_tested_or_cannot_apply() -> None:
    assert LESSONS - _tested() - NOT_APPLICABLE.keys() == set()


def test_no_lesson_is_both() -> None:
    assert _tested() & NOT_APPLICABLE.keys() == set()


def test_what_cannot_apply_says_why() -> None:
    assert NOT_APPLICABLE.keys() <= LESSONS
    assert all(len(reason.split()) >= 8 for reason in NOT_APPLICABLE.values())
