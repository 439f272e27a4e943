"""What was: orders, trades and income."""

from typing import TYPE_CHECKING, Any

from tradeengine.simulator import errors
from tradeengine.simulator.endpoints.orders import is_kept
from tradeengine.simulator.endpoints.security import Endpoint, Security, costs
from tradeengine.simulator.endpoints.windows import WEEK_MS, window
from tradeengine.simulator.numbers import money
from tradeengine.simulator.params import Params
from tradeengine.simulator.views.orders import order_row, trade_row
from tradeengine.simulator.wallet import Income

if TYPE_CHECKING:
    from tradeengine.simulator.exchange import Exchange


def all_orders(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v1/allOrders``: from an id on, or by time; ascending."""
    limit = params.limit(500, 1000)
    order_id = params.optional_integer("orderId")
    kept = (
        (contract, order)
        for contract in exchange.state.chosen(params.optional_text("symbol"))
        for order in contract.orders.history
        if is_kept(exchange, order)
    )
    if order_id is not None:
        found = [(contract, order) for contract, order in kept if order.order_id >= order_id][:limit]
    else:
        start_ms, end_ms = window(exchange, params)
        found = [(contract, order) for contract, order in kept if start_ms <= order.created_ms <= end_ms]
        found = found[:limit] if params.has("startTime") else found[-limit:]
    return [order_row(contract, order) for contract, order in found]


def user_trades(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v1/userTrades``: from an id on, or by time; ascending."""
    contract = exchange.state.contract(params.text("symbol"))
    limit = params.limit(500, 1000)
    from_id, order_id = params.optional_integer("fromId"), params.optional_integer("orderId")
    if from_id is not None:
        if params.has("startTime") or params.has("endTime"):
            raise errors.invalid_combination()
        trades = contract.trades_from(from_id)
        if order_id is not None:
            trades = [trade for trade in trades if trade.order_id == order_id]
        return [trade_row(contract, trade) for trade in trades[:limit]]
    start_ms, end_ms = window(exchange, params)
    trades = [
        trade
        for trade in contract.trades
        if start_ms <= trade.time_ms <= end_ms and (order_id is None or trade.order_id == order_id)
    ]
    trades = trades[:limit] if params.has("startTime") else trades[-limit:]
    return [trade_row(contract, trade) for trade in trades]


def income(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v1/income``: ascending, page by page."""
    limit = params.limit(100, 1000)
    page = params.optional_integer("page") or 1
    symbol, kind = params.optional_text("symbol"), params.optional_text("incomeType")
    has_times = params.has("startTime") or params.has("endTime")
    start_ms, end_ms = window(exchange, params, exchange.now_ms if has_times else WEEK_MS)
    rows = [
        row
        for row in exchange.state.wallet.history
        if start_ms <= row.time_ms <= end_ms and symbol in {None, row.symbol} and kind in {None, row.kind}
    ]
    return [_income_row(row) for row in rows[(page - 1) * limit : page * limit]]


def _income_row(row: Income) -> dict[str, Any]:
    return {
        "symbol": row.symbol,
        "incomeType": row.kind,
        "income": money(row.amount),
        "asset": row.asset,
        "info": row.info,
        "time": row.time_ms,
        "tranId": row.tran_id,
        "tradeId": row.trade_id,
    }


ENDPOINTS = {
    ("GET", "/fapi/v1/allOrders"): Endpoint(Security.USER_DATA, costs(5), all_orders),
    ("GET", "/fapi/v1/userTrades"): Endpoint(Security.USER_DATA, costs(5), user_trades),
    ("GET", "/fapi/v1/income"): Endpoint(Security.USER_DATA, costs(30), income),
}
