"""Stuck cancels: cancels that the venue refuses are asked for again, and operators are told."""

import asyncio
from typing import Final

from tradeengine.domain.orders import ApprovedOrder, OrderName
from tradeengine.runtime.alarm import Alarm
from tradeengine.runtime.outbox import Outbox, Task

_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_TOLD_AT: Final = (3, 10, 100)


class StuckCancels:
    """Counts how often the cancel of each order was refused.

    An order that rests on although nobody wants it may open what nobody wants: so its cancel is asked for without end.
    """

    def __init__(self, outbox: Outbox, alarm: Alarm) -> None:
        self._outbox = outbox
        self._alarm = alarm
        self._refused: dict[str, int] = {}

    def refused(self, order: ApprovedOrder | OrderName, reason: str) -> None:
        """Ask for a cancel again, after a pause that grows."""
        name = order.client_order_id
        times = self._refused[name] = self._refused.get(name, 0) + 1
        if times in _TOLD_AT:
            text = f"order {name} of {order.symbol} rests on, its cancel was refused {times} times: {reason}"
            self._alarm("cancel_refused", f"{text}; cancel it by hand", order.symbol)
        pause = min(2.0 ** (times - 1) * _PAUSE_S, _LONGEST_PAUSE_S)
        asyncio.get_running_loop().call_later(pause, self._outbox.put, order, Task.CANCEL)

    def taken(self, order: ApprovedOrder | OrderName) -> None:
        """Forget an order whose cancel the venue has taken."""
        self._refused.pop(order.client_order_id, None)
