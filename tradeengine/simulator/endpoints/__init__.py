"""The exchange's paths, one module per family."""

from collections.abc import Mapping

from tradeengine.simulator.endpoints import account, algo, batch, general, history, market, orders, premium, settings
from tradeengine.simulator.endpoints.security import Endpoint, Security

_FAMILIES = (general, orders, batch, algo, history, account, settings, premium, market)

ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    key: endpoint for family in _FAMILIES for key, endpoint in family.ENDPOINTS.items()
}
METHODS: Mapping[str, Endpoint] = {**orders.METHODS, **algo.METHODS, **account.METHODS, **market.METHODS}

__all__ = ["ENDPOINTS", "METHODS", "Endpoint", "Security"]
