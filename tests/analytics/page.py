"""The page of queries in the documentation, made from their headers and the known answers.

``python -m tests.analytics.page`` writes it.
"""

from pathlib import Path

from tests.analytics.known import KNOWN
from tradeengine.analytics.library import queries
from tradeengine.analytics.query import Query

PAGE = Path(__file__).resolve().parents[2] / "docs" / "analytics" / "queries.md"

_HEAD = """\
# Queries

Made from the headers of `tradeengine/analytics/queries/*.sql`; [README](README.md) says how to run them. The examples
are answers to a small history, the same that the tests work out by hand. A ratio is rounded to 8 decimals, half away
from zero; all other numbers are exact. A dash is null.
"""


def page() -> str:
    """Markdown of the page."""
    index = [f"- [{query.name}](#{query.name}): {query.question}" for query in queries().values()]
    return "\n".join([_HEAD, *index, *[_section(query) for query in queries().values()]])


def _section(query: Query) -> str:
    columns = [["column", "kind", "meaning"], *[[f"`{c.name}`", c.kind, c.meaning] for c in query.columns]]
    parameters = [
        f"`{name}`" if column == name else f"`{name}` (by `{column}`)" for name, column in query.parameters.items()
    ]
    return "\n".join(
        [
            "",
            f"## {query.name}",
            "",
            query.question,
            "",
            *_table(columns),
            "",
            f"Parameters: {', '.join(parameters)}.",
            "",
            query.nulls,
            "",
            "Example:",
            "",
            *_table(KNOWN[query.name]),
        ]
    )


def _table(lines: list[list[str]]) -> list[str]:
    rows = [f"| {' | '.join(cells)} |" for cells in lines]
    return [rows[0], f"|{' --- |' * len(lines[0])}", *rows[1:]]


if __name__ == "__main__":
    PAGE.write_text(f"{page()}\n", encoding="utf-8")
