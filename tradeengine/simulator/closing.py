"""Closing orders: they never exceed their leg."""

from decimal import Decimal

from tradeengine.simulator import errors, lifecycle
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.legs import Leg
from tradeengine.simulator.numbers import ZERO
from tradeengine.simulator.orders import Order
from tradeengine.simulator.state import State


def is_closing(state: State, side: str, position_side: str, *, reduce_only: bool) -> bool:
    """Whether an order can only reduce: SELL LONG and BUY SHORT in hedge mode, ``reduceOnly`` in one-way mode."""
    if not state.terms.hedge:
        return reduce_only
    return (side == "SELL") == (position_side == "LONG")


def allowed_quantity(state: State, contract: Contract, order: Order) -> Decimal:
    """Quantity with which a closing order may enter the book, base asset.

    A market order may take the whole leg and knocks out what rests; a limit order gets what resting closing orders
    leave (Binance support, Reduce-Only orders in hedge mode).

    Raises
    ------
    ApiError
        -2022 if there is nothing to reduce, or less than the order asks for.
    """
    leg = contract.leg(order.position_side)
    room = leg.room_for(order.side)
    if room == ZERO:
        raise errors.reduce_only_rejected()
    if order.type == "MARKET":
        if order.quantity > room and state.options.closing_overflow == "reject":
            raise errors.reduce_only_rejected()
        return min(order.quantity, room)
    if order.quantity > room - reserved(contract, order.position_side, order.side):
        raise errors.reduce_only_rejected()
    return order.quantity


def reserved(contract: Contract, position_side: str, side: str) -> Decimal:
    """Quantity that open closing orders of a leg still wait for, base asset."""
    if not contract.orders:
        return ZERO
    return sum((order.remaining for order in contract.orders.closing(position_side, side)), ZERO)


def tidy(state: State, contract: Contract, leg: Leg) -> None:
    """After a leg has changed: expire closing orders beyond it, newest first, and what lives only as long as it."""
    for side in ("BUY", "SELL"):
        room = leg.room_for(side)
        if contract.orders:
            orders = contract.orders.closing(leg.position_side, side)
            excess = sum((order.remaining for order in orders), ZERO) - room
            for order in reversed(orders):
                if excess <= ZERO:
                    break
                excess -= order.remaining
                lifecycle.expire(state, contract, order, lifecycle.KNOCKED_OUT)
        if room == ZERO and contract.orders:
            for order in [order for order in contract.orders if order.waiting and order.close_position]:
                if order.position_side == leg.position_side and order.side == side:
                    lifecycle.expire(state, contract, order, lifecycle.GTE_EXPIRED)
        if room == ZERO and contract.algos:
            for algo in [algo for algo in contract.algos if algo.lives_with_leg]:
                if algo.position_side == leg.position_side and algo.side == side:
                    lifecycle.end_algo(state, contract, algo, "EXPIRED")
