"""The gateway: the one door through which orders leave, after their commit."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

import structlog

from contracts.enums import OrderKind, OrderPurpose, OrderStatus, Refusal, UnprotectedPolicy
from shared.clock import Clock
from shared.errors import OutcomeUnknown, Rejected, RetrySafe
from tradeengine.domain.events import CancelPlanned, OrderPlanned, OrphanCancelPlanned, QueryPlanned
from tradeengine.domain.inputs import OrderReported
from tradeengine.domain.legs import is_covered
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import ApprovedOrder, LiveOrder, OrderName
from tradeengine.domain.state import ShardState
from tradeengine.journal.record import Record
from tradeengine.runtime.outbox import Instruction, Line, Outbox, Task
from tradeengine.runtime.retry import FIRST_PAUSE_S, until_answered
from tradeengine.venue.base import OrderDoor, Report

_ROUNDS = 5
_URGENT_AT_ONCE: Final = 8
_OPENINGS_AT_ONCE: Final = 4
_HOLD_S: Final = 0.5
"""How long an order that the venue keeps waiting keeps others of its line from leaving."""
_NAKED_S: Final = 4.0
"""How long a stop may be under way before its position counts as one that cannot be protected."""
_LOOK_S: Final = 0.25
_CONFIRM_S: Final = 1.0
_LONGEST_CONFIRM_S: Final = 30.0
_TOLD_AT: Final = (3, 10, 100)
NEVER_ARRIVED = "never arrived at the venue"
NEVER_SENT = "cancelled before it was sent"
NOT_AT_REST = "it did not come to rest in"

T = TypeVar("T")
Order = TypeVar("Order", bound=ApprovedOrder | OrderName)

log = structlog.get_logger(__name__)

Alarm = Callable[[str, str, str], None]


def nobody(name: str, text: str, symbol: str) -> None:
    """Nobody is to be told."""


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
        Tells operators what the gateway cannot mend: a name, a text and the symbol.
    """

    def __init__(
        self,
        state: Callable[[], ShardState],
        venue: OrderDoor,
        clock: Clock,
        report: Callable[[Report], None],
        alarm: Alarm = nobody,
    ) -> None:
        self._state = state
        self._venue = venue
        self._clock = clock
        self._report = report
        self._alarm = alarm
        self._refused: dict[str, int] = {}
        self._outbox = Outbox()
        # Orders whose placing is under way, and whether their cancel waits for it.
        self._placing: dict[str, bool] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._broken: asyncio.Future[None] | None = None

    def take(self, record: Record) -> None:
        """Queue what a committed record calls for; an order that is cancelled while it waits ends here."""
        for order, task in self.instructions(record):
            if task is Task.CANCEL and isinstance(order, ApprovedOrder) and self._outbox.withdraw(order):
                self._ended(order, NEVER_SENT, OrderStatus.CANCELLED)
            else:
                self._outbox.put(order, task)

    def instructions(self, record: Record) -> list[Instruction]:
        """What a committed record calls for, in order."""
        found: list[Instruction] = []
        planned: dict[str, ApprovedOrder] = {}
        for event in record.events():
            if isinstance(event, OrderPlanned):
                planned[event.order.client_order_id] = event.order
                found.append(Instruction(event.order, Task.PLACE))
            elif isinstance(event, CancelPlanned | QueryPlanned):
                live = self._state().orders.get(event.client_order_id)
                order = planned.get(event.client_order_id) or (live.order if live else None)
                if order is not None:
                    task = Task.CANCEL if isinstance(event, CancelPlanned) else Task.ASK
                    found.append(Instruction(order, task))
            elif isinstance(event, OrphanCancelPlanned):
                found.append(Instruction(_named(event), Task.CANCEL))
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
        rounds = [asyncio.Event() for _ in range(_ROUNDS)]
        ticker = asyncio.create_task(self._tick(rounds))
        try:
            # Side by side: one that the venue says nothing about must not keep the others from being known.
            await asyncio.gather(*[self._resume(order, rounds) for order in orders])
        finally:
            ticker.cancel()
            await asyncio.gather(ticker, return_exceptions=True)

    async def _tick(self, rounds: Iterable[asyncio.Event]) -> None:
        for over in rounds:
            await self._clock.sleep(self._venue.settle_s / _ROUNDS)
            over.set()

    async def _resume(self, order: ApprovedOrder, rounds: Iterable[asyncio.Event]) -> None:
        for over in rounds:
            if await self._found(order):
                return
            if order.purpose.protective:
                # No second one rests under its id, and its position has waited for long enough.
                break
            await over.wait()
        if order.purpose.protective or not await self._found(order):
            self._outbox.put(order, Task.PLACE)

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
            self._outbox.put(order, Task.CANCEL)
        return True

    def _live(self, order: ApprovedOrder) -> LiveOrder | None:
        return self._state().orders.get(order.client_order_id)

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
                self._ended(stop, f"{NOT_AT_REST} {_NAKED_S:g} s")
                return
            await self._clock.sleep(_LOOK_S)

    def _is_naked(self, order: ApprovedOrder) -> bool:
        """Whether a stop under way is all that its position has, and the policy is to close such a position."""
        state, live = self._state(), self._live(order)
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
                    await self._resolve(order)
            else:
                await self._see_through(order)
        except Rejected as error:
            log.warning("request_rejected", task=task.name, client_order_id=order.client_order_id, reason=str(error))
            if task is Task.CANCEL:
                self._cancel_again(order, str(error))

    async def _cancel(self, order: ApprovedOrder | OrderName) -> None:
        if order.client_order_id in self._placing:
            # Sent now it would overtake the order and find nothing, and the order would fill.
            self._placing[order.client_order_id] = True
            return
        # Cancelling twice does what cancelling once does, so an unknown outcome is simply tried again.
        await self._persist(self._venue.cancel, order, RetrySafe, OutcomeUnknown)
        self._refused.pop(order.client_order_id, None)

    def _cancel_again(self, order: ApprovedOrder | OrderName, reason: str) -> None:
        """An order that rests on although nobody wants it may open what nobody wants: ask again, and tell somebody."""
        name = order.client_order_id
        times = self._refused[name] = self._refused.get(name, 0) + 1
        if times in _TOLD_AT:
            text = f"order {name} of {order.symbol} rests on, its cancel was refused {times} times: {reason}"
            self._alarm("cancel_refused", f"{text}; cancel it by hand", order.symbol)
        pause = min(2.0 ** (times - 1) * _CONFIRM_S, _LONGEST_CONFIRM_S)
        asyncio.get_running_loop().call_later(pause, self._outbox.put, order, Task.CANCEL)

    async def _see_through(self, order: ApprovedOrder) -> None:
        name = order.client_order_id
        self._placing[name] = False
        try:
            await self._persist(self._place, order, RetrySafe)
            self._watch(order)
        except OutcomeUnknown as error:
            log.warning("place_unknown", client_order_id=name, reason=str(error))
            await self._resolve(order, again=order.purpose.protective)
        except Rejected as error:
            self._ended(order, str(error), refusal=error.refusal)
        finally:
            if self._placing.pop(name):
                self._outbox.put(order, Task.CANCEL)

    def _watch(self, order: ApprovedOrder) -> None:
        """Ask about a market order whose fill does not come: until it is booked, what it bought has no stop."""
        if order.kind is OrderKind.MARKET and self._venue.settle_s and self._live(order) is not None:
            self._spawn(self._confirm(order), f"confirm-{order.client_order_id}")

    async def _confirm(self, order: ApprovedOrder) -> None:
        pause = _CONFIRM_S
        while True:
            await self._clock.sleep(pause)
            if self._live(order) is None:
                return
            log.warning("fill_awaited", client_order_id=order.client_order_id, action="the venue is asked")
            try:
                self._deliver(await self._ask(order) or ())
            except Rejected as error:
                log.warning("query_rejected", client_order_id=order.client_order_id, reason=str(error))
            pause = min(2 * pause, _LONGEST_CONFIRM_S)

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

    async def _resolve(self, order: ApprovedOrder, *, again: bool = False) -> None:
        """Find out what became of an order whose answer was lost.

        Parameters
        ----------
        again
            Whether it is sent again while the venue does not know it: right for an order that rests, because no second
            one rests under its id (Binance docs, "New Algo Order", clientAlgoId). Any other is never sent again.
        """
        deadline = self._clock.monotonic() + self._venue.settle_s
        pause = FIRST_PAUSE_S
        while True:
            reports = await self._ask(order)
            if reports is not None:
                self._deliver(reports)
                return
            if again:
                try:
                    await self._persist(self._place, order, RetrySafe)
                except OutcomeUnknown as error:
                    log.warning("place_unknown", client_order_id=order.client_order_id, reason=str(error))
                    deadline = self._clock.monotonic() + self._venue.settle_s
                except Rejected as error:
                    await self._refused_again(order, error)
                    return
                else:
                    return
            left = deadline - self._clock.monotonic()
            if left <= 0:
                self._ended(order, NEVER_ARRIVED)
                return
            # Many orders may be lost at once, and what asks for them costs weight that closing needs.
            await self._clock.sleep(min(pause, left))
            pause = min(2 * pause, _CONFIRM_S)

    async def _refused_again(self, order: ApprovedOrder, error: Rejected) -> None:
        """End an order that was refused when it was sent again, unless it had arrived the first time after all."""
        reports = await self._ask(order)
        if reports is None:
            self._ended(order, str(error), refusal=error.refusal)
        else:
            self._deliver(reports)

    async def _ask(self, order: ApprovedOrder) -> list[Report] | None:
        reports = await self._persist(self._venue.query, order, RetrySafe, OutcomeUnknown)
        return None if reports is None else list(reports)

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

    def _deliver(self, reports: Iterable[Report]) -> None:
        for report in reports:
            self._report(report)

    def _ended(
        self,
        order: ApprovedOrder,
        reason: str,
        status: OrderStatus = OrderStatus.REJECTED,
        refusal: Refusal | None = None,
    ) -> None:
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


def _named(event: OrphanCancelPlanned) -> OrderName:
    held = event.order
    return OrderName(
        client_order_id=held.client_order_id, symbol=event.symbol, position_side=held.position_side, kind=held.kind
    )
