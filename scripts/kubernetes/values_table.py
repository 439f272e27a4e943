"""The table of values in the chart's README, made from the comments of values.yaml."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import yaml

from scripts.kubernetes.helm import CHART
from scripts.kubernetes.values_schema import VALUES

README: Final = CHART / "README.md"
_BEGIN: Final = "<!-- values: made by python -m scripts.kubernetes -->"
_END: Final = "<!-- end of values -->"
_KEY: Final = re.compile(r"^(?P<indent> *)(?P<name>[A-Za-z][A-Za-z0-9]*):")
_COMMENT: Final = re.compile(r"^ *# ?(?P<text>.*)$")


class Row(NamedTuple):
    """A value that people set: its path, its default, and what it does."""

    path: str
    default: Any
    text: str


def rows(text: str) -> list[Row]:
    """Values of a file, each with the comment ``# --`` above it.

    Raises
    ------
    ValueError
        If one has no comment; the text names it.
    """
    values, found = yaml.safe_load(text), []
    described = dict(_described(text))
    for path, default in _leaves(values, "", frozenset(described)):
        if path not in described:
            raise ValueError(f"{VALUES.name}: {path} has no comment that begins with '# --'")
        found.append(Row(path, default, described[path]))
    return found


def readme_text() -> str:
    """The README with its table made anew.

    Raises
    ------
    ValueError
        If it has no place for the table.
    """
    text = README.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{README.name} lacks the lines {_BEGIN!r} and {_END!r}")
    lines = ["| value | default | |", "|---|---|---|"]
    lines += [f"| `{row.path}` | {_shown(row.default)} | {row.text} |" for row in rows(VALUES.read_text("utf-8"))]
    return "".join([before, _BEGIN, "\n\n", "\n".join(lines), "\n\n", _END, after])


def _described(text: str) -> Iterator[tuple[str, str]]:
    stack: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        if said := _COMMENT.match(line):
            if said["text"].startswith("-- "):
                comment = [said["text"].removeprefix("-- ")]
            elif comment:
                comment.append(said["text"].strip())
            continue
        if key := _KEY.match(line):
            indent = len(key["indent"])
            stack = [(depth, name) for depth, name in stack if depth < indent] + [(indent, key["name"])]
            if comment:
                yield ".".join(name for _, name in stack), " ".join(comment)
        comment = []


def _leaves(values: dict[str, Any], path: str, described: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        inner = f"{path}.{name}" if path else name
        whole = inner in described and not any(other.startswith(f"{inner}.") for other in described)
        if isinstance(value, dict) and value and not whole:
            yield from _leaves(value, inner, described)
        else:
            yield inner, value


def _shown(default: Any) -> str:
    if default in ("", [], {}):
        return ""
    return f"`{default if isinstance(default, str) else json.dumps(default)}`".replace("|", "\\|")
