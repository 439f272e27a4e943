"""Regular orders: place, change, cancel, query."""

from typing import TYPE_CHECKING, Any

from tradeengine.simulator import amending, errors, lifecycle, placing, retention
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.endpoints.security import Endpoint, Security, costs, costs_more_without_symbol
from tradeengine.simulator.orders import Order
from tradeengine.simulator.params import Params
from tradeengine.simulator.schedule import Due
from tradeengine.simulator.views.orders import acknowledgement, order_row

if TYPE_CHECKING:
    from tradeengine.simulator.exchange import Exchange

CANCELLED_ALL = {"code": 200, "msg": "The operation of cancel all open order is done."}
_ID, _CLIENT_ID = "orderId", "origClientOrderId"


def place(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``POST /fapi/v1/order``: the answer shows the order before it is matched, with RESULT after."""
    state = exchange.state
    terms, order = placing.read_order(state, params)
    placing.accept(state, terms.contract, order)
    with_average = state.options.ack_with_average
    accepted = acknowledgement(order, with_average=with_average)
    placing.begin(state, terms.contract, order)
    return acknowledgement(order, with_average=with_average) if terms.wants_result else accepted


def check(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``POST /fapi/v1/order/test``: everything but the order."""
    _, order = placing.read_order(exchange.state, params)
    return acknowledgement(order, with_average=exchange.options.ack_with_average)


def modify(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``PUT /fapi/v1/order``."""
    contract, order = find(exchange, params, errors.no_such_order())
    modify_id = amending.amend(exchange.state, contract, order, params)
    answer = acknowledgement(order, with_average=exchange.options.ack_with_average) | {"pair": contract.rules.pair}
    return answer if modify_id is None else answer | {"modifyId": modify_id}


def cancel(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``DELETE /fapi/v1/order``."""
    contract, order = find(exchange, params, errors.unknown_order())
    if not order.is_open:
        raise errors.unknown_order()
    lifecycle.cancel(exchange.state, contract, order)
    return cancelled(exchange, order)


def cancelled(exchange: "Exchange", order: Order) -> dict[str, Any]:
    """Answer to a cancellation."""
    return acknowledgement(order, with_average=exchange.options.ack_with_average)


def cancel_all(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``DELETE /fapi/v1/allOpenOrders``."""
    contract = exchange.state.contract(params.text("symbol"))
    for order in list(contract.orders):
        lifecycle.cancel(exchange.state, contract, order)
    return dict(CANCELLED_ALL)


def is_kept(exchange: "Exchange", order: Order) -> bool:
    """Whether an order can still be queried."""
    return retention.is_kept(
        ended=not order.is_open, filled=order.executed, created_ms=order.created_ms, now_ms=exchange.now_ms
    )


def query(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``GET /fapi/v1/order``; an order younger than the option's lag cannot be found."""
    contract, order = find(exchange, params, errors.no_such_order())
    is_young = exchange.now_ms - order.created_ms < exchange.options.not_found_lag_ms
    if is_young or not is_kept(exchange, order):
        raise errors.no_such_order()
    return order_row(contract, order)


def query_open(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``GET /fapi/v1/openOrder``."""
    contract, order = find(exchange, params, errors.no_such_order())
    if not order.is_open:
        raise errors.no_such_order()
    return order_row(contract, order)


def open_orders(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v1/openOrders``."""
    contracts = exchange.state.chosen(params.optional_text("symbol"))
    return [order_row(contract, order) for contract in contracts for order in contract.orders]


def countdown(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``POST /fapi/v1/countdownCancelAll``: cancels the symbol's orders unless it is called again in time."""
    state = exchange.state
    contract = state.contract(params.text("symbol"))
    countdown_ms = params.integer("countdownTime")
    contract.countdown_ms = state.now_ms + countdown_ms if countdown_ms else 0
    if countdown_ms:
        state.schedule.plan(contract.countdown_ms, Due.COUNTDOWN, contract.symbol)
    return {"symbol": contract.symbol, "countdownTime": str(countdown_ms)}


def find(exchange: "Exchange", params: Params, missing: errors.ApiError) -> tuple[Contract, Order]:
    """Order that a request names by ``orderId``, which wins, or ``origClientOrderId``.

    Raises
    ------
    ApiError
        ``missing`` if there is none; -1102 or -1121 if the request names none.
    """
    contract = exchange.state.contract(params.text("symbol"))
    order_id, client_id = params.optional_integer(_ID), params.optional_text(_CLIENT_ID)
    if order_id is None and client_id is None:
        raise errors.one_of_both(_CLIENT_ID.lower(), _ID.lower())
    order = contract.orders.find(order_id, client_id)
    if order is None:
        raise missing
    return contract, order


PLACE = Endpoint(Security.TRADE, costs(0), place, orders_10s=1, orders_1m=1)
MODIFY = Endpoint(Security.TRADE, costs(1), modify, orders_10s=1, orders_1m=1)
CANCEL = Endpoint(Security.TRADE, costs(1), cancel)
QUERY = Endpoint(Security.USER_DATA, costs(1), query)

ENDPOINTS = {
    ("POST", "/fapi/v1/order"): PLACE,
    ("POST", "/fapi/v1/order/test"): Endpoint(Security.TRADE, costs(0), check),
    ("PUT", "/fapi/v1/order"): MODIFY,
    ("DELETE", "/fapi/v1/order"): CANCEL,
    ("GET", "/fapi/v1/order"): QUERY,
    ("GET", "/fapi/v1/openOrder"): Endpoint(Security.USER_DATA, costs(1), query_open),
    ("GET", "/fapi/v1/openOrders"): Endpoint(Security.USER_DATA, costs_more_without_symbol(1, 40), open_orders),
    ("DELETE", "/fapi/v1/allOpenOrders"): Endpoint(Security.TRADE, costs(1), cancel_all),
    ("POST", "/fapi/v1/countdownCancelAll"): Endpoint(Security.TRADE, costs(10), countdown),
}
METHODS = {
    "order.place": PLACE,
    "order.modify": MODIFY,
    "order.cancel": CANCEL,
    "order.status": QUERY,
}
