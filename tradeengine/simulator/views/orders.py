"""Orders, conditional orders and trades as the REST interface shows them."""

from typing import Any

from tradeengine.simulator.algo import AlgoOrder
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.numbers import fixed, money, plain, significant, trimmed
from tradeengine.simulator.orders import Order
from tradeengine.simulator.trades import Trade

_NO_AVERAGE = "0.00000"


def acknowledgement(order: Order, *, with_average: bool) -> dict[str, Any]:
    """Answer to placing, changing or cancelling an order as it is now (Binance docs, New Order).

    Parameters
    ----------
    with_average
        Whether it carries ``avgPrice`` and ``cumQuote``, as before July 2026.
    """
    answer: dict[str, Any] = {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": order.status,
        "clientOrderId": order.client_id,
        "price": plain(order.price),
        "origQty": plain(order.quantity),
        "executedQty": plain(order.executed),
        "cumQty": plain(order.executed),
        "timeInForce": order.time_in_force,
        "type": order.type,
        "reduceOnly": order.closing,
        "closePosition": order.close_position,
        "side": order.side,
        "positionSide": order.position_side,
        "stopPrice": plain(order.stop_price),
        "workingType": order.working_type,
        "priceProtect": order.price_protect,
        "origType": order.orig_type,
        "priceMatch": order.price_match,
        "selfTradePreventionMode": order.stp_mode,
        "goodTillDate": order.good_till_ms,
        "updateTime": order.updated_ms,
    }
    if with_average:
        answer["avgPrice"] = _average(order)
        answer["cumQuote"] = trimmed(order.quote)
    return answer


def order_row(contract: Contract, order: Order) -> dict[str, Any]:
    """Row of a query (Binance docs, Query Order)."""
    row: dict[str, Any] = {
        "avgPrice": _average(order),
        "clientOrderId": order.client_id,
        "cumQuote": trimmed(order.quote),
        "executedQty": plain(order.executed),
        "orderId": order.order_id,
        "origQty": plain(order.quantity),
        "origType": order.orig_type,
        "price": plain(order.price),
        "reduceOnly": order.closing,
        "side": order.side,
        "positionSide": order.position_side,
        "status": order.status,
        "stopPrice": plain(order.stop_price),
        "closePosition": order.close_position,
        "symbol": order.symbol,
        "pair": contract.rules.pair,
        "time": order.created_ms,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "updateTime": order.updated_ms,
        "workingType": order.working_type,
        "priceProtect": order.price_protect,
        "priceMatch": order.price_match,
        "selfTradePreventionMode": order.stp_mode,
        "goodTillDate": order.good_till_ms,
    }
    if order.trigger is not None and order.trigger.is_trailing:
        row["activatePrice"] = plain(order.trigger.activate_price)
        row["priceRate"] = plain(order.trigger.callback_rate)
    return row


def algo_answer(contract: Contract, algo: AlgoOrder) -> dict[str, Any]:
    """Answer to placing a conditional order (Binance docs, New Algo Order)."""
    rules, trigger = contract.rules, algo.trigger
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type,
        "symbol": algo.symbol,
        "side": algo.side,
        "positionSide": algo.position_side,
        "timeInForce": algo.time_in_force,
        "quantity": fixed(algo.quantity, rules.quantity_places),
        "algoStatus": algo.status,
        "triggerPrice": fixed(trigger.price, rules.price_places),
        "price": fixed(algo.price, rules.price_places),
        "icebergQuantity": None,
        "selfTradePreventionMode": algo.stp_mode,
        "workingType": trigger.working_type,
        "priceMatch": algo.price_match,
        "closePosition": algo.close_position,
        "priceProtect": trigger.is_protected,
        "reduceOnly": algo.reduce_only,
        "activatePrice": plain(trigger.activate_price) if trigger.activate_price else "",
        "callbackRate": plain(trigger.callback_rate) if trigger.is_trailing else "",
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": algo.good_till_ms,
    }


def algo_row(contract: Contract, algo: AlgoOrder) -> dict[str, Any]:
    """Row of a query of conditional orders (Binance docs, Query Algo Order)."""
    zero = fixed(contract.rules.tick * 0, contract.rules.price_places)
    return algo_answer(contract, algo) | {
        "actualOrderId": str(algo.order_id) if algo.order_id else "",
        "actualPrice": trimmed(significant(algo.average)) if algo.average else _NO_AVERAGE,
        "actualQty": fixed(algo.filled, contract.rules.quantity_places),
        "actualType": algo.actual_type,
        "tpTriggerPrice": zero,
        "tpPrice": zero,
        "slTriggerPrice": zero,
        "slPrice": zero,
        "tpOrderType": "",
    }


def trade_row(contract: Contract, trade: Trade) -> dict[str, Any]:
    """Row of the account's trades (Binance docs, Account Trade List)."""
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "side": trade.side,
        "price": plain(trade.price),
        "qty": plain(trade.quantity),
        "realizedPnl": money(trade.realized),
        "marginAsset": contract.rules.asset,
        "quoteQty": trimmed(trade.quote),
        "baseQty": plain(trade.quantity),
        "commission": money(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.time_ms,
        "positionSide": trade.position_side,
        "buyer": trade.side == "BUY",
        "maker": trade.maker,
        "pair": contract.rules.pair,
    }


def _average(order: Order) -> str:
    return trimmed(significant(order.average)) if order.executed else _NO_AVERAGE
