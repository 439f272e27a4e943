"""A gateway's outbox: what is to leave and has not left yet."""

import asyncio
from collections import OrderedDict, deque

from contracts.enums import OrderPurpose, PositionSide
from tradeengine.domain.orders import ApprovedOrder

Instruction = tuple[ApprovedOrder, bool]
"""An order, and whether it is to be cancelled instead of placed."""

_Position = tuple[str, str, PositionSide]


class Line:
    """Instructions in order of each strategy position; those of different positions may leave at the same time.

    A position's new stop leaves before the cancel of the one that it replaces, but does not wait for the answer that
    another position's order is owed.
    """

    def __init__(self) -> None:
        self._waiting: dict[_Position, OrderedDict[tuple[str, bool], ApprovedOrder]] = {}
        self._free: deque[_Position] = deque()
        self._busy: set[_Position] = set()
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def put(self, order: ApprovedOrder, *, cancel: bool) -> None:
        """Add an instruction; one that waits already keeps its place."""
        position = _position(order)
        if position not in self._waiting:
            self._waiting[position] = OrderedDict()
            if position not in self._busy:
                self._free.append(position)
                self._arrived.set()
        self._waiting[position].setdefault((order.client_order_id, cancel), order)

    def withdraw(self, order: ApprovedOrder) -> bool:
        """Take back an order that waits to be placed, if it does."""
        position = _position(order)
        waiting = self._waiting.get(position, OrderedDict())
        if waiting.pop((order.client_order_id, False), None) is None:
            return False
        if not waiting:
            del self._waiting[position]
            if position in self._free:
                self._free.remove(position)
        return True

    async def take(self) -> Instruction:
        """Wait for an instruction whose position is free, and take it; :meth:`done` frees the position again."""
        while not self._free:
            self._arrived.clear()
            await self._arrived.wait()
        position = self._free.popleft()
        waiting = self._waiting[position]
        (_, cancel), order = waiting.popitem(last=False)
        if not waiting:
            del self._waiting[position]
        self._busy.add(position)
        return order, cancel

    def done(self, order: ApprovedOrder) -> None:
        """Let the next instruction of the same position be taken."""
        position = _position(order)
        self._busy.discard(position)
        if position in self._waiting:
            self._free.append(position)
            self._arrived.set()


class Outbox:
    """Two lines: what protects or reduces a position, and openings.

    A stop must not wait behind a flood of openings: until it rests its position is naked. Cancels go in the urgent line
    too.
    """

    def __init__(self) -> None:
        self.urgent = Line()
        self.openings = Line()

    def __len__(self) -> int:
        return len(self.urgent) + len(self.openings)

    def put(self, order: ApprovedOrder, *, cancel: bool = False) -> None:
        """Add an instruction; one that waits already keeps its place."""
        opening = order.purpose is OrderPurpose.OPEN and not cancel
        (self.openings if opening else self.urgent).put(order, cancel=cancel)

    def withdraw(self, order: ApprovedOrder) -> bool:
        """Take back an order that waits to be placed, if it still does; it has not left then, and never will."""
        return self.openings.withdraw(order) or self.urgent.withdraw(order)


def _position(order: ApprovedOrder) -> _Position:
    return order.strategy_id, order.symbol, order.position_side
