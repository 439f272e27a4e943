"""How a run of the benchmarks was asked for, and how it tells how far it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Progress = Callable[[str], None]
"""Told what is measured next; called once for each of a benchmark's steps."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run.

    Parameters
    ----------
    quick
        Measure so little that it takes seconds: shows that the benchmarks work, and nothing else.
    rounds
        How often subject and reference are measured in turn.
    signals, events
        How many signals the soak takes, and how many events the copies catch up with.
    profile
        Folder that keeps the profiles of the pods, if they are to be kept.
    prices, funding
        CSV file of bars, and of funding rates, of each symbol for the simulation; a sample is made without bars.
    """

    quick: bool = False
    rounds: int = 3
    signals: int = 100_000
    events: int = 40_000
    profile: Path | None = None
    prices: Mapping[str, Path] = field(default_factory=dict)
    funding: Mapping[str, Path] = field(default_factory=dict)
