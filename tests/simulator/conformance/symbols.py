"""Trading rules for tests: entries of exchangeInfo as the exchange sends them."""

from collections.abc import Mapping
from typing import Any

RECORDED: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "contractType": "PERPETUAL",
    "deliveryDate": 4133404800000,
    "onboardDate": 1569398400000,
    "status": "TRADING",
    "maintMarginPercent": "2.5000",
    "requiredMarginPercent": "5.0000",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "pricePrecision": 2,
    "quantityPrecision": 3,
    "baseAssetPrecision": 8,
    "quotePrecision": 8,
    "underlyingType": "COIN",
    "underlyingSubType": [],
    "settlePlan": 0,
    "triggerProtect": "0.0500",
    "liquidationFee": "0.012000",
    "marketTakeBound": "0.30",
    "orderTypes": [
        "LIMIT",
        "MARKET",
        "STOP",
        "STOP_MARKET",
        "TAKE_PROFIT",
        "TAKE_PROFIT_MARKET",
        "TRAILING_STOP_MARKET",
    ],
    "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "402", "maxPrice": "1246396.60", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": "10"},
        {"filterType": "PERCENT_PRICE", "multiplierDown": "0.5454", "multiplierUp": "1.1000", "multiplierDecimal": "4"},
    ],
}


def symbol(name: str, *, filters: Mapping[str, dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """Return the recorded entry under another name, with some fields and some values of filters replaced."""
    changed = {**RECORDED, "symbol": name, "pair": name, "baseAsset": name.removesuffix("USDT"), **fields}
    changed["filters"] = [{**one, **(filters or {}).get(one["filterType"], {})} for one in RECORDED["filters"]]
    return changed


def loose(name: str, price_decimals: int, quantity_decimals: int, **fields: Any) -> dict[str, Any]:
    """Return an entry whose filters let everything through that fits these numbers of decimals."""
    tick, step = f"{1 / 10**price_decimals:.{price_decimals}f}", f"{1 / 10**quantity_decimals:.{quantity_decimals}f}"
    lot = {"minQty": step, "maxQty": "1000000", "stepSize": step}
    return symbol(
        name,
        filters={
            "PRICE_FILTER": {"minPrice": tick, "maxPrice": "10000000", "tickSize": tick},
            "LOT_SIZE": lot,
            "MARKET_LOT_SIZE": lot,
            "MIN_NOTIONAL": {"notional": "0"},
            "PERCENT_PRICE": {"multiplierDown": "0.0100", "multiplierUp": "100.0000"},
        },
        pricePrecision=price_decimals,
        quantityPrecision=quantity_decimals,
        **fields,
    )
