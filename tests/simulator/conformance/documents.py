"""What payloads look like on the wire: exact keys, and the JSON type of each."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

Check = Callable[[Any], bool]
Shape = Mapping[str, Check]


def number(text: Any) -> Any:
    """Value of a figure on the wire, to be compared with whatever number."""
    return Decimal(text)


def is_decimal(value: Any) -> bool:
    """A decimal as text, never with an exponent."""
    if not isinstance(value, str) or "e" in value.lower():
        return False
    try:
        return Decimal(value).is_finite()
    except InvalidOperation:
        return False


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_null(value: Any) -> bool:
    return value is None


def is_number(value: Any) -> bool:
    return is_integer(value) or isinstance(value, Decimal)


def is_empty_or_decimal(value: Any) -> bool:
    return value == "" or is_decimal(value)


def is_empty_or_integer_text(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d*", value) is not None


def is_price_list(value: Any) -> bool:
    """Levels of a book: pairs of price and quantity."""
    return isinstance(value, list) and all(len(pair) == 2 and all(is_decimal(one) for one in pair) for pair in value)


def one_of(*values: Any) -> Check:
    return lambda value: any(type(value) is type(one) and value == one for one in values)


def either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def listed(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(check(one) for one in value)


def shape(document: Any, required: Shape, optional: Shape | None = None) -> None:
    """Assert the keys and the types of a payload."""
    assert isinstance(document, dict), document
    known = {**required, **(optional or {})}
    assert required.keys() <= document.keys(), f"missing: {sorted(required.keys() - document.keys())}"
    assert document.keys() <= known.keys(), f"not documented: {sorted(document.keys() - known.keys())}"
    wrong = {name: value for name, value in document.items() if not known[name](value)}
    assert not wrong, f"wrong type or value: {wrong}"


SIDE = one_of("BUY", "SELL")
POSITION_SIDE = one_of("LONG", "SHORT", "BOTH")
STATUS = one_of("NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH")
WORKING_TYPE = one_of("CONTRACT_PRICE", "MARK_PRICE")

_ORDER: dict[str, Check] = {
    "orderId": is_integer,
    "symbol": is_text,
    "status": STATUS,
    "clientOrderId": is_text,
    "price": is_decimal,
    "origQty": is_decimal,
    "executedQty": is_decimal,
    "timeInForce": is_text,
    "type": is_text,
    "reduceOnly": is_flag,
    "closePosition": is_flag,
    "side": SIDE,
    "positionSide": POSITION_SIDE,
    "stopPrice": is_decimal,
    "workingType": WORKING_TYPE,
    "priceProtect": is_flag,
    "origType": is_text,
    "priceMatch": is_text,
    "selfTradePreventionMode": is_text,
    "goodTillDate": is_integer,
    "updateTime": is_integer,
}
ORDER_ACK: Shape = {**_ORDER, "cumQty": is_decimal}
ORDER_MODIFIED: Shape = {**ORDER_ACK, "pair": is_text}
ORDER: Shape = {**_ORDER, "avgPrice": is_decimal, "cumQuote": is_decimal, "time": is_integer}
ORDER_OPTIONAL: Shape = {
    "pair": is_text,
    "cumBase": is_decimal,
    "activatePrice": is_decimal,
    "priceRate": is_decimal,
    "modifyId": is_integer,
}
TRADE: Shape = {
    "symbol": is_text,
    "id": is_integer,
    "orderId": is_integer,
    "side": SIDE,
    "price": is_decimal,
    "qty": is_decimal,
    "realizedPnl": is_decimal,
    "quoteQty": is_decimal,
    "commission": is_decimal,
    "commissionAsset": is_text,
    "time": is_integer,
    "positionSide": POSITION_SIDE,
    "buyer": is_flag,
    "maker": is_flag,
}
TRADE_OPTIONAL: Shape = {"marginAsset": is_text, "baseQty": is_decimal, "pair": is_text}
ALGO: Shape = {
    "algoId": is_integer,
    "clientAlgoId": is_text,
    "algoType": one_of("CONDITIONAL"),
    "orderType": is_text,
    "symbol": is_text,
    "side": SIDE,
    "positionSide": POSITION_SIDE,
    "timeInForce": is_text,
    "quantity": is_decimal,
    "algoStatus": one_of("NEW", "CANCELED", "EXPIRED", "TRIGGERING", "TRIGGERED", "FINISHED", "REJECTED"),
    "triggerPrice": is_empty_or_decimal,
    "price": is_decimal,
    "icebergQuantity": is_null,
    "selfTradePreventionMode": is_text,
    "workingType": WORKING_TYPE,
    "priceMatch": is_text,
    "closePosition": is_flag,
    "priceProtect": is_flag,
    "reduceOnly": is_flag,
    "activatePrice": is_empty_or_decimal,
    "callbackRate": is_empty_or_decimal,
    "createTime": is_integer,
    "updateTime": is_integer,
    "triggerTime": is_integer,
    "goodTillDate": is_integer,
}
ALGO_QUERY: Shape = {
    **ALGO,
    "actualOrderId": is_empty_or_integer_text,
    "actualPrice": is_decimal,
    "tpTriggerPrice": is_decimal,
    "tpPrice": is_decimal,
    "slTriggerPrice": is_decimal,
    "slPrice": is_decimal,
    "tpOrderType": is_text,
}
ALGO_QUERY_OPTIONAL: Shape = {"actualQty": is_decimal, "actualType": is_text}
ALGO_CANCELED: Shape = {
    "algoId": is_integer,
    "clientAlgoId": is_text,
    "code": one_of("200"),
    "msg": one_of("success"),
}
POSITION_V2: Shape = {
    "symbol": is_text,
    "positionAmt": is_decimal,
    "entryPrice": is_decimal,
    "breakEvenPrice": is_decimal,
    "markPrice": is_decimal,
    "unRealizedProfit": is_decimal,
    "liquidationPrice": is_decimal,
    "leverage": is_decimal,
    "maxNotionalValue": is_decimal,
    "marginType": one_of("cross", "isolated"),
    "isolatedMargin": is_decimal,
    "isAutoAddMargin": one_of("false", "true"),
    "positionSide": POSITION_SIDE,
    "notional": is_decimal,
    "isolatedWallet": is_decimal,
    "updateTime": is_integer,
}
POSITION_V2_OPTIONAL: Shape = {"isolated": is_flag, "adlQuantile": is_integer}
POSITION_V3: Shape = {
    "symbol": is_text,
    "positionSide": POSITION_SIDE,
    "positionAmt": is_decimal,
    "entryPrice": is_decimal,
    "breakEvenPrice": is_decimal,
    "markPrice": is_decimal,
    "unRealizedProfit": is_decimal,
    "liquidationPrice": is_decimal,
    "isolatedMargin": is_decimal,
    "notional": is_decimal,
    "marginAsset": is_text,
    "isolatedWallet": is_decimal,
    "initialMargin": is_decimal,
    "maintMargin": is_decimal,
    "positionInitialMargin": is_decimal,
    "openOrderInitialMargin": is_decimal,
    "adl": is_integer,
    "bidNotional": is_decimal,
    "askNotional": is_decimal,
    "updateTime": is_integer,
}
INCOME: Shape = {
    "symbol": is_text,
    "incomeType": is_text,
    "income": is_decimal,
    "asset": is_text,
    "info": is_text,
    "time": is_integer,
    "tranId": is_integer,
    "tradeId": is_text,
}
