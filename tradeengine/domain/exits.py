"""Exits: what is to be off at market is asked for until it is, and never for more than is held."""

from tradeengine.domain import events as ev
from tradeengine.domain.position import StrategyPosition
from tradeengine.domain.risk import approve_exempt, exempt_draft, market_parts
from tradeengine.domain.state import ShardState

SURPLUS = "closes more than is held"


def plan_rest(state: ShardState, position: StrategyPosition, time_ms: int) -> list[ev.AnyEvent]:
    """Plan orders for what an exit still lacks: its orders were refused, or cancelled because they asked for more."""
    instrument = state.instruments.get(position.symbol)
    if instrument is None or position.exit is None:
        return []
    lacking = min(position.exit.quantity, position.quantity) - position.closing
    planned: list[ev.AnyEvent] = []
    for part in market_parts(instrument, lacking):
        draft = exempt_draft(
            position.strategy_id,
            position.exit.signal_id,
            position.symbol,
            position.side,
            position.exit.purpose,
            part,
            position_id=position.position_id,
        )
        order = approve_exempt(state, draft, state.orders_planned + len(planned), time_ms)
        planned.append(ev.OrderPlanned(time_ms=time_ms, order=order))
    return planned


def cancel_surplus(state: ShardState, position: StrategyPosition, but: str, time_ms: int) -> list[ev.AnyEvent]:
    """Cancel closing orders under way that would take more than is held; what they lack then is planned anew."""
    return [
        ev.CancelPlanned(time_ms=time_ms, client_order_id=order_id, why=SURPLUS)
        for order_id in position.closing_orders
        if order_id != but and not state.orders[order_id].cancelling
    ]
