"""Alerts: what operators are told without asking, in the log, as a counter, and on NATS."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from contracts.alert import Alert
from contracts.enums import Severity
from contracts.subjects import alert_subject
from contracts.values import from_millis
from shared.clock import Clock
from shared.errors import RetrySafe
from shared.metrics import Metrics
from tradeengine.domain.events import AlertRaised
from tradeengine.journal.record import Record

_MAX_WAITING: Final = 1_000
_PAUSE_S: Final = 1.0

Publish = Callable[[str, bytes], Awaitable[None]]
"""Sends a payload to a subject; raises ``RetrySafe`` while nobody can take it."""

log = structlog.get_logger(__name__)

_LEVEL: Final = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "critical"}


class Alerts:
    """Tells alerts: those that the shards committed, and those of the process itself.

    What is committed is published from the journal (:mod:`.publications`), the rest from here. An alert that cannot be
    published waits, so that an outage of the broker hides none; of too many the oldest is
    dropped and counted. In the log and as ``alerts_total`` each appears at once.
    """

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._arrived = asyncio.Event()
        self._standing: dict[str, str] = {}
        self._began: dict[str, float] = {}

    def observe(self, record: Record) -> None:
        """Log and count what a committed record raises; never raises itself."""
        for entry in record.entries:
            for event in entry.events:
                if isinstance(event, AlertRaised):
                    about = {"position_side": event.position_side, "strategy_id": event.strategy_id}
                    self._note(event.name, event.severity, event.text, event.symbol, about)

    def tell(self, name: str, severity: Severity, text: str, *, symbol: str | None = None, **about: str | None) -> None:
        """Tell one alert.

        Parameters
        ----------
        name
            What it is about, one of a fixed set.
        text
            What was wrong, where, and what to do.
        about
            Further fields of the message; ``None`` is left out.
        """
        given = self._note(name, severity, text, symbol, about)
        alert = Alert(
            alert_name=name,
            severity=severity,
            timestamp=from_millis(self._clock.now_ms()),
            symbol=symbol,
            message=text,
            **given,
        )
        if len(self._waiting) >= _MAX_WAITING:
            self._waiting.popleft()
            self._metrics.alert_dropped()
        self._waiting.append((alert_subject(name, symbol), alert.to_json()))
        self._arrived.set()

    def stand(
        self,
        name: str,
        trouble: str | None,
        severity: Severity = Severity.CRITICAL,
        *,
        changes: bool = False,
        patience_s: float = 0.0,
    ) -> None:
        """Tell a trouble when it begins, and once more when it is over; while it lasts, nothing is repeated.

        Parameters
        ----------
        patience_s
            How long it may last before it is told, seconds: what passes by itself in that time never was a trouble.
        changes
            Whether another text is another trouble, to be told too: it names what is concerned, and no figure that
            changes by itself.
        """
        trouble = self._lasting(name, trouble, patience_s)
        self._metrics.gauges.alert_stands(name, stands=trouble is not None)
        former = self._standing.get(name)
        if trouble is not None and (former is None or (changes and trouble != former)):
            self._standing[name] = trouble
            self.tell(name, severity, trouble)
        elif trouble is None and former is not None:
            del self._standing[name]
            self.tell(name, Severity.INFO, f"over: {former}")

    def _lasting(self, name: str, trouble: str | None, patience_s: float) -> str | None:
        """A trouble that is told already, or has lasted for long enough to be."""
        if trouble is None:
            self._began.pop(name, None)
            return None
        now = self._clock.monotonic()
        is_due = now - self._began.setdefault(name, now) >= patience_s
        return trouble if is_due or name in self._standing else None

    def _note(
        self, name: str, severity: Severity, text: str, symbol: str | None, about: Mapping[str, str | None]
    ) -> dict[str, str]:
        """Log and count an alert; the fields that it has beside the others."""
        given = {key: str(value) for key, value in about.items() if value is not None}
        getattr(log, _LEVEL[severity])("alert", alert=name, symbol=symbol, text=text, **given)
        self._metrics.alert_raised(name, severity)
        return given

    async def run(self, publish: Publish) -> None:
        """Publish what waits, in order, until cancelled."""
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            subject, payload = first = self._waiting[0]
            try:
                await publish(subject, payload)
            except RetrySafe:
                await self._clock.sleep(_PAUSE_S)
            else:
                if self._waiting and self._waiting[0] is first:
                    self._waiting.popleft()
