"""Whether the exchange is there, what time it has, and what it lists."""

from typing import TYPE_CHECKING, Any

from tradeengine.simulator.endpoints.security import Endpoint, Security, costs
from tradeengine.simulator.params import Params
from tradeengine.simulator.wallet import ASSET

if TYPE_CHECKING:
    from tradeengine.simulator.exchange import Exchange

ORDER_LIMITS = (
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
)
WEIGHT_LIMIT = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400}


def ping(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``GET /fapi/v1/ping``."""
    return {}


def server_time(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``GET /fapi/v1/time``."""
    return {"serverTime": exchange.now_ms}


def exchange_info(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``GET /fapi/v1/exchangeInfo``."""
    return {
        "timezone": "UTC",
        "serverTime": exchange.now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": [WEIGHT_LIMIT, *ORDER_LIMITS],
        "exchangeFilters": [],
        "assets": [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for asset in dict.fromkeys((ASSET, exchange.state.options.fee_asset))
        ],
        "symbols": [contract.rules.entry for contract in exchange.state.contracts.values()],
    }


def order_limits(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v1/rateLimit/order``."""
    return [dict(limit) for limit in reversed(ORDER_LIMITS)]


_PING = Endpoint(Security.NONE, costs(1), ping)
_TIME = Endpoint(Security.NONE, costs(1), server_time)

ENDPOINTS = {
    ("GET", "/fapi/v1/ping"): _PING,
    ("GET", "/fapi/v1/time"): _TIME,
    ("GET", "/fapi/v1/exchangeInfo"): Endpoint(Security.NONE, costs(1), exchange_info),
    ("GET", "/fapi/v1/rateLimit/order"): Endpoint(Security.USER_DATA, costs(1), order_limits),
    # python-binance asks the spot exchange for its time when it connects
    ("GET", "/api/v3/ping"): _PING,
    ("GET", "/api/v3/time"): _TIME,
}
