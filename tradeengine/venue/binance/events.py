"""The user stream's messages as reports; what they prove without saying it becomes a doubt."""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import structlog

from contracts.enums import FillOrigin, OrderStatus
from shared.clock import Clock
from tradeengine.domain.inputs import FillReported, OrderReported
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.base import Report, ReportSink
from tradeengine.venue.binance.doubts import Doubt, DoubtKind, Doubts
from tradeengine.venue.binance.links import OrderLinks
from tradeengine.venue.binance.rows import Row, Unreadable, integer, leg, rows, text
from tradeengine.venue.binance.tally import Tally
from tradeengine.venue.binance.trades import TradeLog
from tradeengine.venue.binance.updates import (
    ALGO_STATUSES,
    OrderUpdate,
    inner,
    origin_of,
    read_algo,
    read_order,
    refusal_of,
)

MOST_PARKED = 1_000
"""Orders not known to be ours whose messages wait for an explanation; reading the trades back explains the rest."""
_SAME_CHANGE_MS = 1_000

log = structlog.get_logger(__name__)


class Notice(NamedTuple):
    """What the stream told that is no report.

    Parameters
    ----------
    event
        ``ACCOUNT_UPDATE``, ``ACCOUNT_CONFIG_UPDATE`` or ``MARGIN_CALL``.
    payload
        As it came.
    """

    event: str
    payload: Row


