"""Retry: what a venue has refused is tried again after a pause, one position at a time, so that it is not flooded."""

from tradeengine.domain import events as ev
from tradeengine.domain.money import ZERO
from tradeengine.domain.overdraft import put_back
from tradeengine.domain.protection import plan
from tradeengine.domain.state import ShardState

RETRY_MS = 10_000
"""Pause after a refusal, milliseconds."""


def try_again(state: ShardState, time_ms: int) -> list[ev.AnyEvent]:
    """Plan what the first position lacks whose pause is over: what is to be put back, or stop and target."""
    for leg in state.legs.values():
        for position in leg.strategies.values():
            if position.refused_ms is None:
                if position.quantity > ZERO:
                    continue
            elif time_ms - position.refused_ms < RETRY_MS:
                continue
            owes = position.quantity < ZERO
            events = put_back(state, leg, position, time_ms) if owes else plan(state, position, time_ms)
            if events:
                return events
    return []
