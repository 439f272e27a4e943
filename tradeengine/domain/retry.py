"""Retry: what a venue has refused is tried again after a pause, one position at a time, so that it is not flooded."""

from contracts.enums import OrderPurpose
from tradeengine.domain import events as ev
from tradeengine.domain.exits import plan_rest
from tradeengine.domain.money import ZERO
from tradeengine.domain.overdraft import put_back
from tradeengine.domain.patience import RETRY_MS
from tradeengine.domain.position import StrategyPosition
from tradeengine.domain.protection import plan
from tradeengine.domain.state import ShardState

__all__ = ["RETRY_MS", "try_again"]


def try_again(state: ShardState, time_ms: int) -> list[ev.AnyEvent]:
    """Plan what one position lacks whose pause is over: a debt put back, else an exit, or stop and target."""
    waiting = [
        (leg, position)
        for leg in state.legs.values()
        for position in leg.strategies.values()
        if position.quantity < ZERO or position.refused
    ]
    # Debts first: others may be waiting for what is to be put back.
    for leg, position in sorted(waiting, key=lambda found: found[1].quantity > ZERO):
        if position.quantity < ZERO:
            owed = _is_due(state, position, OrderPurpose.RESTORE, time_ms) or not position.waits(OrderPurpose.RESTORE)
            events = put_back(state, leg, position, time_ms) if owed else []
        else:
            events = _missing(state, position, time_ms)
        if events:
            return events
    return []


def _missing(state: ShardState, position: StrategyPosition, time_ms: int) -> list[ev.AnyEvent]:
    if position.exit is not None and position.waits(OrderPurpose.CLOSE):
        # What is to be off at market needs no stop first.
        return plan_rest(state, position, time_ms) if _is_due(state, position, OrderPurpose.CLOSE, time_ms) else []
    legs = (OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT)
    if any(_is_due(state, position, leg, time_ms) for leg in legs):
        return plan(state, position, time_ms)
    return []


def _is_due(state: ShardState, position: StrategyPosition, need: OrderPurpose, time_ms: int) -> bool:
    refused = position.refused.get(need)
    return refused is not None and refused.waiting and refused.is_due(need, time_ms, state.room_ms)
