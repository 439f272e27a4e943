"""Resuming: after a restart, learn what became of orders, and send what was planned but never left."""

import asyncio
from collections.abc import Iterable
from typing import Final

from contracts.enums import OrderStatus
from shared.clock import Clock
from shared.errors import Rejected
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.runtime.alarm import Alarm, nobody
from tradeengine.runtime.courier import Courier
from tradeengine.runtime.outbox import Outbox, Task

_ROUNDS = 5
ORDER_UNKNOWN: Final = "order_unknown"
NOT_TOLD: Final = "the venue refuses to tell what became of it"


class Resuming:
    """Asks the venue about every order that was live when its shard was loaded.

    A request may have left just before, whenever its order was planned. So an order that the venue does not know was
    never sent only if the venue still does not know it ``Venue.settle_s`` after the start; then it is queued under its
    own id, like any other. One that the venue refuses to tell of all that time is given up: a symbol that is listed no
    more must not keep others from being traded.

    Parameters
    ----------
    outbox
        Takes what is to be sent.
    alarm
        Told the name, the text and the symbol of what is given up.
    """

    def __init__(self, courier: Courier, outbox: Outbox, clock: Clock, alarm: Alarm = nobody) -> None:
        self._courier = courier
        self._outbox = outbox
        self._clock = clock
        self._alarm = alarm
        self._rounds = [asyncio.Event() for _ in range(_ROUNDS)]

    async def run(self, orders: Iterable[ApprovedOrder]) -> None:
        """Return when it is known of each order what became of it, or that it never left."""
        ticker = asyncio.create_task(self._tick())
        try:
            # Side by side: one that the venue says nothing about must not keep the others from being known.
            await asyncio.gather(*[self._resume(order) for order in orders])
        finally:
            ticker.cancel()
            await asyncio.gather(ticker, return_exceptions=True)

    async def _tick(self) -> None:
        for over in self._rounds:
            await self._clock.sleep(self._courier.settle_s / _ROUNDS)
            over.set()

    async def _resume(self, order: ApprovedOrder) -> None:
        refused: Rejected | None = None
        for over in (*self._rounds, None):
            try:
                if await self._found(order):
                    return
                refused = None
                if self._may_leave(order):
                    break
            except Rejected as error:
                refused = error
            if over is not None:
                await over.wait()
        if refused is None:
            self._outbox.put(order, Task.PLACE)
        else:
            self._give_up(order, refused)

    def _may_leave(self, order: ApprovedOrder) -> bool:
        """Whether an order is sent as soon as the venue does not know it.

        A stop or target is: no second one rests under its id, and its position has waited for long enough. One that is
        to be cancelled is not: told ended now, it would rest unknown if its request arrived after that.
        """
        live = self._courier.live(order)
        return order.purpose.protective and live is not None and not live.cancelling

    async def _found(self, order: ApprovedOrder) -> bool:
        """Whether the venue knows an order, or it need not: it came to its end, or the venue knew it before."""
        reports = await self._courier.ask(order)
        live = self._courier.live(order)
        if live is None:
            return True
        if reports is None and live.status is OrderStatus.PLANNED:
            return False
        self._courier.deliver(reports or ())
        if live.cancelling:
            self._outbox.put(order, Task.CANCEL)
        return True

    def _give_up(self, order: ApprovedOrder, error: Rejected) -> None:
        """End an order that nobody tells of; what it did all the same, the reconciler finds in its leg."""
        live = self._courier.live(order)
        if live is None:
            return
        text = (
            f"what became of the {order.purpose} {order.client_order_id} of {order.strategy_id} on {order.symbol} is "
            f"not known, the venue refuses to tell: {error}; look at the exchange, and close by hand what it holds"
        )
        self._alarm(ORDER_UNKNOWN, text, order.symbol)
        if live.status is OrderStatus.PLANNED:
            self._courier.ended(order, f"{NOT_TOLD}: {error}")
        elif live.cancelling:
            self._outbox.put(order, Task.CANCEL)
