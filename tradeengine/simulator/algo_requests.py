"""New conditional orders: from the request to waiting."""

from decimal import Decimal

from tradeengine.simulator import closing, errors, filters, user_events
from tradeengine.simulator.algo import GTE, AlgoOrder
from tradeengine.simulator.numbers import ZERO, decimals
from tradeengine.simulator.params import Params
from tradeengine.simulator.requests import OrderTerms, check_mode, limit_price, parse_terms
from tradeengine.simulator.schedule import Due
from tradeengine.simulator.state import State
from tradeengine.simulator.triggers import CONDITIONAL, TRAILING, WITH_PRICE, Trigger

_CLOSING_TYPES = frozenset({"STOP_MARKET", "TAKE_PROFIT_MARKET"})
_MIN_CALLBACK = Decimal("0.1")
_MAX_CALLBACK = Decimal(10)


def read_algo(state: State, params: Params) -> tuple[OrderTerms, AlgoOrder]:
    """Make a conditional order of a request and check it; margin and leg are checked when it fires.

    Raises
    ------
    ApiError
        With the code of the first rule that it violates (Binance docs, New Algo Order).
    """
    params.member("algoType", frozenset({"CONDITIONAL"}), lambda: errors.invalid_data("algotype"))
    terms = parse_terms(state, params, "clientAlgoId")
    if terms.type not in CONDITIONAL:
        raise errors.invalid_order_type()
    trigger = trigger_of(params, terms, price_name="triggerPrice", activation_name="activatePrice")
    price = limit_price(params, terms) if terms.type in WITH_PRICE else ZERO
    quantity = _quantity(params, terms)
    check_mode(state, params, terms)
    time_in_force = terms.time_in_force or (GTE if terms.close_position else "GTC")
    algo = AlgoOrder(
        symbol=terms.contract.symbol,
        algo_id=0,
        client_id=terms.client_id or "",
        side=terms.side,
        position_side=terms.position_side,
        type=terms.type,
        time_in_force=time_in_force,
        trigger=trigger,
        created_ms=state.now_ms,
        updated_ms=state.now_ms,
        quantity=quantity,
        price=price,
        price_match=terms.price_match,
        stp_mode=terms.stp_mode,
        good_till_ms=terms.good_till_ms,
        close_position=terms.close_position,
        reduce_only=terms.reduce_only,
    )
    if terms.client_id is not None and terms.contract.algos.is_taken(terms.client_id):
        raise errors.duplicate_client_id()
    _check_filters(state, terms, algo)
    _check_leg(state, terms, algo)
    if state.conditional_orders() >= state.options.max_conditional_orders:
        raise errors.too_many_conditional()
    if trigger.would_fire_at_once(terms.contract.market):
        raise errors.would_trigger()
    return terms, algo


def accept_algo(state: State, terms: OrderTerms, algo: AlgoOrder) -> None:
    """Give a conditional order its ids, let it wait and tell of it."""
    contract = terms.contract
    state.ids.algo += 1
    algo.algo_id = state.ids.algo
    algo.client_id = algo.client_id or state.next_client_id()
    contract.algos.add(algo)
    if algo.time_in_force == "GTD":
        state.schedule.plan(algo.good_till_ms, Due.ALGO_GOOD_TILL, contract.symbol, algo.algo_id)
    algo.trigger.follow(contract.market)
    state.emit(user_events.algo_update(state, contract, algo))


def trigger_of(params: Params, terms: OrderTerms, *, price_name: str, activation_name: str) -> Trigger:
    """Read the condition of a request.

    Parameters
    ----------
    price_name, activation_name
        What the endpoint calls trigger price and activation price.

    Raises
    ------
    ApiError
        -1102 without a trigger price or callback rate, -1130 for a callback rate out of range.
    """
    trigger = Trigger(
        kind=terms.type,
        side=terms.side,
        price=ZERO,
        working_type=terms.working_type,
        is_protected=params.flag("priceProtect"),
    )
    if terms.type != TRAILING:
        trigger.price = params.decimal(price_name)
        return trigger
    trigger.callback_rate = params.decimal("callbackRate")
    if not _MIN_CALLBACK <= trigger.callback_rate <= _MAX_CALLBACK:
        raise errors.invalid_data("callbackrate")
    trigger.activate_price = params.optional_decimal(activation_name) or ZERO
    if trigger.activate_price < ZERO:
        raise errors.invalid_activation_price()
    return trigger


def _quantity(params: Params, terms: OrderTerms) -> Decimal:
    """Quantity of the request; with closePosition there must be none, and only market types may have that."""
    if not terms.close_position:
        return params.decimal("quantity")
    if params.has("quantity"):
        raise errors.quantity_with_close_position()
    if terms.type not in _CLOSING_TYPES:
        raise errors.invalid_combination()
    return ZERO


def _check_filters(state: State, terms: OrderTerms, algo: AlgoOrder) -> None:
    if state.options.filters == "off":
        return
    contract, rules = terms.contract, terms.contract.rules
    if decimals(algo.quantity) > rules.quantity_places or decimals(algo.price) > rules.price_places:
        raise errors.precision()
    if not algo.close_position:
        filters.check_quantity(algo.quantity, rules.lot if algo.type in WITH_PRICE else rules.market_lot)
    trigger_price = algo.trigger.activate_price if algo.trigger.is_trailing else algo.trigger.price
    if trigger_price or not algo.trigger.is_trailing:
        filters.check_trigger_price(contract, trigger_price)
        filters.check_percent_price(contract, algo.side, trigger_price, filters.STOP)
    if algo.type in WITH_PRICE:
        filters.check_price(contract, algo.price)
        filters.check_percent_price(contract, algo.side, algo.price, filters.STOP_LIMIT)
    if not algo.close_position and not _is_closing(state, algo):
        price = algo.price or trigger_price or contract.market.mark
        if price * algo.quantity < rules.min_notional:
            raise errors.notional_too_small(rules.min_notional)


def _check_leg(state: State, terms: OrderTerms, algo: AlgoOrder) -> None:
    """Rules of orders that live as long as their leg."""
    if not algo.lives_with_leg:
        if state.options.gte_required and algo.close_position:
            raise errors.gte_without_position()
        return
    if algo.close_position:
        if terms.reduce_only:
            raise errors.not_required("reduceonly")
        if state.terms.hedge and not _is_closing(state, algo):
            raise errors.improper_reduce_only()
        if state.options.gte_required and terms.time_in_force != GTE:
            raise errors.gte_without_position()
    if not terms.contract.leg(algo.position_side).room_for(algo.side):
        raise errors.gte_without_position()
    if algo.close_position and any(
        other.close_position and other.group == algo.group for other in terms.contract.algos
    ):
        raise errors.close_position_exists()


def _is_closing(state: State, algo: AlgoOrder) -> bool:
    return closing.is_closing(state, algo.side, algo.position_side, reduce_only=algo.reduce_only)
