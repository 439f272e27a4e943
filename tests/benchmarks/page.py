"""The page of results in the documentation."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.report import Report, markdown

_HEAD = """\
# Benchmarks

`make bench` runs them all (`make bench BENCH_ARGS="core --rounds 5"` one of them, `--write` renews its section here).
The environment variable `BENCH_PRICES_DIR` names a folder with recorded bars, `<SYMBOL>-…-1h-….csv`, and funding,
`<SYMBOL>-funding-….csv`, for the simulation, which else makes some up. Machines differ and are noisy: subject and
reference are measured in turn, in the same run, and their ratio is what to quote. Figures are medians of the rounds,
with the range over the rounds in brackets.
"""
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)


def write_page(page: Path, reports: Sequence[Report], order: Sequence[str], stamp: str) -> None:
    """Renew the sections of reports; sections of benchmarks that did not run stay as they are.

    Parameters
    ----------
    page
        The Markdown file; made if absent.
    order
        Titles of all benchmarks, in the order of their sections.
    stamp
        When, on what and with what the reports were measured.
    """
    sections = _read(page) if page.exists() else {}
    sections |= {report.title: f"{markdown(report)}\n{stamp}\n" for report in reports}
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join([_HEAD, *[sections[title] for title in order if title in sections]]), encoding="utf-8")


def stamp(date: str, machine: Mapping[str, str], command: str) -> str:
    """Say when, on what and with what something was measured."""
    parts = ", ".join(f"{name} {value}" for name, value in machine.items())
    return f"*Measured on {date} with `{command}`: {parts}.*"


def _read(page: Path) -> dict[str, str]:
    text = page.read_text(encoding="utf-8")
    starts = [*_SECTION.finditer(text)]
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return {match[1]: text[match.start() : end].rstrip() + "\n" for match, end in zip(starts, ends, strict=True)}
