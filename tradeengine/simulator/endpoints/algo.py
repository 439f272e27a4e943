"""Conditional orders: place, cancel, query."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tradeengine.simulator import algo_requests, errors, lifecycle, retention
from tradeengine.simulator.algo import ENDED, AlgoOrder
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.endpoints.orders import CANCELLED_ALL
from tradeengine.simulator.endpoints.security import (
    Endpoint,
    Handler,
    Security,
    Weight,
    costs,
    costs_more_without_symbol,
)
from tradeengine.simulator.endpoints.windows import window
from tradeengine.simulator.params import Params
from tradeengine.simulator.views.orders import algo_answer, algo_row

if TYPE_CHECKING:
    from tradeengine.simulator.exchange import Exchange


def place(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``POST /fapi/v1/algoOrder``."""
    terms, algo = algo_requests.read_algo(exchange.state, params)
    algo_requests.accept_algo(exchange.state, terms, algo)
    return algo_answer(terms.contract, algo)


def cancel(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``DELETE /fapi/v1/algoOrder``; its ``code`` is text."""
    contract, algo = _find(exchange, params, errors.unknown_order())
    if not algo.is_waiting:
        raise errors.unknown_order()
    lifecycle.end_algo(exchange.state, contract, algo, "CANCELED")
    return {"algoId": algo.algo_id, "clientAlgoId": algo.client_id, "code": "200", "msg": "success"}


def cancel_all(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``DELETE /fapi/v1/algoOpenOrders``."""
    contract = exchange.state.contract(params.text("symbol"))
    for algo in list(contract.algos):
        lifecycle.end_algo(exchange.state, contract, algo, "CANCELED")
    return dict(CANCELLED_ALL)


def query(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``GET /fapi/v1/algoOrder``; an order younger than the option's lag cannot be found."""
    contract, algo = _find(exchange, params, errors.no_such_order())
    is_young = exchange.now_ms - algo.created_ms < exchange.options.not_found_lag_ms
    if is_young or not _is_kept(exchange, algo):
        raise errors.no_such_order()
    return algo_row(contract, algo)


def open_orders(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v1/openAlgoOrders``."""
    algo_id = params.optional_integer("algoId")
    return [
        algo_row(contract, algo)
        for contract in exchange.state.chosen(params.optional_text("symbol"))
        for algo in contract.algos
        if algo_id is None or algo.algo_id == algo_id
    ]


def history(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v1/allAlgoOrders``: from an id on, or the newest of a time span."""
    contract = exchange.state.contract(params.text("symbol"))
    limit = params.limit(500, 1000)
    kept = [algo for algo in contract.algos.history if _is_kept(exchange, algo)]
    algo_id = params.optional_integer("algoId")
    if algo_id is not None:
        rows = [algo for algo in kept if algo.algo_id >= algo_id][:limit]
    else:
        start_ms, end_ms = window(exchange, params)
        rows = [algo for algo in kept if start_ms <= algo.created_ms <= end_ms][-limit:]
    return [algo_row(contract, algo) for algo in rows]


def _is_kept(exchange: "Exchange", algo: AlgoOrder) -> bool:
    return retention.is_kept(
        ended=algo.status in ENDED, filled=algo.filled, created_ms=algo.created_ms, now_ms=exchange.now_ms
    )


def _find(exchange: "Exchange", params: Params, missing: errors.ApiError) -> tuple[Contract, AlgoOrder]:
    algo_id, client_id = params.optional_integer("algoId"), params.optional_text("clientAlgoId")
    if algo_id is None and client_id is None:
        raise errors.one_of_both("algoid", "clientalgoid")
    found = None
    for contract in exchange.state.contracts.values():
        algo = contract.algos.find(algo_id, client_id)
        if algo is not None and (found is None or algo.is_waiting):
            found = contract, algo
    if found is None:
        raise missing
    return found


def _switchable(method: str, path: str, handler: Callable[["Exchange", Params], Any]) -> Handler:
    """Handler of a path that old test networks did not have."""

    def handle(exchange: "Exchange", params: Params) -> Any:
        if not exchange.options.algo_endpoints:
            raise errors.path_invalid(method, path)
        return handler(exchange, params)

    return handle


def _endpoint(
    method: str, path: str, security: Security, weight: Weight, handler: Handler, orders: int = 0
) -> tuple[tuple[str, str], Endpoint]:
    served = _switchable(method, path, handler)
    return (method, path), Endpoint(security, weight, served, orders_10s=orders, orders_1m=orders)


ENDPOINTS = dict(
    (
        _endpoint("POST", "/fapi/v1/algoOrder", Security.TRADE, costs(0), place, orders=1),
        _endpoint("DELETE", "/fapi/v1/algoOrder", Security.TRADE, costs(1), cancel),
        _endpoint("GET", "/fapi/v1/algoOrder", Security.USER_DATA, costs(1), query),
        _endpoint("GET", "/fapi/v1/openAlgoOrders", Security.USER_DATA, costs_more_without_symbol(1, 40), open_orders),
        _endpoint("GET", "/fapi/v1/allAlgoOrders", Security.USER_DATA, costs(5), history),
        _endpoint("DELETE", "/fapi/v1/algoOpenOrders", Security.TRADE, costs(1), cancel_all),
    )
)
METHODS = {
    "algoOrder.place": ENDPOINTS["POST", "/fapi/v1/algoOrder"],
    "algoOrder.cancel": ENDPOINTS["DELETE", "/fapi/v1/algoOrder"],
}
