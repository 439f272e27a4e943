"""Paths that tell the limits: they belong to the server, which can be given others."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tradeengine.simulator.endpoints import Endpoint, Security
from tradeengine.simulator.limits import RateLimits
from tradeengine.simulator.params import Params

if TYPE_CHECKING:
    from tradeengine.simulator.exchange import Exchange

_INFO = ("GET", "/fapi/v1/exchangeInfo")
_ORDERS = ("GET", "/fapi/v1/rateLimit/order")


def limit_paths(paths: Mapping[tuple[str, str], Endpoint], limits: RateLimits) -> dict[tuple[str, str], Endpoint]:
    """The exchange's paths that name limits, with the limits that are held."""

    def orders(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
        return [row for row in limits.describe() if row["rateLimitType"] == "ORDERS"]

    told = {_ORDERS: Endpoint(Security.USER_DATA, lambda params: 1, orders)}
    if _INFO in paths:
        of_exchange = paths[_INFO]

        def info(exchange: "Exchange", params: Params) -> dict[str, Any]:
            return {**of_exchange.handler(exchange, params), "rateLimits": limits.describe()}

        told[_INFO] = replace(of_exchange, handler=info)
    return told
