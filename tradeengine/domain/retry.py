"""Retry: what a venue has refused is tried again after a pause, one position at a time, so that it is not flooded."""

from tradeengine.domain import events as ev
from tradeengine.domain.exits import plan_rest
from tradeengine.domain.money import ZERO
from tradeengine.domain.overdraft import put_back
from tradeengine.domain.position import StrategyPosition
from tradeengine.domain.protection import plan
from tradeengine.domain.state import ShardState

RETRY_MS = 10_000
"""Pause after a refusal, milliseconds."""


def try_again(state: ShardState, time_ms: int) -> list[ev.AnyEvent]:
    """Plan what one position lacks whose pause is over: a debt put back, else an exit, or stop and target."""
    due = [
        (leg, position)
        for leg in state.legs.values()
        for position in leg.strategies.values()
        if _is_due(position, time_ms)
    ]
    # Debts first: others may be waiting for what is to be put back.
    for leg, position in sorted(due, key=lambda found: found[1].quantity > ZERO):
        if position.quantity < ZERO:
            events = put_back(state, leg, position, time_ms)
        else:
            events = plan_rest(state, position, time_ms) or plan(state, position, time_ms)
        if events:
            return events
    return []


def _is_due(position: StrategyPosition, time_ms: int) -> bool:
    if position.refused_ms is None:
        return position.quantity < ZERO
    return time_ms - position.refused_ms >= RETRY_MS
