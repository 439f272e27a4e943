"""What a run of pods has found."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.benchmarks.signals import Workload
from tests.benchmarks.steps import Step

PODS: Final = (1, 3)
BARE: Final = "bare loop"
SPARSE: Final = "1 order in 50"
DENSE: Final = "an order each"
NAMES: Final = {Workload.SPARSE: SPARSE, Workload.DENSE: DENSE}


class Case(NamedTuple):
    """What is measured: so many of something."""

    number: int
    what: str

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.number} × {self.what}" if self.number > 1 else self.what

    @property
    def bare(self) -> "Case":
        """The reference."""
        return self._replace(what=BARE)


@dataclass(slots=True)
class Found:
    """What the rounds found, by case: highest rates, and what half of them came to; milliseconds of bare commits."""

    rates: dict[Case, list[float]] = field(default_factory=dict)
    halves: dict[Case, list[Step]] = field(default_factory=dict)
    commits: dict[int, list[list[int]]] = field(default_factory=dict)
    beside: dict[Case, list[list[int]]] = field(default_factory=dict)
