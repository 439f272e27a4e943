"""The gateway: the one door through which orders leave, after their commit; a stop that waits long for it, before."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

import structlog

from contracts.enums import OrderKind, OrderPurpose, OrderStatus, Severity, UnprotectedPolicy
from shared.clock import Clock
from shared.errors import OutcomeUnknown, Rejected
from tradeengine.domain.events import CancelPlanned, OrderPlanned, OrphanCancelPlanned, QueryPlanned
from tradeengine.domain.legs import is_covered
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import ApprovedOrder, LiveOrder, OrderName
from tradeengine.domain.state import ShardState
from tradeengine.journal.record import Record
from tradeengine.runtime.alarm import Alarm, nobody
from tradeengine.runtime.courier import NEVER_SENT, Courier
from tradeengine.runtime.lost import LostOrders
from tradeengine.runtime.outbox import Instruction, Line, Outbox, Task
from tradeengine.runtime.resuming import Resuming
from tradeengine.runtime.stuck import StuckCancels
from tradeengine.venue.base import OrderDoor, Report

_URGENT_AT_ONCE: Final = 8
_OPENINGS_AT_ONCE: Final = 4
_HOLD_S: Final = 0.5
"""How long an order that the venue keeps waiting keeps others of its line from leaving."""
_NAKED_S: Final = 4.0
"""How long a stop may be under way before its position counts as one that cannot be protected."""
_LOOK_S: Final = 0.25
NOT_AT_REST = "it did not come to rest in"
STOP_BEFORE_COMMIT = "stop_before_commit"

log = structlog.get_logger(__name__)


class Gateway:
    """Sends one shard's orders to the venue: each strategy position's in order, and openings beside all others.

    An order that the venue keeps waiting goes on by itself, and those behind it leave: what closes a position must not
    wait for a target that the venue does not take.

    Parameters
    ----------
    state
        The shard's state: what became of an order so far, and whether it is still wanted.
    report
        Takes what became of orders; never blocks.
    alarm
        Tells operators what the gateway cannot mend, and what left before its commit.
    """

    def __init__(
        self,
        state: Callable[[], ShardState],
        venue: OrderDoor,
        clock: Clock,
        report: Callable[[Report], None],
        alarm: Alarm = nobody,
    ) -> None:
        self._clock = clock
        self._alarm = alarm
        self._settles = bool(venue.settle_s)
        self._outbox = Outbox()
        self._courier = Courier(state, venue, clock, report)
        self._lost = LostOrders(self._courier, clock)
        self._stuck = StuckCancels(self._outbox, alarm)
        # Orders whose placing is under way, and whether their cancel waits for it.
        self._placing: dict[str, bool] = {}
        # Orders that have left, or are about to, while the commit of their record is under way.
        self._ahead: set[str] = set()
        self._under_way: set[asyncio.Task[None]] = set()
        self._broken: asyncio.Future[None] | None = None

    def take(self, record: Record) -> None:
        """Queue what a committed record calls for; an order that is cancelled while it waits ends here."""
        for order, task in self.instructions(record):
            if task is Task.PLACE and order.client_order_id in self._ahead:
                self._ahead.discard(order.client_order_id)
            elif task is Task.CANCEL and isinstance(order, ApprovedOrder) and self._outbox.withdraw(order):
                self._courier.ended(order, NEVER_SENT, OrderStatus.CANCELLED)
            else:
                self._outbox.put(order, task)

    def take_stops(self, record: Record) -> None:
        """Queue the stops of a record whose commit takes long: until they rest, their positions are naked.

        A stop may leave, for at worst it rests without need: it closes at most what is held, under an id that follows
        from the journal, and no second one rests under that id. So may the cancel of a stop that another one, at rest,
        has replaced: the two ask for more than is held, and of what the market then takes first the exchange refuses
        the other. Nothing else of the record may leave.
        """
        for event in record.events():
            live = self._courier.state.orders.get(event.client_order_id) if isinstance(event, CancelPlanned) else None
            if live is not None and self._is_replaced(live):
                self._outbox.put(live.order, Task.CANCEL)
        stops = [
            event.order
            for event in record.events()
            if isinstance(event, OrderPlanned) and event.order.purpose is OrderPurpose.STOP_LOSS
        ]
        for stop in stops:
            live = self._courier.live(stop)
            if live is None or live.cancelling or live.status is not OrderStatus.PLANNED:
                continue
            self._ahead.add(stop.client_order_id)
            self._outbox.put(stop, Task.PLACE)
            text = (
                f"the stop {stop.client_order_id} of {stop.strategy_id} on {stop.symbol} leaves before its record "
                f"{record.sequence} of shard {record.shard} is committed: the journal has not answered; look after it"
            )
            self._alarm(STOP_BEFORE_COMMIT, text, stop.symbol, Severity.WARNING)

    def instructions(self, record: Record) -> list[Instruction]:
        """What a committed record calls for, in order."""
        found: list[Instruction] = []
        planned: dict[str, ApprovedOrder] = {}
        for event in record.events():
            if isinstance(event, OrderPlanned):
                planned[event.order.client_order_id] = event.order
                found.append(Instruction(event.order, Task.PLACE))
            elif isinstance(event, CancelPlanned | QueryPlanned):
                live = self._courier.state.orders.get(event.client_order_id)
                order = planned.get(event.client_order_id) or (live.order if live else None)
                if order is not None:
                    task = Task.CANCEL if isinstance(event, CancelPlanned) else Task.ASK
                    found.append(Instruction(order, task))
            elif isinstance(event, OrphanCancelPlanned):
                found.append(Instruction(_named(event), Task.CANCEL))
        return found

    async def resume(self, orders: Iterable[ApprovedOrder]) -> None:
        """After a restart: learn what became of orders, and send what was planned but never left.

        Parameters
        ----------
        orders
            All that were live when the shard was loaded. Later ones come by :meth:`take`, and must not be among them.
        """
        await Resuming(self._courier, self._outbox, self._clock, self._alarm).run(orders)

    async def run(self) -> None:
        """Send until cancelled."""
        self._broken = asyncio.get_running_loop().create_future()
        lines = [self._outbox.urgent] * _URGENT_AT_ONCE + [self._outbox.openings] * _OPENINGS_AT_ONCE
        workers = [asyncio.create_task(job) for job in map(self._send, lines)]
        ends = [*workers, self._broken]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            ends += self._under_way
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        for end in ends:
            if not end.cancelled():
                end.result()

    async def _send(self, line: Line) -> None:
        while True:
            instruction = await line.take()
            task = self._spawn(self.execute(instruction), f"order-{instruction.order.client_order_id}")
            await asyncio.wait([task], timeout=_HOLD_S)
            line.done(instruction)
            order = instruction.order
            if not task.done() and isinstance(order, ApprovedOrder) and order.purpose is OrderPurpose.STOP_LOSS:
                self._spawn(self._give_up(order, task), f"give-up-{order.client_order_id}")

    def _spawn(self, job: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Let something go on beside the lines; if it fails, the gateway does."""
        task = asyncio.create_task(job, name=name)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and self._broken is not None and not self._broken.done():
            self._broken.set_exception(error)

    async def _give_up(self, stop: ApprovedOrder, placing: asyncio.Task[None]) -> None:
        """A stop that does not come to rest leaves its position naked: say so, and the policy decides.

        It may come to rest all the same when an outage ends; then it is cancelled, for nobody counts on it.
        """
        await self._clock.sleep(_NAKED_S - _HOLD_S)
        while not placing.done():
            if self._is_naked(stop):
                if stop.client_order_id in self._placing:
                    self._placing[stop.client_order_id] = True
                self._courier.ended(stop, f"{NOT_AT_REST} {_NAKED_S:g} s")
                return
            await self._clock.sleep(_LOOK_S)

    def _is_naked(self, order: ApprovedOrder) -> bool:
        """Whether a stop under way is all that its position has, and the policy is to close such a position."""
        state, live = self._courier.state, self._courier.live(order)
        if state.config.unprotected is not UnprotectedPolicy.FLATTEN or live is None or live.cancelling:
            return False
        leg = state.leg(order.symbol, order.position_side)
        position = leg.strategies.get(order.strategy_id) if leg else None
        return (
            live.status is OrderStatus.PLANNED
            and position is not None
            and position.closable > ZERO
            and not is_covered(state, position)
        )

    def _is_replaced(self, old: LiveOrder) -> bool:
        """Whether a stop is to be cancelled because another of its position rests."""
        order = old.order
        if order.purpose is not OrderPurpose.STOP_LOSS or not old.cancelling:
            return False
        leg = self._courier.state.leg(order.symbol, order.position_side)
        position = leg.strategies.get(order.strategy_id) if leg else None
        new = self._courier.state.orders.get(position.stop_order_id or "") if position else None
        return (
            position is not None
            and new is not None
            and new is not old
            and new.status is OrderStatus.OPEN
            and not new.cancelling
            and new.remaining >= position.closable
        )

    @property
    def waiting(self) -> int:
        """Instructions that have not been sent yet."""
        return len(self._outbox)

    async def execute(self, instruction: Instruction) -> None:
        """Place, cancel or ask about one order, and see it through to a known outcome."""
        order, task = instruction
        try:
            if isinstance(order, OrderName) or task is Task.CANCEL:
                await self._cancel(order)
            elif task is Task.ASK:
                if order.client_order_id not in self._placing:
                    await self._lost.resolve(order)
            else:
                await self._see_through(order)
        except Rejected as error:
            log.warning("request_rejected", task=task.name, client_order_id=order.client_order_id, reason=str(error))
            if task is Task.CANCEL:
                self._stuck.refused(order, str(error))

    async def _cancel(self, order: ApprovedOrder | OrderName) -> None:
        if order.client_order_id in self._placing:
            # Sent now it would overtake the order and find nothing, and the order would fill.
            self._placing[order.client_order_id] = True
            return
        await self._courier.cancel(order)
        self._stuck.taken(order)

    async def _see_through(self, order: ApprovedOrder) -> None:
        name = order.client_order_id
        self._placing[name] = False
        try:
            await self._courier.place(order)
            self._watch(order)
        except OutcomeUnknown as error:
            log.warning("place_unknown", client_order_id=name, reason=str(error))
            await self._lost.resolve(order, again=order.purpose.protective)
        except Rejected as error:
            self._courier.ended(order, str(error), refusal=error.refusal)
        finally:
            if self._placing.pop(name):
                self._outbox.put(order, Task.CANCEL)

    def _watch(self, order: ApprovedOrder) -> None:
        """Ask about a market order whose fill does not come: until it is booked, what it bought has no stop."""
        if order.kind is OrderKind.MARKET and self._settles and self._courier.live(order) is not None:
            self._spawn(self._lost.confirm(order), f"confirm-{order.client_order_id}")


def _named(event: OrphanCancelPlanned) -> OrderName:
    held = event.order
    return OrderName(
        client_order_id=held.client_order_id, symbol=event.symbol, position_side=held.position_side, kind=held.kind
    )
