"""A gateway's outbox: what is to leave and has not left yet."""

import asyncio
from collections import OrderedDict, deque
from enum import Enum, auto
from typing import NamedTuple

from contracts.enums import OrderPurpose, PositionSide
from tradeengine.domain.orders import ApprovedOrder, OrderName


class Task(Enum):
    """What is to be done about an order."""

    PLACE = auto()
    CANCEL = auto()
    ASK = auto()


class Instruction(NamedTuple):
    """An order, and what is to be done about it; of an order that the books do not know there is only the name."""

    order: ApprovedOrder | OrderName
    task: Task


_Position = tuple[str, str, PositionSide]


class Line:
    """Instructions in order of each strategy position; those of different positions may leave at the same time.

    A position's new stop leaves before the cancel of the one that it replaces, but does not wait for the answer that
    another position's order is owed.
    """

    def __init__(self) -> None:
        self._waiting: dict[_Position, OrderedDict[tuple[str, Task], Instruction]] = {}
        self._free: deque[_Position] = deque()
        self._busy: set[_Position] = set()
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def put(self, instruction: Instruction) -> None:
        """Add an instruction; one that waits already keeps its place."""
        position = _position(instruction)
        if position not in self._waiting:
            self._waiting[position] = OrderedDict()
            if position not in self._busy:
                self._free.append(position)
                self._arrived.set()
        self._waiting[position].setdefault(_key(instruction), instruction)

    def withdraw(self, placing: Instruction) -> bool:
        """Take back an instruction that waits, if it does."""
        position = _position(placing)
        waiting = self._waiting.get(position, OrderedDict())
        if waiting.pop(_key(placing), None) is None:
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
        _, instruction = waiting.popitem(last=False)
        if not waiting:
            del self._waiting[position]
        self._busy.add(position)
        return instruction

    def done(self, instruction: Instruction) -> None:
        """Let the next instruction of the same position be taken."""
        position = _position(instruction)
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

    def put(self, order: ApprovedOrder | OrderName, task: Task) -> None:
        """Add an instruction; one that waits already keeps its place."""
        opening = task is Task.PLACE and isinstance(order, ApprovedOrder) and order.purpose is OrderPurpose.OPEN
        (self.openings if opening else self.urgent).put(Instruction(order, task))

    def withdraw(self, order: ApprovedOrder) -> bool:
        """Take back an order that waits to be placed, if it still does; it has not left then, and never will."""
        placing = Instruction(order, Task.PLACE)
        return self.openings.withdraw(placing) or self.urgent.withdraw(placing)


def _position(instruction: Instruction) -> _Position:
    order = instruction.order
    return order.strategy_id, order.symbol, order.position_side


def _key(instruction: Instruction) -> tuple[str, Task]:
    return instruction.order.client_order_id, instruction.task
