"""Headers: the comment at the head of a query's SQL, which says what is asked and answered."""

import re
from collections.abc import Iterator
from typing import Final

from tradeengine.analytics.query import Column, ColumnKind, Query

_SECTION: Final = re.compile(r"-- (Columns|Parameters|Nulls)")
_ITEM: Final = re.compile(r"--   (\S.*)")
_CONTINUED: Final = re.compile(r"--    +(\S.*)")
_COLUMN: Final = re.compile(r"(\w+) +(\w+) +(.+)")
_PARAMETER: Final = re.compile(r"(from, to|to|strategy_id|symbol)(?: +(\w+))?")


def read_query(sql: str, json: str) -> Query:
    """Make a query of its two files.

    Raises
    ------
    ValueError
        If the header is of another form; the text names what is wrong.
    """
    first, _, rest = sql.partition("\n\n")[0].partition("\n")
    name, colon, question = first.removeprefix("-- ").partition(": ")
    if not colon:
        raise ValueError(f"the first line must be '-- name: question', it is {first!r}")
    sections: dict[str, list[str]] = {"Columns": [], "Parameters": [], "Nulls": []}
    for section, text in _items(name, rest):
        sections[section].append(text)
    return Query(
        name=name,
        question=question,
        columns=tuple([_column(name, text) for text in sections["Columns"]]),
        parameters={key: column for text in sections["Parameters"] for key, column in _parameters(name, text)},
        nulls=" ".join(sections["Nulls"]),
        sql=sql,
        json=json,
    )


def _items(name: str, text: str) -> Iterator[tuple[str, str]]:
    """Items by section, each in one line however many it takes in the file."""
    section, item = "", ""
    for line in text.splitlines():
        if continued := _CONTINUED.fullmatch(line):
            item += f" {continued[1]}"
            continue
        if item:
            yield section, item
            item = ""
        if found := _SECTION.fullmatch(line):
            section = found[1]
        elif (found := _ITEM.fullmatch(line)) and section:
            item = found[1]
        elif line != "--":
            raise ValueError(f"the header of {name} has a line of no known form: {line!r}")
    if item:
        yield section, item


def _column(name: str, text: str) -> Column:
    found = _COLUMN.fullmatch(text)
    if not found or found[2] not in set(ColumnKind):
        raise ValueError(f"{name}: a column must be 'name kind meaning', with a kind of ColumnKind, not {text!r}")
    return Column(found[1], ColumnKind(found[2]), found[3])


def _parameters(name: str, text: str) -> Iterator[tuple[str, str]]:
    found = _PARAMETER.fullmatch(text)
    if not found:
        raise ValueError(f"{name}: a parameter must be 'from, to', 'to', 'strategy_id' or 'symbol', not {text!r}")
    for key in found[1].split(", "):
        yield key, found[2] or key
