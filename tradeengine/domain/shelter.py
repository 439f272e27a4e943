"""Shelter: what events do to a position's stop and target, and to the memory of refusals; part of :mod:`.evolve`."""

import msgspec

from contracts.enums import OrderPurpose, Refusal
from tradeengine.domain import events as ev
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.domain.patience import need_of, refused_again
from tradeengine.domain.position import StrategyPosition
from tradeengine.domain.state import ShardState


def armed(position: StrategyPosition, event: ev.ProtectionPlanned) -> None:
    """Stop and target are wanted as the event says."""
    position.stop_price = event.stop_price
    position.target_price = event.target_price
    position.trailing_pct = event.trailing_pct
    position.wanted_stop = event.wanted_stop
    position.target_waits = event.target_waits
    position.secured = event.secured
    position.repriced = event.repriced
    position.watch_price = event.watch_price
    position.break_even_at_pct = event.break_even_at_pct


def planned(position: StrategyPosition, order: ApprovedOrder) -> None:
    """A stop or target is under way; the one that it replaces stays until it rests."""
    former = _leg(position, order.purpose)
    if former is not None:
        position.replaced_orders.append(former)
    _set_leg(position, order.purpose, order.client_order_id)


def dropped(state: ShardState, position: StrategyPosition, order: ApprovedOrder) -> None:
    """A stop or target is no more; if one that it was to replace still rests, that one is in force again."""
    order_id = order.client_order_id
    if order_id in position.replaced_orders:
        position.replaced_orders.remove(order_id)
    elif _leg(position, order.purpose) == order_id:
        replaced = map(state.orders.__getitem__, position.replaced_orders)
        resting = [
            live.order.client_order_id
            for live in replaced
            if live.order.purpose is order.purpose and not live.cancelling and not live.status.terminal
        ]
        if resting:
            position.replaced_orders.remove(resting[-1])
        _set_leg(position, order.purpose, resting[-1] if resting else None)


def tried(position: StrategyPosition, order: ApprovedOrder) -> None:
    """What was refused is under way again."""
    need = need_of(order.purpose)
    former = position.refused.get(need)
    if former is not None:
        position.refused[need] = msgspec.structs.replace(former, waiting=False)


def taken(state: ShardState, order: ApprovedOrder) -> None:
    """The venue took an order: nothing of its kind is refused any more, unless the refusal came after it."""
    leg = state.leg(order.symbol, order.position_side)
    position = leg.strategies.get(order.strategy_id) if leg else None
    if position is None:
        return
    need = need_of(order.purpose)
    former = position.refused.get(need)
    if former is None or order.planned_ms < former.ms:
        return
    if need is not OrderPurpose.CLOSE or not lacks_closing(position):
        del position.refused[need]


def lacks_closing(position: StrategyPosition) -> bool:
    """Whether something is to be off at market that no order is after."""
    return position.exit is not None and position.closing < min(position.exit.quantity, position.quantity)


def refused(position: StrategyPosition, order: ApprovedOrder, refusal: Refusal | None, time_ms: int) -> None:
    """The venue refused an order that the position needs."""
    need = need_of(order.purpose)
    position.refused[need] = refused_again(position.refused.get(need), order, refusal, time_ms)


def _leg(position: StrategyPosition, purpose: OrderPurpose) -> str | None:
    return position.stop_order_id if purpose is OrderPurpose.STOP_LOSS else position.target_order_id


def _set_leg(position: StrategyPosition, purpose: OrderPurpose, order_id: str | None) -> None:
    if purpose is OrderPurpose.STOP_LOSS:
        position.stop_order_id = order_id
    else:
        position.target_order_id = order_id
