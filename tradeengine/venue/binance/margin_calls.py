"""Margin calls: what the user stream warns of before positions are taken by force."""

from typing import Any, Final

import structlog

from contracts.enums import PositionSide
from shared.clock import Clock
from tradeengine.domain.inputs import MarginCalled
from tradeengine.venue.base import ReportSink
from tradeengine.venue.binance.rows import Row, Unreadable, number, rows, text

AGAIN_S: Final = 300.0
"""How long a call for a position is not told again, seconds: the exchange may repeat it as often as it likes."""

log = structlog.get_logger(__name__)


class MarginCalls:
    """Reads ``MARGIN_CALL`` messages (Binance docs, "Event: Margin Call") and tells each position's at the sink."""

    def __init__(self, clock: Clock, sink: ReportSink) -> None:
        self._clock = clock
        self._sink = sink
        self._told: dict[tuple[str, str], float] = {}

    def take(self, payload: Row) -> None:
        """Tell what a message warns of; what cannot be read of it is logged in full."""
        log.critical("margin_call", payload=str(dict(payload)))
        try:
            called = [self._read(row) for row in rows(payload.get("p"), "MARGIN_CALL")]
        except Unreadable as error:
            log.critical("margin_call_unreadable", reason=str(error), action="look at the account's margin")
            return
        for call in called:
            self._tell(call)

    def _read(self, row: dict[str, Any]) -> MarginCalled:
        side = text(row, "ps")
        return MarginCalled(
            time_ms=self._clock.now_ms(),
            symbol=text(row, "s"),
            position_side=PositionSide(side) if side in set(PositionSide) else None,
            mark_price=number(row, "mp"),
            unrealized=number(row, "up"),
            maintenance=number(row, "mm"),
        )

    def _tell(self, call: MarginCalled) -> None:
        leg, now = (call.symbol, str(call.position_side)), self._clock.monotonic()
        told = self._told.get(leg)
        if told is None or now - told >= AGAIN_S:
            self._told[leg] = now
            self._sink(call)
