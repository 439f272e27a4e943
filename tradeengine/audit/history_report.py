"""Reports: what an audit of the history found."""

from dataclasses import dataclass, field
from typing import Any

from tradeengine.audit.report import Verdict


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of thing that must not be.

    Parameters
    ----------
    name
        What it is, in one word for programs.
    text
        The same for people.
    remedy
        What to do.
    number
        How many there are.
    first
        The first of them, each in words with where it is.
    """

    name: str
    text: str
    remedy: str
    number: int
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryReport:
    """What became of every signal, order and fill, in every place that knows of it.

    Parameters
    ----------
    counts
        By what is counted.
    findings
        What must not be.
    unchecked
        What could not be looked at, or lies outside of what can be, and why.
    open_questions
        Whether something of that should have been looked at.
    """

    counts: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[str, ...] = ()
    open_questions: bool = False

    @property
    def verdict(self) -> Verdict:
        """What the history comes to."""
        if self.findings:
            return Verdict.DIFFERENT
        return Verdict.UNKNOWN if self.open_questions else Verdict.EQUAL

    def document(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "verdict": self.verdict,
            "counts": self.counts,
            "findings": [
                {"kind": one.name, "number": one.number, "text": one.text, "remedy": one.remedy, "first": one.first}
                for one in self.findings
            ],
            "unchecked": self.unchecked,
        }
