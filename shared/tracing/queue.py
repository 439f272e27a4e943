"""A queue of spans: bounded, never in the way of who fills it, and emptied by a thread of its own."""

import asyncio
import os
import threading
from collections import Counter, deque
from collections.abc import Mapping
from typing import Final, NamedTuple, Self

import structlog

from shared.tracing.exporter import Exporter
from shared.tracing.span import Span

_GRACE_S: Final = 2.0
"""How long a stop may take to get rid of what waits; half of it for an exporter that hangs."""

QUEUE_FULL: Final = "queue_full"
NOT_TAKEN: Final = "not_taken"
STOPPED: Final = "stopped"

log = structlog.get_logger(__name__)


class QueueLimits(NamedTuple):
    """How much waits, and for how long ("OpenTelemetry Environment Variable Specification", "Batch Span Processor").

    Parameters
    ----------
    waiting
        Spans that may wait; beyond, the newest are dropped.
    batch
        Most spans in one export; so many do not wait any longer.
    pause_ms
        Longest time between two exports, milliseconds.
    """

    waiting: int = 8_192
    batch: int = 512
    pause_ms: int = 1_000

    @classmethod
    def from_environment(cls, env: Mapping[str, str] | None = None) -> Self:
        """Read the limits from an environment, the process's own by default; what is no number above 0 is passed over.

        A trace is looked for soon after its signal, so by default the pause is a second, not the standard's five.
        """
        given = os.environ if env is None else env
        return cls(
            _above_zero(given.get("OTEL_BSP_MAX_QUEUE_SIZE"), cls._field_defaults["waiting"]),
            _above_zero(given.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), cls._field_defaults["batch"]),
            _above_zero(given.get("OTEL_BSP_SCHEDULE_DELAY"), cls._field_defaults["pause_ms"]),
        )


class SpanQueue:
    """Takes spans at once and exports them later, or counts them as dropped.

    A collector that is slow or away costs spans, and nothing else.

    Parameters
    ----------
    exporter
        Called in the queue's own thread.
    """

    def __init__(self, exporter: Exporter, limits: QueueLimits | None = None) -> None:
        self._exporter = exporter
        self._limits = limits or QueueLimits()
        self._waiting: deque[Span] = deque()
        self._wake = threading.Event()
        self._ends = False
        self._is_taken = True
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self.exported = 0
        """Spans that the collector has taken."""
        self.dropped: Counter[str] = Counter({QUEUE_FULL: 0, NOT_TAKEN: 0, STOPPED: 0})
        """Spans that nobody will see, by reason."""

    def start(self) -> None:
        """Begin to export."""
        self._thread.start()

    def put(self, span: Span) -> None:
        """Take a span; never blocks and never fails."""
        if self._ends:
            self.dropped[STOPPED] += 1
        elif len(self._waiting) >= self._limits.waiting:
            self.dropped[QUEUE_FULL] += 1
        else:
            self._waiting.append(span)
            if len(self._waiting) >= self._limits.batch:
                self._wake.set()

    async def stop(self) -> None:
        """Export what waits, for at most two seconds; the rest is dropped."""
        self._ends = True
        self._wake.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, _GRACE_S / 2)
            # Wakes an exporter that waits before it tries again.
            self._exporter.close()
            await asyncio.to_thread(self._thread.join, _GRACE_S / 2)
        self.dropped[STOPPED] += len(self._waiting)
        self._waiting.clear()

    def _run(self) -> None:
        while not self._ends:
            self._wake.wait(self._limits.pause_ms / 1000)
            self._wake.clear()
            self._empty()
        self._empty()

    def _empty(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._limits.batch, len(self._waiting)))]
            is_taken = self._exporter.export(batch)
            self._note(is_taken=is_taken)
            if is_taken:
                self.exported += len(batch)
                continue
            self.dropped[NOT_TAKEN] += len(batch)
            if self._ends:
                return

    def _note(self, *, is_taken: bool) -> None:
        if is_taken and not self._is_taken:
            log.info("traces_taken", dropped=self.dropped.total())
        elif self._is_taken and not is_taken:
            log.warning("traces_not_taken", action="spans are dropped until the collector takes them; trading goes on")
        self._is_taken = is_taken


def _above_zero(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else default