class EventReader:
    """Turns messages into reports, each execution once, whatever the order and number of messages.

    Parameters
    ----------
    clock
        Time of the reports and of doubts.
    links, trades, doubts
        Shared with what reads the truth back.
    hedge
        Whether the account holds both legs of a symbol; then rows of ``BOTH`` mean nothing.
    on_notice
        Told what is no report.
    """

    def __init__(
        self,
        clock: Clock,
        links: OrderLinks,
        trades: TradeLog,
        doubts: Doubts,
        *,
        hedge: bool = True,
        on_notice: Callable[[Notice], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self.links = links
        self.trades = trades
        self._doubts = doubts
        self.hedge = hedge
        self._on_notice = on_notice
        self._parked: OrderedDict[tuple[str, int], list[OrderUpdate]] = OrderedDict()
        self._executed: defaultdict[str, deque[int]] = defaultdict(lambda: deque(maxlen=256))
        self._changed: defaultdict[str, set[int]] = defaultdict(set)
        self._readers: Mapping[Any, Callable[[Row], list[Report]]] = {
            "ORDER_TRADE_UPDATE": self._order,
            "ALGO_UPDATE": self._algo,
            "TRADE_LITE": self._trade_lite,
            "ACCOUNT_UPDATE": self._account,
            "ACCOUNT_CONFIG_UPDATE": self._notice,
            "MARGIN_CALL": self._notice,
        }
        self.tally = Tally(doubts)

    def read(self, payload: Row) -> Sequence[Report]:
        """Reports that follow from a message, in the order in which they are to be told.

        Unknown messages and fields mean nothing. A message that lacks what it must have raises a doubt instead: the
        truth is read back.
        """
        reader = self._readers.get(payload.get("e"))
        if reader is None:
            return []
        try:
            return reader(payload)
        except Unreadable as error:
            log.warning("unreadable_message", reason=str(error))
            # What it names is no more to be trusted than the rest: all symbols are read.
            self._raise(DoubtKind.MESSAGE, "", str(payload.get("e")))
            return []

    def tell(self, reports: Iterable[Report], sink: ReportSink) -> None:
        """Hand reports over; where the sink fails, what it did not take counts as never told."""
        waiting = deque(reports)
        try:
            while waiting:
                sink(waiting[0])
                waiting.popleft()
        finally:
            for report in waiting:
                self._take_back(report)

    def expect(self, order: ApprovedOrder) -> None:
        """The exchange took an order; if the stream tells nothing of it, the stream is deaf."""
        if not self.links.is_heard(order.client_order_id):
            self._raise(DoubtKind.SILENCE, order.symbol, order.client_order_id)

    def doubted(self) -> frozenset[str]:
        """Symbols whose truth ought to be read; an empty one means all."""
        return self._doubts.symbols() | {symbol for symbol, _ in self._parked}

    def unexplained(self, symbol: str) -> Sequence[int]:
        """Ids of orders that messages came of, and of which is not known whose they are."""
        return [order_id for of_symbol, order_id in self._parked if of_symbol == symbol]

    def truth_was_read(self, symbol: str, moment: float, *, connected: bool = False) -> Sequence[Report]:
        """The symbol's trades were read back and told: settle what was doubted, and explain what waited.

        Parameters
        ----------
        moment
            When the reading began, monotonic seconds; what came later is still in doubt.
        connected
            Whether the stream was connected anew before; else whether it hears stays in doubt.
        """
        self._doubts.settle_until(moment, symbol, connected=connected)
        self.tally.rebase(symbol, moment)
        self._changed.pop(symbol, None)
        explained = [key for key in self._parked if key[0] == symbol and self.links.client_order_id(*key)]
        return [report for key in explained for update in self._parked.pop(key) for report in self._reports(update)]

    def state(
        self,
        client_id: str,
        venue_order_id: str,
        status: OrderStatus,
        executed: Decimal,
        reason: str | None = None,
    ) -> list[Report]:
        """Report an own order's acceptance or end, unless that or its end was told before."""
        if status.terminal:
            self._doubts.settle(Doubt(DoubtKind.END, self.links.symbol(client_id), client_id))
        fresh = self.links.end(client_id) if status.terminal else self.links.accept(client_id)
        if not fresh:
            return []
        return [
            OrderReported(
                time_ms=self._clock.now_ms(),
                client_order_id=client_id,
                status=status,
                venue_order_id=venue_order_id,
                executed=executed if status.terminal else None,
                reason=reason,
                refusal=refusal_of(reason) if status is OrderStatus.REJECTED else None,
            )
        ]

    def _take_back(self, report: Report) -> None:
        if isinstance(report, FillReported):
            self.trades.take_back(report.symbol, int(report.trade_id))
        elif isinstance(report, OrderReported) and report.status.terminal:
            self.links.reopen(report.client_order_id)

    def _order(self, payload: Row) -> list[Report]:
        update = read_order(payload)
        if self.links.client_order_id(update.symbol, update.order_id) is None:
            if not self.links.is_own(update.client_id) and origin_of(update.client_id) is FillOrigin.ORDER:
                self._park(update)
                return []
            self.links.remember(update.symbol, update.order_id, update.client_id)
        return self._reports(update)

    def _reports(self, update: OrderUpdate) -> list[Report]:
        """Reports of an order of which is known whose it is."""
        symbol, order_id = update.symbol, update.order_id
        client_id = self.links.client_order_id(symbol, order_id) or update.client_id
        reports = self._fills(update, client_id)
        if not self.links.is_own(client_id) or update.status is None:
            return reports
        self._heard(client_id, symbol)
        self.tally.claim(symbol, order_id, update.executed, self._clock.monotonic())
        return reports + self.state(client_id, str(order_id), update.status, update.executed, update.reason)

    def _fills(self, update: OrderUpdate, client_id: str) -> list[Report]:
        execution, symbol = update.execution, update.symbol
        if execution is None:
            return []
        if execution.trade_id <= 0:
            # It happened, and only the exchange's own list says under which id.
            self._raise(DoubtKind.TRADE, symbol, f"order {update.order_id} up to {update.executed}")
            return []
        self._witness(update.order_id, symbol, execution.trade_id, execution.quantity, execution.happened_ms)
        if not self.trades.first(symbol, execution.trade_id):
            return []
        held_by = self.links.position_side(client_id)
        return [
            FillReported(
                time_ms=self._clock.now_ms(),
                client_order_id=client_id,
                trade_id=str(execution.trade_id),
                symbol=symbol,
                side=execution.side,
                position_side=held_by or leg(execution.leg, execution.side, reducing=execution.reducing),
                quantity=execution.quantity,
                price=execution.price,
                fee=execution.fee,
                fee_asset=execution.fee_asset,
                maker=execution.maker,
                origin=origin_of(update.client_id),
            )
        ]

    def _witness(self, order_id: int, symbol: str, trade_id: int, quantity: Decimal, happened_ms: int) -> None:
        """Settle what doubted that this execution was told."""
        self._doubts.settle(Doubt(DoubtKind.TRADE, symbol, str(trade_id)))
        self._executed[symbol].append(happened_ms)
        for changed_ms in [known for known in self._changed[symbol] if abs(known - happened_ms) <= _SAME_CHANGE_MS]:
            self._changed[symbol].discard(changed_ms)
            self._doubts.settle(Doubt(DoubtKind.LEG, symbol, str(changed_ms)))
        self.tally.add(symbol, order_id, trade_id, quantity)

    def _algo(self, payload: Row) -> list[Report]:
        update = read_algo(payload)
        symbol, client_id, spawned_id = update.symbol, update.client_id, update.spawned_id
        reports: list[Report] = []
        if spawned_id is not None:
            self.links.remember(symbol, spawned_id, client_id)
            for waiting in self._parked.pop((symbol, spawned_id), ()):
                reports += self._reports(waiting)
        if not self.links.is_own(client_id):
            return reports
        self._heard(client_id, symbol, conditional=True)
        status = ALGO_STATUSES.get(update.state)
        if status is None:
            return reports
        if update.state == "FINISHED" and spawned_id is not None:
            self.tally.claim(symbol, spawned_id, update.executed or ZERO, self._clock.monotonic())
            if not self.links.has_ended(client_id):
                self._raise(DoubtKind.END, symbol, client_id)
            return reports
        executed = update.executed or ZERO
        return reports + self.state(client_id, str(update.algo_id), status, executed, update.reason)

    def _trade_lite(self, payload: Row) -> list[Report]:
        symbol, trade_id = text(payload, "s"), integer(payload, "t")
        if not self.trades.knows(symbol, trade_id):
            self._raise(DoubtKind.TRADE, symbol, str(trade_id))
        return []

    def _account(self, payload: Row) -> list[Report]:
        self._notice(payload)
        update = inner(payload, "a")
        if update.get("m") != "ORDER":
            return []
        changed_ms = integer(payload, "T")
        # The rows are of both legs, whichever changed, and in hedge mode there may be one of neither.
        legs = [row for row in rows(update.get("P") or [], "positions") if (text(row, "ps") != "BOTH") is self.hedge]
        for symbol in sorted({text(row, "s") for row in legs}):
            if all(abs(known - changed_ms) > _SAME_CHANGE_MS for known in self._executed[symbol]):
                self._changed[symbol].add(changed_ms)
                self._raise(DoubtKind.LEG, symbol, str(changed_ms))
        return []

    def _notice(self, payload: Row) -> list[Report]:
        self._on_notice(Notice(str(payload["e"]), payload))
        return []

    def _park(self, update: OrderUpdate) -> None:
        """Keep a message until it is known whether its order is what one of ours became."""
        self._parked.setdefault((update.symbol, update.order_id), []).append(update)
        if len(self._parked) > MOST_PARKED:
            self._parked.popitem(last=False)
        execution = update.execution
        if execution is not None and not self.trades.knows(update.symbol, execution.trade_id):
            self._raise(DoubtKind.TRADE, update.symbol, str(execution.trade_id))

    def _heard(self, client_id: str, symbol: str, *, conditional: bool = False) -> None:
        self.links.heard(client_id, symbol, self._clock.monotonic(), conditional=conditional)
        self._doubts.settle(Doubt(DoubtKind.SILENCE, symbol, client_id))

    def _raise(self, kind: DoubtKind, symbol: str, what: str) -> None:
        self._doubts.raise_(Doubt(kind, symbol, what), self._clock.monotonic())
