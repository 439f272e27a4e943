"""Auto-deleveraging: a leg in profit is closed to end the loss of a bankrupt counterparty."""

from decimal import Decimal

from tradeengine.simulator import liquidation
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.forced_close import DELEVERAGING, ForcedClose
from tradeengine.simulator.numbers import ZERO
from tradeengine.simulator.state import State


def deleverage(state: State, contract: Contract, position_side: str, quantity: Decimal, price: Decimal | None) -> None:
    """Close part or all of a leg for a bankrupt counterparty (Binance FAQ, Auto-Deleveraging).

    Parameters
    ----------
    quantity
        Base asset, a multiple of the lot's step, at most the leg.
    price
        The counterparty's bankruptcy price, quote asset; without it the mark price.

    Raises
    ------
    ValueError
        If the leg does not hold the quantity, or cannot be closed by it.
    """
    if position_side not in state.sides:
        raise ValueError(f"positionSide: {position_side} does not go with the position mode")
    leg, step = contract.leg(position_side), contract.rules.lot.step
    if not ZERO < quantity <= abs(leg.amount):
        raise ValueError(f"qty: {quantity} must be above 0 and at most the leg, which holds {abs(leg.amount)}")
    if step and quantity % step:
        raise ValueError(f"qty: {quantity} must be a multiple of {step}")
    forced = ForcedClose(state, contract, leg, DELEVERAGING, quantity, price or contract.market.mark)
    forced.book()
    forced.tell()
    liquidation.liquidate_due(state)
