"""The symbols that are listed unless others are given: BTCUSDT and ETHUSDT with recorded filters and brackets."""

from typing import Any

_ORDER_TYPES = [
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
]
_TIMES_IN_FORCE = ["GTC", "IOC", "FOK", "GTX", "GTD"]


def _entry(base: str, price: dict[str, str], lot: dict[str, str], market_lot: dict[str, str], *, places: int) -> Any:
    symbol = f"{base}USDT"
    return {
        "symbol": symbol,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": places,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012000",
        "marketTakeBound": "0.30",
        "orderTypes": _ORDER_TYPES,
        "timeInForce": _TIMES_IN_FORCE,
        "filters": [
            {"filterType": "PRICE_FILTER", **price},
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "MARKET_LOT_SIZE", **market_lot},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "10"},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierDown": "0.5454",
                "multiplierUp": "1.1000",
                "multiplierDecimal": "4",
            },
        ],
    }


def default_symbols() -> list[dict[str, Any]]:
    """Entries of exchangeInfo (Binance docs, Exchange Information)."""
    return [
        _entry(
            "BTC",
            {"minPrice": "402", "maxPrice": "1246396.60", "tickSize": "0.10"},
            {"minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            places=3,
        ),
        _entry(
            "ETH",
            {"minPrice": "39.86", "maxPrice": "306177", "tickSize": "0.01"},
            {"minQty": "0.001", "maxQty": "10000", "stepSize": "0.001"},
            {"minQty": "0.001", "maxQty": "2000", "stepSize": "0.001"},
            places=3,
        ),
    ]


def default_brackets() -> list[dict[str, Any]]:
    """Brackets of BTCUSDT (Binance docs, Notional and Leverage Brackets); other symbols get them too."""
    rows = (
        (125, 0, 50_000, "0.004", 0),
        (100, 50_000, 600_000, "0.005", 50),
        (75, 600_000, 3_000_000, "0.0065", 950),
        (50, 3_000_000, 12_000_000, "0.01", 11_450),
        (25, 12_000_000, 70_000_000, "0.02", 131_450),
        (20, 70_000_000, 100_000_000, "0.025", 481_450),
        (10, 100_000_000, 230_000_000, "0.05", 2_981_450),
        (5, 230_000_000, 480_000_000, "0.1", 14_481_450),
        (4, 480_000_000, 600_000_000, "0.125", 26_481_450),
        (3, 600_000_000, 800_000_000, "0.15", 41_481_450),
        (2, 800_000_000, 1_200_000_000, "0.25", 121_481_450),
        (1, 1_200_000_000, 1_800_000_000, "0.5", 421_481_450),
    )
    return [
        {
            "bracket": number,
            "initialLeverage": leverage,
            "notionalCap": cap,
            "notionalFloor": floor,
            "maintMarginRatio": ratio,
            "cum": cum,
        }
        for number, (leverage, floor, cap, ratio, cum) in enumerate(rows, start=1)
    ]
