"""Trading filters (Binance docs, Common Definition, Symbol filters), in the order in which they are checked."""

from collections.abc import Callable
from decimal import Decimal

from tradeengine.simulator import errors
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.numbers import ZERO, decimals, trimmed
from tradeengine.simulator.orders import Order
from tradeengine.simulator.state import State
from tradeengine.simulator.symbols import Lot

Refusals = tuple[Callable[[str], errors.ApiError], Callable[[str], errors.ApiError]]
LIMIT: Refusals = (errors.price_above_cap, errors.price_below_floor)
STOP_LIMIT: Refusals = (errors.stop_limit_above_cap, errors.stop_limit_below_floor)
STOP: Refusals = (errors.stop_above_cap, errors.stop_below_floor)


def check_order(state: State, contract: Contract, order: Order) -> None:
    """Check an order that is about to enter the book: precision, then quantity, price, notional and number.

    Raises
    ------
    ApiError
        With the code of the first filter that it violates.
    """
    check_amended(state, contract, order)
    if state.options.filters == "on":
        check_number(state, contract)


def check_amended(state: State, contract: Contract, order: Order) -> None:
    """Check an order that is in the book already with new values: all but the number of orders.

    Raises
    ------
    ApiError
        With the code of the first filter that it violates.
    """
    if state.options.filters == "off":
        _check_signs(order)
        return
    rules = contract.rules
    at_market = order.type == "MARKET"
    if decimals(order.quantity) > rules.quantity_places or decimals(order.price) > rules.price_places:
        raise errors.precision()
    check_quantity(order.quantity, rules.market_lot if at_market else rules.lot)
    if at_market:
        _check_counterparty(contract, order.side)
    else:
        check_price(contract, order.price)
        check_percent_price(contract, order.side, order.price)
    if not order.closing:
        notional = order.quantity * (contract.market.mark if at_market else order.price)
        if notional < rules.min_notional:
            raise errors.notional_too_small(rules.min_notional)


def check_quantity(quantity: Decimal, lot: Lot) -> None:
    """LOT_SIZE or MARKET_LOT_SIZE: -4003, -4004, -4005, -4023."""
    if quantity <= ZERO:
        raise errors.quantity_not_positive()
    if quantity < lot.least:
        raise errors.quantity_below_min()
    if lot.most and quantity > lot.most:
        raise errors.quantity_above_max()
    if lot.step and (quantity - lot.least) % lot.step:
        raise errors.quantity_off_step()


def check_price(contract: Contract, price: Decimal) -> None:
    """PRICE_FILTER: -4001, -4013, -4002, -4014."""
    rules = contract.rules
    if price <= ZERO:
        raise errors.price_not_positive()
    if price < rules.min_price:
        raise errors.price_below_min()
    if rules.max_price and price > rules.max_price:
        raise errors.price_above_max()
    if rules.tick and (price - rules.min_price) % rules.tick:
        raise errors.price_off_tick()


def check_trigger_price(contract: Contract, price: Decimal) -> None:
    """PRICE_FILTER of a trigger price: -1111, -4006, -4013, -4007, -4014."""
    rules = contract.rules
    if decimals(price) > rules.price_places:
        raise errors.precision()
    if price <= ZERO:
        raise errors.stop_price_not_positive()
    if rules.max_price and price > rules.max_price:
        raise errors.stop_price_above_max()
    check_price(contract, price)


def check_percent_price(contract: Contract, side: str, price: Decimal, refusals: Refusals = LIMIT) -> None:
    """PERCENT_PRICE: a BUY not too far above the mark price, a SELL not too far below it.

    Parameters
    ----------
    refusals
        What is raised above the cap, and below the floor: -4016 and -4024 for an order's price, -4183 and -4184 for
        the limit price of a conditional order, -4210 and -4211 for a trigger price.
    """
    rules, mark = contract.rules, contract.market.mark
    above_cap, below_floor = refusals
    if side == "BUY" and rules.multiplier_up and price > mark * rules.multiplier_up:
        raise above_cap(trimmed(mark * rules.multiplier_up))
    if side == "SELL" and rules.multiplier_down and price < mark * rules.multiplier_down:
        raise below_floor(trimmed(mark * rules.multiplier_down))


def check_number(state: State, contract: Contract) -> None:
    """MAX_NUM_ORDERS: -2025."""
    count = len(contract.orders) + (len(contract.algos) if state.options.algo_in_max_orders else 0)
    if contract.rules.max_orders and count >= contract.rules.max_orders:
        raise errors.too_many_open_orders()


def _check_counterparty(contract: Contract, side: str) -> None:
    """PERCENT_PRICE of a market order: -4131; -1112 if there is no counterparty."""
    rules, mark, best = contract.rules, contract.market.mark, contract.market.best(side)
    if not best:
        raise errors.no_orders_on_book()
    if side == "BUY" and rules.multiplier_up and best > mark * rules.multiplier_up:
        raise errors.counterparty_price()
    if side == "SELL" and rules.multiplier_down and best < mark * rules.multiplier_down:
        raise errors.counterparty_price()


def _check_signs(order: Order) -> None:
    if order.quantity <= ZERO:
        raise errors.quantity_not_positive()
    if order.type != "MARKET" and order.price <= ZERO:
        raise errors.price_not_positive()
