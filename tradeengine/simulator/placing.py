"""New regular orders: from the request to the book."""

from tradeengine.simulator import closing, errors, filters, margin, matching, user_events
from tradeengine.simulator.algo import GTE
from tradeengine.simulator.algo_requests import trigger_of
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.numbers import ZERO
from tradeengine.simulator.orders import Order
from tradeengine.simulator.params import Params
from tradeengine.simulator.requests import OrderTerms, check_mode, limit_price, parse_terms
from tradeengine.simulator.schedule import Due
from tradeengine.simulator.state import State
from tradeengine.simulator.triggers import CONDITIONAL, WITH_PRICE


def read_order(state: State, params: Params) -> tuple[OrderTerms, Order]:
    """Make an order of a request and check everything that needs no matching.

    The order of checks: what is mandatory, symbol, words, position mode, filters, closing rules, margin, and what FOK
    and GTX ask of the book.

    Returns
    -------
    tuple of OrderTerms and Order
        The order has no id yet and is in no book.

    Raises
    ------
    ApiError
        With the code of the first rule that it violates.
    """
    terms = parse_terms(state, params, "newClientOrderId")
    if (terms.type in CONDITIONAL or terms.close_position) and not state.options.conditional_on_order_endpoint:
        raise errors.wrong_endpoint()
    read = _conditional if terms.type in CONDITIONAL else _regular
    order = read(state, params, terms)
    if terms.client_id is not None and terms.contract.orders.is_taken(terms.client_id):
        raise errors.duplicate_client_id()
    if order.waiting:
        _check_waiting(state, terms.contract, order)
    else:
        filters.check_order(state, terms.contract, order)
        check(state, terms.contract, order)
    return terms, order


def check(state: State, contract: Contract, order: Order) -> None:
    """Check an order against leg, margin and book; cuts a closing market order if the option says so.

    Raises
    ------
    ApiError
        -2022, -2027, -2019, -5021 or -5022.
    """
    if order.closing:
        order.quantity = closing.allowed_quantity(state, contract, order)
    elif state.options.margin == "on":
        margin.check_order(state, contract, order)
    if order.type == "LIMIT":
        if order.time_in_force == "FOK" and matching.fillable(state, contract, order) < order.quantity:
            raise errors.fok_rejected()
        if order.time_in_force == "GTX" and matching.would_take(contract, order):
            raise errors.post_only_rejected()


def accept(state: State, contract: Contract, order: Order) -> None:
    """Give an order its ids, put it in the book and tell of it."""
    state.ids.order += 1
    order.order_id = state.ids.order
    if not order.client_id or contract.orders.is_taken(order.client_id):
        order.client_id = state.next_client_id()
    contract.orders.add(order)
    if order.time_in_force == "GTD":
        state.schedule.plan(order.good_till_ms, Due.ORDER_GOOD_TILL, contract.symbol, order.order_id)
    state.emit(user_events.order_update(state, contract, order, "NEW"))


def begin(state: State, contract: Contract, order: Order) -> None:
    """Match an order that is in the book: now, or after the latency of the option."""
    if order.waiting:
        return
    if state.options.latency_ms:
        order.unmatched = True
        state.schedule.plan(state.now_ms + state.options.latency_ms, Due.MATCH, contract.symbol, order.order_id)
    else:
        matching.match(state, contract, order)


def _regular(state: State, params: Params, terms: OrderTerms) -> Order:
    at_market = terms.type == "MARKET"
    if at_market:
        if terms.price_match != "NONE":
            raise errors.price_match_type()
        for name in ("price", "timeInForce"):
            if params.has(name):
                raise errors.not_required(name.lower())
        quantity, price, time_in_force = params.decimal("quantity"), ZERO, "GTC"
    else:
        time_in_force = params.text("timeInForce")
        if time_in_force == GTE:
            raise errors.invalid_time_in_force()
        quantity = params.decimal("quantity")
        price = limit_price(params, terms)
    check_mode(state, params, terms)
    return _order(
        state, terms, quantity=quantity, price=price, time_in_force=time_in_force, close_position=terms.close_position
    )


def _conditional(state: State, params: Params, terms: OrderTerms) -> Order:
    """Order of a conditional type at the old endpoint, where it waits in the order book itself."""
    quantity = ZERO if terms.close_position else params.decimal("quantity")
    price = limit_price(params, terms) if terms.type in WITH_PRICE else ZERO
    trigger = trigger_of(params, terms, price_name="stopPrice", activation_name="activationPrice")
    check_mode(state, params, terms)
    order = _order(
        state,
        terms,
        quantity=quantity,
        price=price,
        time_in_force=terms.time_in_force or "GTC",
        close_position=terms.close_position,
    )
    order.stop_price, order.price_protect = trigger.price, trigger.is_protected
    order.trigger, order.waiting = trigger, True
    return order


def _check_waiting(state: State, contract: Contract, order: Order) -> None:
    if state.options.filters == "on":
        filters.check_number(state, contract)
    if order.trigger is not None and order.trigger.would_fire_at_once(contract.market):
        raise errors.would_trigger()
    if order.close_position and not contract.leg(order.position_side).room_for(order.side):
        raise errors.gte_without_position()
    if order.trigger is not None:
        order.trigger.follow(contract.market)


def _order(state: State, terms: OrderTerms, **values: object) -> Order:
    return Order(
        symbol=terms.contract.symbol,
        order_id=0,
        client_id=terms.client_id or "",
        side=terms.side,
        position_side=terms.position_side,
        type=terms.type,
        orig_type=terms.type,
        created_ms=state.now_ms,
        updated_ms=state.now_ms,
        working_type=terms.working_type,
        price_match=terms.price_match,
        stp_mode=terms.stp_mode,
        good_till_ms=terms.good_till_ms,
        reduce_only=terms.reduce_only,
        closing=closing.is_closing(state, terms.side, terms.position_side, reduce_only=terms.reduce_only),
        **values,  # type: ignore[arg-type]
    )
