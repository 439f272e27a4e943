"""Watches: what is done when the market comes to a price that a position waits for."""

from contracts.enums import PositionSide
from tradeengine.domain import events as ev
from tradeengine.domain.inputs import PriceReached
from tradeengine.domain.protection import plan
from tradeengine.domain.state import ShardState


def decide_price(state: ShardState, given: PriceReached) -> list[ev.AnyEvent]:
    """Move stops to break even, and place targets that the exchange's band had kept back."""
    events: list[ev.AnyEvent] = []
    for side in PositionSide:
        leg = state.leg(given.symbol, side)
        for position in leg.strategies.values() if leg else ():
            level = position.watch_price
            if level is not None and side.sign * (given.price - level) >= 0:
                planned = sum(isinstance(event, ev.OrderPlanned) for event in events)
                events += plan(state, position, given.time_ms, given.price, planned=planned)
    return events
