"""Changes of the account's settings: position mode, leverage, margin type, margin of a position."""

from decimal import Decimal

from tradeengine.simulator import errors, user_events
from tradeengine.simulator.brackets import max_notional
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.legs import Leg
from tradeengine.simulator.margin import figures, position_margin
from tradeengine.simulator.numbers import ZERO
from tradeengine.simulator.state import State


def set_position_mode(state: State, *, hedge: bool) -> None:
    """Switch between hedge and one-way mode.

    Raises
    ------
    ApiError
        -4059 if it is so already, -4067 with open orders, -4068 with positions, of any symbol.
    """
    if hedge == state.terms.hedge:
        raise errors.position_side_unchanged()
    if any(contract.orders or contract.algos for contract in state.contracts.values()):
        raise errors.position_side_open_orders()
    if any(contract.is_held for contract in state.contracts.values()):
        raise errors.position_side_position()
    state.terms.hedge = hedge


def set_leverage(state: State, contract: Contract, leverage: int) -> None:
    """Set the leverage of a symbol.

    Raises
    ------
    ApiError
        -4028 out of range, -4161 if it falls while an isolated position is held, -2027 if the position is too large
        for it, -2028 if the margin does not suffice.
    """
    if not 1 <= leverage <= contract.brackets[0].leverage:
        raise errors.invalid_leverage(str(leverage))
    held = [leg for leg in contract.legs() if leg.amount]
    if contract.isolated and held and leverage < contract.leverage:
        raise errors.leverage_reduction()
    most = max_notional(contract.brackets, leverage)
    if any(abs(leg.notional(contract.market.mark)) > most for leg in held):
        raise errors.above_bracket()
    if leverage == contract.leverage:
        return
    before = contract.leverage
    contract.leverage = leverage
    found = figures(state)
    needed = found.cross_position_margin + found.order_margin
    if leverage < before and state.options.margin == "on" and needed > found.cross_wallet + found.cross_unrealized:
        contract.leverage = before
        raise errors.leverage_too_small()
    state.emit(user_events.leverage_update(state, contract))


def set_margin_type(state: State, contract: Contract, *, isolated: bool) -> None:
    """Switch a symbol between cross and isolated margin.

    Raises
    ------
    ApiError
        -4046 if it is so already, -4168 in multi-assets mode, -4047 with open orders, -4048 with a position.
    """
    if isolated == contract.isolated:
        raise errors.margin_type_unchanged()
    if isolated and state.terms.multi_assets:
        raise errors.isolated_in_multi_assets()
    if contract.orders or contract.algos:
        raise errors.margin_type_open_orders()
    if contract.is_held:
        raise errors.margin_type_position()
    contract.isolated = isolated
    legs = [contract.leg(side) for side in state.sides]
    state.emit(user_events.account_update(state, contract, legs, "MARGIN_TYPE_CHANGE", with_balance=False))


def move_margin(state: State, contract: Contract, leg: Leg, amount: Decimal) -> None:
    """Move margin between the cross wallet and an isolated position.

    Parameters
    ----------
    amount
        Quote asset; above 0 into the position, below 0 out of it.

    Raises
    ------
    ApiError
        -4049 in cross mode, -4054 without a position, -4050 or -4051 if there is not so much to move.
    """
    if not contract.isolated:
        raise errors.only_isolated()
    if not leg.amount:
        raise errors.no_isolated_position()
    if amount > ZERO and amount > figures(state).available:
        raise errors.cross_balance_insufficient()
    spare = leg.isolated_wallet + leg.unrealized(contract.market.mark) - position_margin(contract, leg)
    if amount < ZERO and -amount > min(spare, leg.isolated_wallet):
        raise errors.isolated_balance_insufficient()
    leg.isolated_wallet += amount
    leg.updated_ms = state.now_ms
    state.emit(user_events.account_update(state, contract, [leg], "MARGIN_TRANSFER"))
