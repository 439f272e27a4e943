"""Several orders in one request; each succeeds or fails on its own, in the answer's list."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tradeengine.simulator import errors, lifecycle
from tradeengine.simulator.endpoints import orders
from tradeengine.simulator.endpoints.security import Endpoint, Security, costs
from tradeengine.simulator.errors import ApiError
from tradeengine.simulator.params import Params

if TYPE_CHECKING:
    from tradeengine.simulator.exchange import Exchange

_MOST_ORDERS = 5
_MOST_CANCELLATIONS = 10
_FLAGS = {True: "true", False: "false"}


def place(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``POST /fapi/v1/batchOrders``."""
    return _each(exchange, _elements(params), orders.place)


def modify(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``PUT /fapi/v1/batchOrders``."""
    return _each(exchange, _elements(params), orders.modify)


def cancel(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``DELETE /fapi/v1/batchOrders``: ``orderIdList`` wins over ``origClientOrderIdList``."""
    contract = exchange.state.contract(params.text("symbol"))
    by_id = params.has("orderIdList")
    if not by_id and not params.has("origClientOrderIdList"):
        raise errors.one_of_both("orderidlist", "origclientorderidlist")
    name = "orderIdList" if by_id else "origClientOrderIdList"
    wanted = _json_list(params, name)
    if len(wanted) > _MOST_CANCELLATIONS:
        raise errors.too_many_to_cancel(_MOST_CANCELLATIONS)
    answers = []
    for key in wanted:
        if by_id and not str(key).isdigit():
            raise errors.invalid_data(name.lower())
        order = contract.orders.find(int(key), None) if by_id else contract.orders.find(None, str(key))
        if order is None or not order.is_open:
            answers.append(errors.unknown_order().document())
            continue
        lifecycle.cancel(exchange.state, contract, order)
        answers.append(orders.cancelled(exchange, order))
    return answers


def _each(
    exchange: "Exchange", elements: list[Params], handler: Callable[["Exchange", Params], dict[str, Any]]
) -> list[dict[str, Any]]:
    answers = []
    for element in elements:
        try:
            answers.append(handler(exchange, element))
        except ApiError as error:
            answers.append(error.document())
    return answers


def _elements(params: Params) -> list[Params]:
    elements = _json_list(params, "batchOrders")
    if not elements:
        raise errors.empty_batch()
    if len(elements) > _MOST_ORDERS:
        raise errors.invalid_batch_size(len(elements))
    if not all(isinstance(element, dict) for element in elements):
        raise errors.invalid_data("batchorders")
    return [Params({name: _text(value) for name, value in element.items()}) for element in elements]


def _json_list(params: Params, name: str) -> list[Any]:
    try:
        # numbers stay the text that was sent
        value = json.loads(params.text(name), parse_float=str, parse_int=str, parse_constant=str)
    except ValueError:
        raise errors.invalid_data(name.lower()) from None
    if not isinstance(value, list):
        raise errors.invalid_data(name.lower())
    return value


def _text(value: Any) -> str:
    return _FLAGS[value] if isinstance(value, bool) else str(value)


ENDPOINTS = {
    ("POST", "/fapi/v1/batchOrders"): Endpoint(Security.TRADE, costs(5), place, orders_10s=5, orders_1m=1),
    ("PUT", "/fapi/v1/batchOrders"): Endpoint(Security.TRADE, costs(5), modify, orders_10s=5, orders_1m=1),
    ("DELETE", "/fapi/v1/batchOrders"): Endpoint(Security.TRADE, costs(1), cancel),
}
