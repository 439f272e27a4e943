"""Trading metrics, made from committed records and from nothing else."""

from collections import OrderedDict
from decimal import localcontext
from typing import Final

import structlog

from contracts.enums import Action, OrderKind, OrderStatus, Outcome, Refusal, RejectionSource
from contracts.signal import CARRIED
from contracts.trace import TRACE_CONTEXT
from shared.metrics import ClosedPosition, Metrics
from tradeengine.domain.events import (
    AnyEvent,
    DifferenceFound,
    FillShare,
    OrderEnded,
    OrderFilled,
    OrderPlanned,
    SignalDecided,
)
from tradeengine.domain.inputs import SignalReceived
from tradeengine.domain.money import MONEY, average
from tradeengine.domain.risk import RISK_CHECKS
from tradeengine.journal.record import Record

MOST_TIMED: Final = 10_000
"""Most market orders whose time to their fill is measured at once.

Of more, the oldest go untimed: those of a shard that another process has by now never fill here.
"""

log = structlog.get_logger(__name__)


class Meter:
    """Listener of committed records that counts and times what they tell.

    Parameters
    ----------
    exchange
        Name of the venue, for the label of positions.
    """

    def __init__(self, metrics: Metrics, exchange: str) -> None:
        self._metrics = metrics
        self._exchange = exchange
        self._planned_ms: OrderedDict[str, int] = OrderedDict()

    @property
    def timed(self) -> int:
        """Number of market orders whose time to their fill is being measured, at most :data:`MOST_TIMED`."""
        return len(self._planned_ms)

    def observe(self, record: Record) -> None:
        """Take one committed record in; never raises."""
        try:
            with localcontext(MONEY):
                for entry in record.entries:
                    if isinstance(entry.input, SignalReceived):
                        self._received(entry.input)
                    for event in entry.events:
                        self._take(event)
        except Exception:
            # Supervised border: the record is committed, and a metric must not stop the shard that wrote it.
            log.exception("metering_failed", shard=record.shard, sequence=record.sequence)

    def _take(self, event: AnyEvent) -> None:
        match event:
            case SignalDecided():
                self._metrics.signal_decided(event.outcome, event.reason, event.source)
                self._risk_checks(event)
            case OrderPlanned() if event.order.kind is OrderKind.MARKET:
                # Other orders wait for a price, and how long says nothing about execution.
                self._planned_ms[event.order.client_order_id] = event.time_ms
                if len(self._planned_ms) > MOST_TIMED:
                    self._planned_ms.popitem(last=False)
            case OrderFilled():
                self._filled(event)
            case OrderEnded():
                self._ended(event)
            case DifferenceFound():
                self._metrics.difference_found(event.kind, event.action)
            case _:
                return

    def _received(self, signal: SignalReceived) -> None:
        self._metrics.signal_received()
        self._metrics.signal_aged((signal.time_ms - signal.timestamp_ms) / 1000)
        unknown = signal.carried.keys() - CARRIED - {TRACE_CONTEXT}
        if unknown:
            self._metrics.unknown_fields(len(unknown))

    def _risk_checks(self, event: SignalDecided) -> None:
        """Risk checks in a fixed order and stops at the first that fails, so the outcome tells what was checked."""
        refused = event.outcome is Outcome.REJECTED
        if event.action not in (Action.BUY, Action.SELL) or (refused and event.source is not RejectionSource.RISK):
            return
        if not refused and event.outcome is not Outcome.ACCEPTED:
            return
        for check, reasons in RISK_CHECKS.items():
            failed = refused and event.reason in reasons
            self._metrics.risk_checked(check, passed=not failed)
            if failed:
                return

    def _filled(self, event: OrderFilled) -> None:
        if not event.order_remaining and not event.reconciled:
            self._metrics.order_ended(event.symbol, event.side, OrderStatus.FILLED)
            planned = self._planned_ms.pop(event.client_order_id, None)
            if planned is not None:
                self._metrics.order_filled_after((event.time_ms - planned) / 1000)
        for share in event.shares:
            if share.after.entry_quantity + share.after.exit_quantity == share.quantity:
                self._metrics.position_opened(event.symbol, event.position_side, self._exchange)
            elif not share.after.quantity:
                self._closed(event, share)

    def _closed(self, event: OrderFilled, share: FillShare) -> None:
        if share.close_reason is None:
            return
        books = share.after
        self._metrics.position_closed(
            ClosedPosition(
                strategy_id=share.strategy_id,
                symbol=event.symbol,
                position_side=event.position_side,
                exchange=self._exchange,
                close_reason=share.close_reason,
                pnl=books.realized,
                commission=books.fees,
                funding=books.funding,
                entry_price=average(books.entry_value, books.entry_quantity),
                exit_price=average(books.exit_value, books.exit_quantity),
                entry_value=books.entry_value,
                duration_s=(event.time_ms - share.opened_ms) / 1000,
            )
        )

    def _ended(self, event: OrderEnded) -> None:
        self._planned_ms.pop(event.client_order_id, None)
        if event.status is OrderStatus.FILLED:
            # Its last fill counts it.
            return
        side = event.position_side.opening if event.purpose.opening else event.position_side.closing
        self._metrics.order_ended(event.symbol, side, event.status)
        if event.status is OrderStatus.REJECTED:
            self._metrics.order_refused(event.refusal or Refusal.OTHER)
