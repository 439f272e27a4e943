"""A fault: something that goes wrong in a history."""

from dataclasses import dataclass
from typing import Final

PODS: Final = 3
BEGIN_S: Final = 2.0
"""When signals begin."""


@dataclass(frozen=True)
class Fault:
    """Something goes wrong.

    Parameters
    ----------
    lasts_s
        For how long; faults that are over at once have 0.
    pod
        Whose, if it is a pod's.
    detail
        What exactly, as the kind understands it.
    point
        If given, the fault waits from its time on for a pod to come to this point, and is that pod's.
    steps
        How many callbacks after that point.
    """

    at_s: float
    kind: str
    lasts_s: float = 0.0
    pod: int = 0
    detail: tuple[str, ...] = ()
    point: str = ""
    steps: int = 0

    def __str__(self) -> str:
        words = [
            f"{self.at_s:7.3f} s",
            self.kind,
            *self.detail,
            f"{self.steps} steps after {self.point}" if self.point else f"pod-{self.pod}",
        ]
        return " ".join(words) + (f" for {self.lasts_s:.2f} s" if self.lasts_s else "")
