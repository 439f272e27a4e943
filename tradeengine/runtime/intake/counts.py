"""What the intake counts."""

from collections import Counter
from collections.abc import Callable
from typing import Literal

Count = Literal[
    "received",
    "acked",
    "nak",
    "parked",
    "routed",
    "replied",
    "reply_dropped",
    "connected",
    "rebuilt",
]
"""What is counted: messages, except ``connected`` and ``rebuilt``, which count connections and subscriptions."""

CountHook = Callable[[str, int], None]
"""Told of every count: its name and by how much it grew."""


class Counts:
    """Counters of one intake.

    Parameters
    ----------
    on_event
        Also told of every count, such as to feed metrics; must not raise and must return at once.
    """

    def __init__(self, on_event: CountHook | None = None) -> None:
        self._values: Counter[str] = Counter()
        self._on_event = on_event

    def add(self, name: Count, number: int = 1) -> None:
        """Count something; adding nothing is no event."""
        if number:
            self._values[name] += number
            if self._on_event:
                self._on_event(name, number)

    def __getitem__(self, name: Count) -> int:
        return self._values[name]
