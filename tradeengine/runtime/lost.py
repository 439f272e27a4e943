"""Lost orders: orders whose answer, or whose fill, does not come. The venue is asked, and nothing is guessed."""

from typing import Final

import structlog

from shared.clock import Clock
from shared.errors import OutcomeUnknown, Rejected
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.runtime.courier import Courier
from tradeengine.runtime.retry import FIRST_PAUSE_S

NEVER_ARRIVED: Final = "never arrived at the venue"
CONFIRM_S: Final = 1.0
"""How long the fill of a market order may be under way before the venue is asked about it."""
LONGEST_CONFIRM_S: Final = 30.0

log = structlog.get_logger(__name__)


class LostOrders:
    """Finds out what became of orders.

    Parameters
    ----------
    clock
        For the pauses between two questions.
    """

    def __init__(self, courier: Courier, clock: Clock) -> None:
        self._courier = courier
        self._clock = clock

    async def resolve(self, order: ApprovedOrder, *, again: bool = False) -> None:
        """Find out what became of an order whose answer was lost.

        Parameters
        ----------
        again
            Whether it is sent again while the venue does not know it: right for an order that rests, because no second
            one rests under its id (Binance docs, "New Algo Order", clientAlgoId). Any other is never sent again.

        Raises
        ------
        Rejected
            If the venue refused the question.
        """
        deadline = self._clock.monotonic() + self._courier.settle_s
        pause = FIRST_PAUSE_S
        while True:
            reports = await self._courier.ask(order)
            if reports is not None:
                self._courier.deliver(reports)
                return
            live = self._courier.live(order)
            # One that is to be cancelled meanwhile would be told ended, though its request may still arrive.
            if again and live is not None and not live.cancelling:
                try:
                    await self._courier.place(order)
                except OutcomeUnknown as error:
                    log.warning("place_unknown", client_order_id=order.client_order_id, reason=str(error))
                    deadline = self._clock.monotonic() + self._courier.settle_s
                except Rejected as error:
                    await self._refused_again(order, error)
                    return
                else:
                    return
            left = deadline - self._clock.monotonic()
            if left <= 0:
                self._courier.ended(order, NEVER_ARRIVED)
                return
            # Many orders may be lost at once, and what asks for them costs weight that closing needs.
            await self._clock.sleep(min(pause, left))
            pause = min(2 * pause, CONFIRM_S)

    async def confirm(self, order: ApprovedOrder) -> None:
        """Ask about an order, with growing pauses, until it has come to its end."""
        pause = CONFIRM_S
        while True:
            await self._clock.sleep(pause)
            if self._courier.live(order) is None:
                return
            log.warning("fill_awaited", client_order_id=order.client_order_id, action="the venue is asked")
            try:
                self._courier.deliver(await self._courier.ask(order) or ())
            except Rejected as error:
                log.warning("query_rejected", client_order_id=order.client_order_id, reason=str(error))
            pause = min(2 * pause, LONGEST_CONFIRM_S)

    async def _refused_again(self, order: ApprovedOrder, error: Rejected) -> None:
        """End an order that was refused when it was sent again, unless it had arrived the first time after all."""
        reports = await self._courier.ask(order)
        if reports is None:
            self._courier.ended(order, str(error), refusal=error.refusal)
        else:
            self._courier.deliver(reports)
