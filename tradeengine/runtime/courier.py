"""Courier: carries requests about orders to the venue, as often as it takes, and reports what became of the orders."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

import structlog

from contracts.enums import OrderPurpose, OrderStatus, Refusal
from shared.clock import Clock
from shared.errors import OutcomeUnknown, RetrySafe
from tradeengine.domain.inputs import OrderReported
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import ApprovedOrder, LiveOrder, OrderName
from tradeengine.domain.state import ShardState
from tradeengine.runtime.retry import FIRST_PAUSE_S, until_answered
from tradeengine.venue.base import OrderDoor, Report

NEVER_SENT: Final = "cancelled before it was sent"

T = TypeVar("T")
Order = TypeVar("Order", bound=ApprovedOrder | OrderName)

log = structlog.get_logger(__name__)


class Courier:
    """One shard's way to the venue and back.

    Parameters
    ----------
    state
        The shard's state: what became of an order so far, and whether it is still wanted.
    report
        Takes what became of orders; never blocks.
    """

    def __init__(
        self, state: Callable[[], ShardState], venue: OrderDoor, clock: Clock, report: Callable[[Report], None]
    ) -> None:
        self._state = state
        self._venue = venue
        self._clock = clock
        self._report = report

    @property
    def settle_s(self) -> float:
        """How long an order whose request got no answer may still turn up, seconds."""
        return self._venue.settle_s

    @property
    def state(self) -> ShardState:
        """The shard's state."""
        return self._state()

    def live(self, order: ApprovedOrder) -> LiveOrder | None:
        """What has become of an order so far, ``None`` once it has ended."""
        return self._state().orders.get(order.client_order_id)

    async def place(self, order: ApprovedOrder) -> None:
        """Place an order that never arrived so far, unless it came to its end, is unwanted, or has become too old.

        Raises
        ------
        Rejected, OutcomeUnknown
            As of ``OrderDoor.place``.
        """
        await self._persist(self._place, order, RetrySafe)

    async def cancel(self, order: ApprovedOrder | OrderName) -> None:
        """Cancel an order.

        Raises
        ------
        Rejected
            If the venue refused.
        """
        # Cancelling twice does what cancelling once does, so an unknown outcome is simply tried again.
        await self._persist(self._venue.cancel, order, RetrySafe, OutcomeUnknown)

    async def ask(self, order: ApprovedOrder) -> list[Report] | None:
        """What the venue knows of an order, ``None`` if it never arrived.

        Raises
        ------
        Rejected
            If the venue refused.
        """
        reports = await self._persist(self._venue.query, order, RetrySafe, OutcomeUnknown)
        return None if reports is None else list(reports)

    def deliver(self, reports: Iterable[Report]) -> None:
        """Report what the venue answered."""
        for report in reports:
            self._report(report)

    def ended(
        self,
        order: ApprovedOrder,
        reason: str,
        status: OrderStatus = OrderStatus.REJECTED,
        refusal: Refusal | None = None,
    ) -> None:
        """Report that an order came to its end without a fill."""
        self._report(
            OrderReported(
                time_ms=self._clock.now_ms(),
                client_order_id=order.client_order_id,
                status=status,
                executed=ZERO,
                reason=reason,
                refusal=refusal,
                mark_price=self._venue.mark_price(order.symbol) if refusal is not None else None,
            )
        )

    async def _place(self, order: ApprovedOrder) -> None:
        live = self.live(order)
        if live is None or live.status is not OrderStatus.PLANNED:
            return
        age, most = self._clock.now_ms() - order.planned_ms, self._state().config.max_signal_age_ms
        if live.cancelling:
            self.ended(order, NEVER_SENT, OrderStatus.CANCELLED)
        elif order.purpose is OrderPurpose.OPEN and age > most:
            self.ended(order, f"could not be sent for {age} ms; an opening is worth nothing after {most} ms")
        else:
            await self._venue.place(order)

    async def _persist(self, request: Callable[[Order], Awaitable[T]], order: Order, *errors: type[Exception]) -> T:
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
