"""Margin: what positions and orders bind, what is left, and what a new order costs."""

from decimal import Decimal

import msgspec

from tradeengine.simulator import errors
from tradeengine.simulator.brackets import bracket_of, max_notional
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.legs import Leg
from tradeengine.simulator.numbers import ONE, ZERO, truncate
from tradeengine.simulator.orders import Order
from tradeengine.simulator.state import State


class Figures(msgspec.Struct, frozen=True):
    """The account's margin, quote asset.

    Parameters
    ----------
    cross_wallet
        Wallet without what isolated positions keep.
    unrealized, cross_unrealized
        Profit of all, and of cross positions.
    position_margin, cross_position_margin, order_margin
        Initial margin of all positions, of cross ones, and of open orders.
    maintenance, cross_maintenance
        Maintenance margin of all positions, and of cross ones.
    """

    cross_wallet: Decimal
    unrealized: Decimal
    cross_unrealized: Decimal
    position_margin: Decimal
    cross_position_margin: Decimal
    order_margin: Decimal
    maintenance: Decimal
    cross_maintenance: Decimal

    @property
    def available(self) -> Decimal:
        """What new orders may bind, 0 or more."""
        free = self.cross_wallet + self.cross_unrealized - self.cross_position_margin - self.order_margin
        return max(free, ZERO)


def cross_wallet(state: State) -> Decimal:
    """Wallet without what isolated positions keep, quote asset."""
    kept = sum((leg.isolated_wallet for contract in state.contracts.values() for leg in contract.legs()), ZERO)
    return state.wallet.balance - kept


def figures(state: State) -> Figures:
    """Margin of the account at the current mark prices."""
    unrealized = cross_unrealized = positions = cross_positions = orders = kept = maintained = cross_maintained = ZERO
    for contract in state.contracts.values():
        if contract.orders:
            orders += order_margin(contract)
        for leg in contract.legs():
            if not leg.amount:
                continue
            profit = leg.unrealized(contract.market.mark)
            bound = position_margin(contract, leg)
            maintenance = maintenance_margin(contract, leg)
            unrealized += profit
            positions += bound
            maintained += maintenance
            if contract.isolated:
                kept += leg.isolated_wallet
            else:
                cross_unrealized += profit
                cross_positions += bound
                cross_maintained += maintenance
    wallet = state.wallet.balance - kept
    return Figures(
        wallet, unrealized, cross_unrealized, positions, cross_positions, orders, maintained, cross_maintained
    )


def position_margin(contract: Contract, leg: Leg) -> Decimal:
    """Initial margin of a leg: |notional| at mark price / leverage, quote asset."""
    return truncate(abs(contract.market.mark * leg.amount) / contract.leverage)


def maintenance_margin(contract: Contract, leg: Leg) -> Decimal:
    """Notional × ratio - deduction of the leg's own bracket, quote asset."""
    notional = abs(contract.market.mark * leg.amount)
    bracket = bracket_of(contract.brackets, notional)
    return truncate(notional * bracket.ratio - bracket.deduction)


def open_notional(contract: Contract, side: str, position_side: str | None = None) -> Decimal:
    """Value of open orders of a side that may open, quote asset.

    In one-way mode what would only take the position off counts as nothing.
    """
    total = ZERO
    covered = contract.leg("BOTH").room_for(side)
    for order in contract.orders:
        if order.side != side or order.closing or order.waiting:
            continue
        if position_side is not None and order.position_side != position_side:
            continue
        quantity = order.remaining
        if covered:
            spared = min(covered, quantity)
            covered -= spared
            quantity -= spared
        total += quantity * (order.price or contract.market.best(side))
    return total


def order_margin(contract: Contract, position_side: str | None = None) -> Decimal:
    """Initial margin of open orders, of one position side or all: value / leverage, quote asset."""
    value = open_notional(contract, "BUY", position_side) + open_notional(contract, "SELL", position_side)
    return truncate(value / contract.leverage)


def check_order(state: State, contract: Contract, order: Order) -> None:
    """Refuse an order that the margin or the bracket of the leverage does not carry.

    Parameters
    ----------
    order
        Not in the book yet. Closing orders bind nothing.

    Raises
    ------
    ApiError
        -2027 if position, open orders and this one exceed the bracket, -2019 if its cost exceeds what is available
        (Binance docs, Error Codes).
    """
    leg = contract.leg(order.position_side)
    quantity = ZERO if order.closing else order.remaining - min(order.remaining, leg.room_for(order.side))
    if not quantity:
        return
    market = contract.market
    assumed = assumed_price(state, contract, order.side, order.price)
    if state.options.brackets == "on":
        held = abs(market.mark * leg.amount) if not leg.room_for(order.side) else ZERO
        resting = open_notional(contract, order.side, order.position_side)
        price = order.price or assumed
        if held + resting + price * quantity > max_notional(contract.brackets, contract.leverage):
            raise errors.above_bracket()
    # in one-way mode what turns a position over frees its margin first
    freed = position_margin(contract, leg) if leg.room_for(order.side) else ZERO
    if order_cost(contract, order, quantity, assumed) > figures(state).available + freed:
        raise errors.margin_insufficient()


def assumed_price(state: State, contract: Contract, side: str, price: Decimal) -> Decimal:
    """Price that the initial margin of an order is taken at, quote asset; its own is 0 for a market order."""
    market, options = contract.market, state.options
    if side == "BUY":
        return price or market.ask * (ONE + options.market_long_markup)
    if price:
        return max(market.last * (ONE + options.short_limit_markup), market.mark, price)
    return max(market.bid, market.mark)


def order_cost(contract: Contract, order: Order, quantity: Decimal, assumed: Decimal) -> Decimal:
    """Initial margin and opening loss, quote asset."""
    distance = contract.market.mark - (order.price or assumed)
    loss = min(ZERO, distance if order.side == "BUY" else -distance)
    return truncate(assumed * quantity / contract.leverage) - truncate(loss * quantity)
