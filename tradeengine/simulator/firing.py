"""Conditional orders whose condition is met: they become regular orders, or die of it."""

from tradeengine.simulator import closing, errors, lifecycle, matching, placing
from tradeengine.simulator.algo import GTE, AlgoOrder
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.errors import ApiError
from tradeengine.simulator.numbers import ZERO
from tradeengine.simulator.orders import Order
from tradeengine.simulator.requests import matched_price
from tradeengine.simulator.state import State
from tradeengine.simulator.triggers import WITH_PRICE, Trigger

_REDUCE_ONLY_REJECTED = errors.reduce_only_rejected().code


def fire_due(state: State, contract: Contract) -> None:
    """Fire what the current prices call for, oldest first."""
    for algo in list(contract.algos):
        # what fired before it may have closed its leg
        if not algo.is_waiting:
            continue
        if algo.trigger.follow(contract.market):
            lifecycle.turn_algo(state, contract, algo, "NEW")
        if not algo.trigger.holds(contract.market):
            continue
        if _is_held_back(state, contract, algo.trigger):
            if state.options.price_protect == "expires":
                lifecycle.end_algo(state, contract, algo, "EXPIRED", "Price protect")
            continue
        _fire(state, contract, algo)
    _fire_waiting_orders(state, contract)


def _fire(state: State, contract: Contract, algo: AlgoOrder) -> None:
    """NEW → TRIGGERING → TRIGGERED → FINISHED, or REJECTED (Binance docs, Event Algo Order Update)."""
    algo.triggered_ms = state.now_ms
    lifecycle.turn_algo(state, contract, algo, "TRIGGERING")
    try:
        order = _spawn(state, contract, algo)
        placing.check(state, contract, order)
    except ApiError as error:
        message = "Reduce Only reject" if error.code == _REDUCE_ONLY_REJECTED else error.msg
        lifecycle.end_algo(state, contract, algo, "REJECTED", message)
        return
    algo.order_id, algo.actual_type = state.ids.order + 1, order.type
    lifecycle.turn_algo(state, contract, algo, "TRIGGERED")
    placing.accept(state, contract, order)
    placing.begin(state, contract, order)


def _spawn(state: State, contract: Contract, algo: AlgoOrder) -> Order:
    has_price = algo.type in WITH_PRICE
    price = algo.price if has_price else ZERO
    if has_price and algo.price_match != "NONE":
        price = matched_price(contract, algo.side, algo.price_match)
    reduces = algo.reduce_only or algo.close_position
    quantity = contract.leg(algo.position_side).room_for(algo.side) if algo.close_position else algo.quantity
    return Order(
        symbol=algo.symbol,
        order_id=0,
        client_id=algo.client_id if state.options.spawned_client_id == "same" else "",
        side=algo.side,
        position_side=algo.position_side,
        type="LIMIT" if has_price else "MARKET",
        orig_type=algo.type,
        time_in_force="GTC" if algo.time_in_force == GTE else algo.time_in_force,
        quantity=quantity,
        price=price,
        created_ms=state.now_ms,
        updated_ms=state.now_ms,
        stop_price=algo.trigger.price,
        working_type=algo.trigger.working_type,
        price_protect=algo.trigger.is_protected,
        price_match=algo.price_match,
        stp_mode=algo.stp_mode,
        good_till_ms=algo.good_till_ms,
        reduce_only=reduces and not state.terms.hedge,
        close_position=algo.close_position,
        closing=closing.is_closing(state, algo.side, algo.position_side, reduce_only=reduces),
        algo_id=algo.algo_id,
    )


def _fire_waiting_orders(state: State, contract: Contract) -> None:
    """Conditional orders of the old endpoint: the order itself becomes LIMIT or MARKET."""
    for order in [order for order in contract.orders if order.waiting]:
        trigger = order.trigger
        if not order.is_open or trigger is None:
            continue
        trigger.follow(contract.market)
        if not trigger.holds(contract.market) or _is_held_back(state, contract, trigger):
            continue
        order.type = "LIMIT" if order.orig_type in WITH_PRICE else "MARKET"
        if order.close_position:
            order.quantity = contract.leg(order.position_side).room_for(order.side)
        try:
            # while it waits it does not count against itself
            placing.check(state, contract, order)
        except ApiError:
            lifecycle.expire(state, contract, order, lifecycle.KNOCKED_OUT)
            continue
        order.waiting = False
        matching.match(state, contract, order)


def _is_held_back(state: State, contract: Contract, trigger: Trigger) -> bool:
    return trigger.is_apart(contract.market, contract.rules.trigger_protect)
