"""What is traded: symbols that are dealt to a shard each."""

from decimal import Decimal
from typing import Any, Final

from tradeengine.simulator.listings import default_symbols

SHARDS: Final = 6
MARKS: Final = {
    "BTCUSDT": Decimal(50_000),
    "ETHUSDT": Decimal(3_000),
    "SOLUSDT": Decimal(150),
    "TRXUSDT": Decimal(120),
    "LTCUSDT": Decimal(100),
    "ADAUSDT": Decimal(80),
}
"""By symbol the price around which it moves; each has a shard of its own."""

QUANTITIES: Final = {symbol: "0.01" if mark > 10_000 else f"{300 / mark:.2f}" for symbol, mark in MARKS.items()}
"""Orders of a few hundred in quote currency."""

_ROOMY: Final = {"rate_limits": "off", "weight_1m": 10**9, "orders_10s": 10**9, "orders_1m": 10**9}


def setup(**options: Any) -> dict[str, Any]:
    """The document that the exchange is made from; the limits of its requests are reached by nobody."""
    first, second = default_symbols()
    listed = [first, second]
    for symbol in list(MARKS)[2:]:
        base = symbol.removesuffix("USDT")
        filters = [
            each | {"minPrice": "1", "tickSize": "0.01"} if each["filterType"] == "PRICE_FILTER" else each
            for each in second["filters"]
        ]
        listed.append(second | {"symbol": symbol, "pair": symbol, "baseAsset": base, "filters": filters})
    marks = {symbol: str(mark) for symbol, mark in MARKS.items()}
    return {"symbols": listed, "marks": marks, "options": _ROOMY | options}
