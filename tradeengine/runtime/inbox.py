"""A shard's inbox: what has arrived and is not decided yet."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.signal import Signal
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import AnyInput
from tradeengine.runtime.observation import Mark, Observation


@dataclass(slots=True)
class SignalBatch:
    """Signals that came together, and who waits for their decisions."""

    signals: Sequence[Signal]
    done: "asyncio.Future[list[SignalDecided]] | None" = None

    def answer(self, decisions: list[SignalDecided]) -> None:
        """Tell who waits what was decided."""
        if self.done is not None and not self.done.done():
            self.done.set_result(decisions)

    def fail(self, error: Exception) -> None:
        """Tell who waits that nothing is known to be decided."""
        if self.done is not None and not self.done.done():
            self.done.set_exception(error)


Given = AnyInput | Mark | Observation
"""What nobody waits for."""

Work = SignalBatch | Given


class Inbox:
    """Two lines, each first in, first out: reports and timers, which go first, and signals.

    A fill must not wait behind a flood of signals: until it is booked its position has no stop.
    """

    def __init__(self) -> None:
        self._reports: deque[Given] = deque()
        self._batches: deque[SignalBatch] = deque()
        self._arrived = asyncio.Event()
        self.signals = 0
        """Number of signals that wait."""

    def __bool__(self) -> bool:
        return bool(self._reports or self._batches)

    @property
    def reports(self) -> tuple[Given, ...]:
        """Inputs that nobody waits for, oldest first."""
        return tuple(self._reports)

    def put(self, given: Given) -> None:
        """Add an input that nobody waits for."""
        self._reports.append(given)
        self._arrived.set()

    def put_signals(self, batch: SignalBatch) -> None:
        """Add signals."""
        self._batches.append(batch)
        self.signals += len(batch.signals)
        self._arrived.set()

    async def take(self, most: int) -> list[Work]:
        """Wait for work and take it.

        Parameters
        ----------
        most
            Inputs after which no more is taken, at least 1; signals that came together stay together.
        """
        await self._arrived.wait()
        works: list[Work] = [*self.take_reports(most)]
        size = len(works)
        while self._batches and size < most:
            batch = self._batches.popleft()
            works.append(batch)
            size += len(batch.signals)
            self.signals -= len(batch.signals)
        self._rest()
        return works

    def take_reports(self, most: int) -> list[Given]:
        """Take inputs that nobody waits for, as far as there are any, at most so many."""
        reports = [self._reports.popleft() for _ in range(min(most, len(self._reports)))]
        self._rest()
        return reports

    def _rest(self) -> None:
        if not self:
            self._arrived.clear()

    def refuse_signals(self, error: Exception) -> None:
        """Tell everyone who waits for a decision that there will be none."""
        while self._batches:
            self._batches.popleft().fail(error)
        self.signals = 0
