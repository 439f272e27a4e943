"""Overdraft: orders of a strategy took more of an exchange position than the strategy's share.

No venue can tie a strategy's close, stop and target together on a shared leg, so two of them may fill before the cancel
of the second arrives. What they took too much is the strategy's own debt: nobody else's share shrinks for it. The
strategy's quantity is below zero until a market order of its own has put the missing quantity back.
"""

from decimal import Decimal

from contracts.enums import OrderPurpose, Severity
from tradeengine.domain import events as ev
from tradeengine.domain.money import ZERO
from tradeengine.domain.position import Leg, StrategyPosition
from tradeengine.domain.protection import alert
from tradeengine.domain.risk import market_orders
from tradeengine.domain.state import ShardState

OVERDRAWN = "overdrawn"


def put_back(state: ShardState, leg: Leg, position: StrategyPosition, time_ms: int) -> list[ev.AnyEvent]:
    """Plan the orders that put back what is overdrawn and not under way yet."""
    # A leg below zero waits for the report of an opening that it has seen the closing of.
    missing = min(leg.quantity, ZERO) - position.quantity - _under_way(state, leg, position.strategy_id)
    orders = market_orders(state, position, OrderPurpose.RESTORE, missing, position.signal_id, time_ms)
    return [ev.OrderPlanned(time_ms=time_ms, order=order) for order in orders]


def told(position: StrategyPosition, time_ms: int) -> ev.AlertRaised:
    """Say that a strategy owes what its orders took too much."""
    text = (
        f"orders of {position.strategy_id} closed {-position.quantity} of {position.symbol} {position.side} more than "
        "it held; a market order puts that back, nothing is to be done"
    )
    return alert(position, OVERDRAWN, Severity.WARNING, text, time_ms)


def _under_way(state: ShardState, leg: Leg, strategy_id: str) -> Decimal:
    orders = [state.orders[order_id] for order_id in leg.restoring_orders]
    return sum((live.remaining for live in orders if live.order.strategy_id == strategy_id), ZERO)
