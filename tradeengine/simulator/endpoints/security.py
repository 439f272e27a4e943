"""What an endpoint is: who may call it, what it costs, and what answers."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tradeengine.simulator.params import Params

if TYPE_CHECKING:
    from tradeengine.simulator.exchange import Exchange

Handler = Callable[["Exchange", Params], Any]
Weight = Callable[[Params], int]


class Security(StrEnum):
    """What a request must carry (Binance docs, General Info)."""

    NONE = "NONE"
    MARKET_DATA = "MARKET_DATA"
    USER_STREAM = "USER_STREAM"
    TRADE = "TRADE"
    USER_DATA = "USER_DATA"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path and method, or one method of the WebSocket API.

    Parameters
    ----------
    security
        What a request must carry.
    weight
        IP weight of a request with these parameters.
    handler
        Answers with what JSON can hold, or raises :class:`~tradeengine.simulator.errors.ApiError`.
    orders_10s, orders_1m
        What it counts towards the account's order limits.
    funding_pool
        Whether it counts towards the limit of funding rates instead of the weight.
    """

    security: Security
    weight: Weight
    handler: Handler
    orders_10s: int = 0
    orders_1m: int = 0
    funding_pool: bool = False


def costs(weight: int) -> Weight:
    """Weight that does not depend on the parameters."""
    return lambda params: weight


def costs_more_without_symbol(one: int, every: int) -> Weight:
    """Weight of a query for one symbol, and for all."""
    return lambda params: one if params.has("symbol") else every
