"""Legs: the two orders, stop and target, that a position's protection is made of.

A new one is placed first; the one that it replaces leaves when the new one rests. So a refusal never leaves a position
with less than it had.
"""

from collections.abc import Iterable
from decimal import Decimal

from contracts.enums import OrderPurpose, OrderStatus
from tradeengine.domain import events as ev
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import LiveOrder, OrderDraft
from tradeengine.domain.patience import MAX_SAME
from tradeengine.domain.position import StrategyPosition
from tradeengine.domain.risk import approve_exempt, exempt_draft
from tradeengine.domain.state import ShardState
from tradeengine.domain.triggers import Armed

REPLACED = "replaced"


class Legs:
    """Orders and cancels that bring a position's stop and target to what is wanted.

    Parameters
    ----------
    again
        Whether what was refused is tried again at once, because what it lacked may be there now.
    planned
        Orders that the same decision has planned before.
    """

    def __init__(
        self, state: ShardState, position: StrategyPosition, time_ms: int, *, again: bool = False, planned: int = 0
    ) -> None:
        self._state = state
        self._position = position
        self._time_ms = time_ms
        self._again = again
        self._planned = planned
        self._quantity = protected_quantity(state.instruments[position.symbol], position)
        self._orders: list[ev.AnyEvent] = []
        self._cancels: list[ev.AnyEvent] = []

    def bring_to(self, armed: Armed) -> list[ev.AnyEvent]:
        """Plan new orders first, then the cancels of those that nobody needs any more."""
        self._want(OrderPurpose.STOP_LOSS, armed.stop_price, armed.trailing_pct)
        self._want(OrderPurpose.TAKE_PROFIT, armed.target_price, waits=armed.target_waits)
        return self._orders + self._cancels

    def _want(
        self, purpose: OrderPurpose, trigger: Decimal | None, callback: Decimal | None = None, *, waits: bool = False
    ) -> None:
        """Bring one leg to a trigger price or a callback; without either there shall be none."""
        live, former = current(self._state, self._position, purpose), replaced(self._state, self._position, purpose)
        if (trigger is None and callback is None) or self._quantity <= 0:
            self._cancel(live, *former)
        elif fits(live, self._quantity, trigger, callback):
            if rests(live):
                self._cancel(*former)
        elif waits:
            # What rests is as good as what cannot, unless it would do something else.
            if live and (live.order.trigger_price != trigger or live.remaining > self._quantity):
                self._cancel(live, *former)
        else:
            self._place(purpose, trigger, callback, live)

    def _place(
        self, purpose: OrderPurpose, trigger: Decimal | None, callback: Decimal | None, live: LiveOrder | None
    ) -> None:
        draft = exempt_draft(self._position, purpose, self._quantity, self._position.signal_id, trigger, callback)
        if not self._may_try(purpose, draft):
            return
        number = self._state.orders_planned + self._planned + len(self._orders)
        order = approve_exempt(self._state, draft, number, self._time_ms)
        self._orders.append(ev.OrderPlanned(time_ms=self._time_ms, order=order))
        if not rests(live):
            # It may not even have left; what rests stays until the newest one does.
            self._cancel(live)

    def _may_try(self, purpose: OrderPurpose, draft: OrderDraft) -> bool:
        refused = self._position.refused.get(purpose)
        if refused is None or not refused.waiting or not refused.is_like(draft):
            return True
        if self._again and refused.times < MAX_SAME:
            return True
        return refused.is_due(purpose, self._time_ms, self._state.room_ms)

    def _cancel(self, *orders: LiveOrder | None) -> None:
        self._cancels += cancels(orders, REPLACED, self._time_ms)


def settle(state: ShardState, position: StrategyPosition, order_id: str, time_ms: int) -> list[ev.AnyEvent]:
    """A stop or target rests now: cancel those that it was to replace."""
    if order_id not in (position.stop_order_id, position.target_order_id):
        return []
    return cancels(replaced(state, position, state.orders[order_id].order.purpose), REPLACED, time_ms)


def cancels(orders: Iterable[LiveOrder | None], why: str, time_ms: int) -> list[ev.AnyEvent]:
    """Cancel orders, unless that is under way."""
    return [
        ev.CancelPlanned(time_ms=time_ms, client_order_id=live.order.client_order_id, why=why)
        for live in orders
        if live is not None and not live.cancelling
    ]


def current(state: ShardState, position: StrategyPosition, purpose: OrderPurpose) -> LiveOrder | None:
    """The newest stop or target of a position."""
    order_id = position.stop_order_id if purpose is OrderPurpose.STOP_LOSS else position.target_order_id
    return state.orders.get(order_id) if order_id else None


def replaced(state: ShardState, position: StrategyPosition, purpose: OrderPurpose) -> list[LiveOrder]:
    """Stops or targets of a position that leave once the newest one rests."""
    orders = map(state.orders.__getitem__, position.replaced_orders)
    return [live for live in orders if live.order.purpose is purpose]


def rests(live: LiveOrder | None) -> bool:
    """Whether the venue is known to hold an order."""
    return live is not None and (live.status is OrderStatus.OPEN or (live.filled > 0 and not live.status.terminal))


def is_covered(state: ShardState, position: StrategyPosition) -> bool:
    """Whether stops that are known to rest close all that is held."""
    stops = [current(state, position, OrderPurpose.STOP_LOSS), *replaced(state, position, OrderPurpose.STOP_LOSS)]
    resting = [live.remaining for live in stops if live is not None and rests(live) and not live.cancelling]
    return sum(resting, ZERO) >= position.quantity


def fits(live: LiveOrder | None, quantity: Decimal, trigger: Decimal | None, callback: Decimal | None) -> bool:
    """Whether a stop or target is what is wanted already."""
    if live is None or live.cancelling or live.remaining != quantity:
        return False
    return (live.order.trigger_price, live.order.callback_pct) == (trigger, callback)


def is_at_work(state: ShardState, position: StrategyPosition, purpose: OrderPurpose, trigger: Decimal) -> bool:
    """Whether an order of that trigger rests: then the exchange says what it does, and what becomes of another."""
    live = current(state, position, purpose)
    return live is not None and rests(live) and not live.cancelling and live.order.trigger_price == trigger


def protected_quantity(instrument: Instrument, position: StrategyPosition) -> Decimal:
    """Quantity of stop and target: what is held in whole steps, at most what one order can close."""
    held = instrument.floor_quantity(max(position.quantity, ZERO))
    _, most = instrument.quantity_limits(market=True)
    return min(held, instrument.floor_quantity(most)) if most else held
