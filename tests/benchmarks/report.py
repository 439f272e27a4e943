"""What a benchmark found, on the screen and in the documentation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table as RichTable

_CHART_WIDTH = 40


@dataclass(frozen=True, slots=True)
class Aim:
    """What was aimed at and what came out."""

    text: str
    measured: str
    met: bool

    @property
    def verdict(self) -> str:
        """For people."""
        return f"{self.text}: {self.measured}, {'met' if self.met else 'missed'}"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of figures; the first column names what was measured."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars of a few figures of one kind, drawn with letters.

    Parameters
    ----------
    bars
        Names and lengths, of which one at least is above zero.
    """

    title: str
    bars: Sequence[tuple[str, float]]

    @property
    def text(self) -> str:
        """The drawing."""
        name_width = max(len(name) for name, _ in self.bars)
        scale = _CHART_WIDTH / max(value for _, value in self.bars)
        lines = [f"{name:{name_width}} {'█' * max(1, round(value * scale))} {value:,.0f}" for name, value in self.bars]
        return "\n".join([self.title, *lines])


@dataclass(frozen=True, slots=True)
class Report:
    """One benchmark's result.

    Parameters
    ----------
    about
        What was measured how, and against what; in Markdown, paragraphs separated by empty lines.
    printed
        What a measured command printed, by name.
    """

    title: str
    about: str
    tables: Sequence[Table]
    chart: Chart | None = None
    aims: Sequence[Aim] = ()
    printed: Mapping[str, str] = field(default_factory=dict)


def show(report: Report, console: Console) -> None:
    """Print a report."""
    console.rule(report.title, align="left")
    for table in report.tables:
        shown = RichTable(show_edge=False)
        for number, column in enumerate(table.columns):
            shown.add_column(column, justify="right" if number else "left")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    if report.chart:
        console.print(report.chart.text, highlight=False)
    for aim in report.aims:
        console.print(aim.verdict, style="green" if aim.met else "yellow")


def markdown(report: Report) -> str:
    """Write a report as a section of a Markdown page."""
    parts = [f"## {report.title}", report.about, *map(_markdown_table, report.tables)]
    if report.chart:
        parts.append(f"```text\n{report.chart.text}\n```")
    if report.aims:
        parts.append("\n".join(f"- {aim.verdict}" for aim in report.aims))
    for name, text in report.printed.items():
        lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
        parts.append(f"What it printed, {name}:\n\n```text\n{lines}\n```")
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    rule = ["---", *["---:"] * (len(table.columns) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (table.columns, rule, *table.rows))
