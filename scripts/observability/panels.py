"""Panels of the dashboards as they are declared: a title, what it shows, and the expressions."""

from typing import Final, Literal, NamedTuple

Kind = Literal["graph", "stat", "bars", "table"]
Unit = Literal["short", "s", "currencyUSD", "percentunit", "reqps", "ops", "none"]

WIDTH: Final = 24
"""Columns of Grafana's grid."""


class Query(NamedTuple):
    """A PromQL expression and the name of each series it returns, with ``{{label}}`` for a label's value."""

    expr: str
    legend: str = ""


class Panel(NamedTuple):
    """One panel.

    Parameters
    ----------
    shows
        What is seen there, and when to worry, for people.
    most
        Upper end of the scale; ``None`` follows the data.
    warn_at, alarm_at
        From which value on it is yellow and red; ``None`` never.
    width
        Columns, 1 to :data:`WIDTH`.
    """

    title: str
    shows: str
    queries: tuple[Query, ...]
    unit: Unit = "short"
    kind: Kind = "graph"
    most: float | None = None
    warn_at: float | None = None
    alarm_at: float | None = None
    width: int = 8


class Row(NamedTuple):
    """A headed row of panels."""

    title: str
    panels: tuple[Panel, ...]


class Board(NamedTuple):
    """One dashboard; its name is that of its file and its address."""

    name: str
    title: str
    shows: str
    rows: tuple[Row, ...]
