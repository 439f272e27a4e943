"""Library: all queries, by name."""

import difflib
from functools import lru_cache
from importlib.resources import files
from typing import Final

from tradeengine.analytics.header import read_query
from tradeengine.analytics.query import Query

_FOLDER: Final = files("tradeengine.analytics") / "queries"


@lru_cache(maxsize=1)
def queries() -> dict[str, Query]:
    """All queries, in the order of their names.

    Raises
    ------
    ValueError
        If a file is of another form than the others.
    """
    found = {}
    for file in sorted(_FOLDER.iterdir(), key=lambda file: file.name):
        name, _, ending = file.name.rpartition(".")
        if ending == "sql":
            json = _FOLDER / f"{name}.json"
            found[name] = read_query(file.read_text(encoding="utf-8"), json.read_text(encoding="utf-8"))
    return found


def find(name: str) -> Query:
    """One query.

    Raises
    ------
    LookupError
        If there is none of the name; the text names those that are written alike.
    """
    known = queries()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "see: tradeengine analytics list"
    raise LookupError(f"there is no query {name!r}; {hint}")
