"""The gateway: the one door through which orders leave, after their commit."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog

from contracts.enums import OrderPurpose, OrderStatus
from shared.clock import Clock
from shared.errors import OutcomeUnknown, Rejected, RetrySafe
from tradeengine.domain.events import CancelPlanned, OrderPlanned
from tradeengine.domain.inputs import OrderReported
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import ApprovedOrder, LiveOrder
from tradeengine.domain.state import ShardState
from tradeengine.journal.record import Record
from tradeengine.runtime.outbox import Instruction, Outbox
from tradeengine.runtime.retry import FIRST_PAUSE_S, until_answered
from tradeengine.venue.base import Report, Venue

_ROUNDS = 5
NEVER_ARRIVED = "never arrived at the venue"
NEVER_SENT = "cancelled before it was sent"

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Gateway:
    """Sends one shard's orders to the venue, one at a time: what protects or reduces first, openings after it.

    Parameters
    ----------
    state
        The shard's state: what became of an order so far, and whether it is still wanted.
    report
        Takes what became of orders; never blocks.
    """

    def __init__(
        self,
        state: Callable[[], ShardState],
        venue: Venue,
        clock: Clock,
        report: Callable[[Report], None],
    ) -> None:
        self._state = state
        self._venue = venue
        self._clock = clock
        self._report = report
        self._outbox = Outbox()

    def take(self, record: Record) -> None:
        """Queue what a committed record calls for; an order that is cancelled while it waits ends here."""
        for order, cancel in self.instructions(record):
            if cancel and self._outbox.withdraw(order):
                self._ended(order, NEVER_SENT, OrderStatus.CANCELLED)
            else:
                self._outbox.put(order, cancel=cancel)

    def instructions(self, record: Record) -> list[Instruction]:
        """Orders to place and to cancel that a committed record calls for, in order."""
        found: list[Instruction] = []
        planned: dict[str, ApprovedOrder] = {}
        for event in record.events():
            if isinstance(event, OrderPlanned):
                planned[event.order.client_order_id] = event.order
                found.append((event.order, False))
            elif isinstance(event, CancelPlanned):
                live = self._state().orders.get(event.client_order_id)
                order = planned.get(event.client_order_id) or (live.order if live else None)
                if order is not None:
                    found.append((order, True))
        return found

    async def resume(self, orders: Iterable[ApprovedOrder]) -> None:
        """After a restart: learn what became of orders, and send what was planned but never left.

        A request may have left just before, whenever its order was planned. So an order that the venue does not know
        was never sent only if the venue still does not know it ``Venue.settle_s`` after the start of the resume; then
        it is queued under its own id, like any other.

        Parameters
        ----------
        orders
            All that were live when the shard was loaded. Later ones come by :meth:`take`, and must not be among them.
        """
        deadline = self._clock.monotonic() + self._venue.settle_s
        missing = list(orders)
        while missing:
            settled = self._clock.monotonic() >= deadline
            missing = [order for order in missing if not await self._found(order)]
            if settled or not missing:
                break
            await self._clock.sleep(self._venue.settle_s / _ROUNDS)
        for order in missing:
            self._outbox.put(order)

    async def _found(self, order: ApprovedOrder) -> bool:
        """Whether the venue knows an order, or it need not: it came to its end, or the venue knew it before."""
        reports = await self._ask(order)
        live = self._live(order)
        if live is None:
            return True
        if reports is None and live.status is OrderStatus.PLANNED:
            return False
        self._deliver(reports or ())
        if live.cancelling:
            self._outbox.put(order, cancel=True)
        return True

    def _live(self, order: ApprovedOrder) -> LiveOrder | None:
        return self._state().orders.get(order.client_order_id)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            order, cancel = await self._outbox.take()
            await self.execute(order, cancel=cancel)

    @property
    def waiting(self) -> int:
        """Instructions that have not been sent yet."""
        return len(self._outbox)

    async def execute(self, order: ApprovedOrder, *, cancel: bool) -> None:
        """Place or cancel one order and see it through to a known outcome."""
        try:
            if cancel:
                # Cancelling twice does what cancelling once does, so an unknown outcome is simply tried again.
                await self._persist(self._venue.cancel, order, RetrySafe, OutcomeUnknown)
            else:
                await self._persist(self._place, order, RetrySafe)
        except OutcomeUnknown as error:
            log.warning("place_unknown", client_order_id=order.client_order_id, reason=str(error))
            await self._resolve(order)
        except Rejected as error:
            if cancel:
                log.warning("cancel_rejected", client_order_id=order.client_order_id, reason=str(error))
            else:
                self._ended(order, str(error))

    async def _place(self, order: ApprovedOrder) -> None:
        """Place an order that never arrived so far, unless it came to its end, is unwanted, or has become too old."""
        live = self._live(order)
        if live is None or live.status is not OrderStatus.PLANNED:
            return
        age, most = self._clock.now_ms() - order.planned_ms, self._state().config.max_signal_age_ms
        if live.cancelling:
            self._ended(order, NEVER_SENT, OrderStatus.CANCELLED)
        elif order.purpose is OrderPurpose.OPEN and age > most:
            self._ended(order, f"could not be sent for {age} ms; an opening is worth nothing after {most} ms")
        else:
            await self._venue.place(order)

    async def _resolve(self, order: ApprovedOrder) -> None:
        """Find out what became of an order whose answer was lost; it is never sent again before that is known."""
        deadline = self._clock.monotonic() + self._venue.settle_s
        while True:
            reports = await self._ask(order)
            if reports is not None:
                self._deliver(reports)
                return
            if self._clock.monotonic() >= deadline:
                self._ended(order, NEVER_ARRIVED)
                return
            await self._clock.sleep(FIRST_PAUSE_S)

    async def _ask(self, order: ApprovedOrder) -> list[Report] | None:
        reports = await self._persist(self._venue.query, order, RetrySafe, OutcomeUnknown)
        return None if reports is None else list(reports)

    async def _persist(
        self, request: Callable[[ApprovedOrder], Awaitable[T]], order: ApprovedOrder, *errors: type[Exception]
    ) -> T:
        """Make a request, again after each of the errors named."""
        name = getattr(request, "__name__", "request").lstrip("_")

        def tell(reason: str) -> None:
            log.warning("venue_retry", request=name, client_order_id=order.client_order_id, reason=reason)

        try:
            # Nearly every request is answered, and preparing to repeat it costs more than a tenth of the order.
            return await request(order)
        except errors as error:
            tell(str(error))
            await self._clock.sleep(FIRST_PAUSE_S)
        return await until_answered(self._clock, tell, *errors)(request, order)

    def _deliver(self, reports: Iterable[Report]) -> None:
        for report in reports:
            self._report(report)

    def _ended(self, order: ApprovedOrder, reason: str, status: OrderStatus = OrderStatus.REJECTED) -> None:
        self._report(
            OrderReported(
                time_ms=self._clock.now_ms(),
                client_order_id=order.client_order_id,
                status=status,
                executed=ZERO,
                reason=reason,
            )
        )
