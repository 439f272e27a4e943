"""The gateway: the one door through which orders leave, after their commit."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from contracts.enums import OrderStatus
from shared.clock import Clock
from shared.errors import OutcomeUnknown, Rejected, RetrySafe
from tradeengine.domain.events import CancelPlanned, OrderPlanned
from tradeengine.domain.inputs import OrderReported
from tradeengine.domain.orders import ApprovedOrder, LiveOrder
from tradeengine.domain.state import ShardState
from tradeengine.journal.record import Record
from tradeengine.venue.base import Report, Venue

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
NEVER_ARRIVED = "never arrived at the venue"

T = TypeVar("T")

log = structlog.get_logger(__name__)

Instruction = tuple[ApprovedOrder, bool]
"""An order, and whether it is to be cancelled instead of placed."""


class Gateway:
    """Sends one shard's orders to the venue, in the order in which they were planned.

    Parameters
    ----------
    state
        The shard's state; cancels are looked up in it.
    report
        Takes what became of orders; never blocks.
    settle_s
        How long an order without an answer may still turn up at the venue, seconds.
    """

    def __init__(
        self,
        state: Callable[[], ShardState],
        venue: Venue,
        clock: Clock,
        report: Callable[[Report], None],
        settle_s: float = 5.0,
    ) -> None:
        self._state = state
        self._venue = venue
        self._clock = clock
        self._report = report
        self._settle_s = settle_s
        self._queue: asyncio.Queue[Instruction] = asyncio.Queue()

    def take(self, record: Record) -> None:
        """Queue what a committed record calls for."""
        for instruction in self.instructions(record):
            self._queue.put_nowait(instruction)

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

    async def resume(self, orders: Iterable[LiveOrder]) -> None:
        """After a restart: learn what became of every live order, and send what was planned but never left.

        An order that the venue does not know, however long it is asked, was never sent. It is sent now under its own
        id, unless it would open a position for a signal that has become too old.
        """
        for live in list(orders):
            reports = await self._ask(live.order)
            while reports is None and live.status is OrderStatus.PLANNED and not self._settled(live.order):
                await self._clock.sleep(_FIRST_PAUSE_S)
                reports = await self._ask(live.order)
            if reports is not None:
                self._deliver(reports)
            elif live.status is OrderStatus.PLANNED:
                self._send_late(live.order)
            if live.cancelling:
                self._queue.put_nowait((live.order, True))

    def _settled(self, order: ApprovedOrder) -> bool:
        return self._clock.now_ms() - order.planned_ms >= self._settle_s * 1000

    def _send_late(self, order: ApprovedOrder) -> None:
        age = self._clock.now_ms() - order.planned_ms
        if order.purpose.opening and age > self._state().config.max_signal_age_ms:
            self._ended(order, f"not sent before a restart, and {age} ms old after it")
        else:
            self._queue.put_nowait((order, False))

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            order, cancel = await self._queue.get()
            await self.execute(order, cancel=cancel)

    @property
    def waiting(self) -> int:
        """Instructions that have not been sent yet."""
        return self._queue.qsize()

    async def execute(self, order: ApprovedOrder, *, cancel: bool) -> None:
        """Place or cancel one order and see it through to a known outcome."""
        try:
            if cancel:
                # Cancelling twice does what cancelling once does, so an unknown outcome is simply tried again.
                await self._persist(self._venue.cancel, order, RetrySafe, OutcomeUnknown)
            else:
                await self._persist(self._venue.place, order, RetrySafe)
        except OutcomeUnknown as error:
            log.warning("place_unknown", client_order_id=order.client_order_id, reason=str(error))
            await self._resolve(order)
        except Rejected as error:
            if cancel:
                log.warning("cancel_rejected", client_order_id=order.client_order_id, reason=str(error))
            else:
                self._ended(order, str(error))

    async def _resolve(self, order: ApprovedOrder) -> None:
        """Find out what became of an order whose answer was lost; it is never sent again before that is known."""
        deadline = self._clock.monotonic() + self._settle_s
        while True:
            reports = await self._ask(order)
            if reports is not None:
                self._deliver(reports)
                return
            if self._clock.monotonic() >= deadline:
                self._ended(order, NEVER_ARRIVED)
                return
            await self._clock.sleep(_FIRST_PAUSE_S)

    async def _ask(self, order: ApprovedOrder) -> list[Report] | None:
        reports = await self._persist(self._venue.query, order, RetrySafe, OutcomeUnknown)
        return None if reports is None else list(reports)

    async def _persist(
        self, request: Callable[[ApprovedOrder], Awaitable[T]], order: ApprovedOrder, *errors: type[Exception]
    ) -> T:
        """Make a request, again after each of the errors named, with growing pauses and no end."""
        name = getattr(request, "__name__", "request")

        def tell(attempt: RetryCallState) -> None:
            error = attempt.outcome.exception() if attempt.outcome else None
            log.warning("venue_retry", request=name, client_order_id=order.client_order_id, reason=str(error))

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(errors),
            wait=wait_exponential(multiplier=_FIRST_PAUSE_S, max=_LONGEST_PAUSE_S),
            sleep=self._clock.sleep,
            before_sleep=tell,
        )
        return await retrying(request, order)

    def _deliver(self, reports: Iterable[Report]) -> None:
        for report in reports:
            self._report(report)

    def _ended(self, order: ApprovedOrder, reason: str) -> None:
        self._report(
            OrderReported(
                time_ms=self._clock.now_ms(),
                client_order_id=order.client_order_id,
                status=OrderStatus.REJECTED,
                reason=reason,
            )
        )
