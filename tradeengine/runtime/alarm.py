"""Alarm: how the engine's parts tell operators what they cannot mend, or want known."""

from typing import Protocol

from contracts.enums import Severity


class Alarm(Protocol):
    """Tells operators; never blocks."""

    def __call__(self, name: str, text: str, symbol: str, severity: Severity = Severity.CRITICAL) -> None:
        """Tell one alert.

        Parameters
        ----------
        name
            What it is about, one of a fixed set.
        text
            What was wrong, where, and what to do.
        """
        ...


def nobody(name: str, text: str, symbol: str, severity: Severity = Severity.CRITICAL) -> None:
    """Nobody is to be told."""
