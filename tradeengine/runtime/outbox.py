"""A gateway's outbox: what is to leave and has not left yet."""

import asyncio
from collections import OrderedDict

from contracts.enums import OrderPurpose
from tradeengine.domain.orders import ApprovedOrder

Instruction = tuple[ApprovedOrder, bool]
"""An order, and whether it is to be cancelled instead of placed."""

_Line = OrderedDict[tuple[str, bool], ApprovedOrder]


class Outbox:
    """Two lines, each first in, first out: what protects or reduces a position, which goes first, and openings.

    A stop must not wait behind a flood of openings: until it rests its position is naked. Cancels go in the first line
    too, so a new stop leaves before the cancel of the one that it replaces.
    """

    def __init__(self) -> None:
        self._urgent: _Line = OrderedDict()
        self._openings: _Line = OrderedDict()
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._urgent) + len(self._openings)

    def put(self, order: ApprovedOrder, *, cancel: bool = False) -> None:
        """Add an instruction; one that waits already keeps its place."""
        opening = order.purpose is OrderPurpose.OPEN and not cancel
        line = self._openings if opening else self._urgent
        line.setdefault((order.client_order_id, cancel), order)
        self._arrived.set()

    def withdraw(self, order: ApprovedOrder) -> bool:
        """Take back an order that waits to be placed, if it still does; it has not left then, and never will."""
        key = (order.client_order_id, False)
        return self._openings.pop(key, None) is not None or self._urgent.pop(key, None) is not None

    async def take(self) -> Instruction:
        """Wait for an instruction and take it."""
        while not self:
            self._arrived.clear()
            await self._arrived.wait()
        (_, cancel), order = (self._urgent or self._openings).popitem(last=False)
        return order, cancel
