"""Changing price and quantity of a resting order."""

from decimal import Decimal

from tradeengine.simulator import closing, errors, filters, lifecycle, margin, matching, user_events
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.numbers import ZERO
from tradeengine.simulator.orders import Order
from tradeengine.simulator.params import Params
from tradeengine.simulator.requests import matched_price
from tradeengine.simulator.state import State


def amend(state: State, contract: Contract, order: Order, params: Params) -> int | None:
    """Change an order (Binance docs, Modify Order); if a rule forbids it, the order stays as it is.

    The order is cancelled instead if it has filled as much as the new quantity, or if it is GTX and would take.

    Returns
    -------
    int or None
        ``modifyId`` of the request: the client's own number, which need not be unique.

    Raises
    ------
    ApiError
        -5025 for another type than LIMIT, -5026, -5027 if nothing changes, -2013 if it is not open, -1117 or -1102
        for the request, and what forbids an order of the new values.
    """
    side = params.text("side")
    if side not in {"BUY", "SELL"} or side != order.side:
        raise errors.invalid_side()
    quantity = params.decimal("quantity")
    price = _price(contract, order, params)
    modify_id = params.optional_integer("modifyId")
    if order.type != "LIMIT":
        raise errors.only_limit_orders()
    if not order.is_open:
        raise errors.no_such_order()
    if order.amendments >= state.options.max_modifications:
        raise errors.too_many_modifications()
    if (quantity, price) == (order.quantity, order.price):
        raise errors.nothing_to_modify()
    if order.executed and quantity <= order.executed:
        lifecycle.cancel(state, contract, order)
        return modify_id
    _check(state, contract, order, quantity, price)
    before = order.price
    order.price = price
    if order.time_in_force == "GTX" and matching.would_take(contract, order):
        order.price = before
        lifecycle.cancel(state, contract, order)
        return modify_id
    order.quantity = quantity
    order.amendments += 1
    order.updated_ms = state.now_ms
    state.emit(user_events.amendment(state, contract, order, modify_id))
    if not order.unmatched:
        matching.match(state, contract, order)
    return modify_id


def _price(contract: Contract, order: Order, params: Params) -> Decimal:
    price_match = params.optional_text("priceMatch")
    if price_match is None or price_match == "NONE":
        return params.decimal("price")
    if params.has("price"):
        raise errors.not_required("price")
    return matched_price(contract, order.side, price_match)


def _check(state: State, contract: Contract, order: Order, quantity: Decimal, price: Decimal) -> None:
    """Check a copy with the new values, as if the order itself were not in the book."""
    changed = Order(**{name: getattr(order, name) for name in order.__struct_fields__})
    changed.quantity, changed.price = quantity, price
    order.waiting = True
    try:
        filters.check_amended(state, contract, changed)
        if changed.closing:
            room = contract.leg(order.position_side).room_for(order.side)
            if changed.remaining > room - closing.reserved(contract, order.position_side, order.side):
                raise errors.reduce_only_rejected()
        elif state.options.margin == "on" and changed.remaining > ZERO:
            margin.check_order(state, contract, changed)
    finally:
        order.waiting = False
