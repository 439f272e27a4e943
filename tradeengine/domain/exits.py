"""Exits: what is to be off at market is asked for until it is, and never for more than is held."""

from tradeengine.domain import events as ev
from tradeengine.domain.position import StrategyPosition
from tradeengine.domain.risk import market_orders
from tradeengine.domain.state import ShardState

SURPLUS = "closes more than is held"


def plan_rest(state: ShardState, position: StrategyPosition, time_ms: int) -> list[ev.AnyEvent]:
    """Plan orders for what an exit still lacks: its orders were refused, or cancelled because they asked for more."""
    wanted = position.exit
    if wanted is None:
        return []
    lacking = min(wanted.quantity, position.quantity) - position.closing
    orders = market_orders(
        state, position, wanted.purpose, lacking, wanted.signal_id, time_ms, close_reason=wanted.close_reason
    )
    return [ev.OrderPlanned(time_ms=time_ms, order=order) for order in orders]


def cancel_surplus(state: ShardState, position: StrategyPosition, but: str, time_ms: int) -> list[ev.AnyEvent]:
    """Cancel closing orders under way that would take more than is held; what they lack then is planned anew."""
    return [
        ev.CancelPlanned(time_ms=time_ms, client_order_id=order_id, why=SURPLUS)
        for order_id in position.closing_orders
        if order_id != but and not state.orders[order_id].cancelling
    ]
