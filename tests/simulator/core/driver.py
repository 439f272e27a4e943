"""The bare core as a test drives it: requests go to the endpoints' handlers, without HTTP."""

from decimal import Decimal
from typing import Any

import pytest

from tradeengine.simulator.endpoints import ENDPOINTS
from tradeengine.simulator.errors import ApiError
from tradeengine.simulator.exchange import Exchange
from tradeengine.simulator.params import Params
from tradeengine.simulator.setup import Setup

BTC, ETH = "BTCUSDT", "ETHUSDT"
# 2023-11-14 22:13:20 UTC, an hour and three quarters before a funding time
START_MS = 1_700_000_000_000
OPENING = {"LONG": "BUY", "SHORT": "SELL"}
CLOSING = {"LONG": "SELL", "SHORT": "BUY"}


class Driver:
    """One exchange, and the requests that most tests make.

    Parameters
    ----------
    options
        Switches.
    setup
        Other fields of the setup.
    """

    def __init__(self, options: dict[str, Any] | None = None, *, seed: int = 0, **setup: Any) -> None:
        document = Setup.model_validate({**setup, "options": options or {}})
        self.exchange = Exchange(now_ms=START_MS, seed=seed, setup=document)

    def call(self, method: str, path: str, **params: Any) -> Any:
        """Answer of an endpoint; parameters that are ``None`` are not sent."""
        texts = {name: _text(value) for name, value in params.items() if value is not None}
        return ENDPOINTS[method, f"/fapi/{path}"].handler(self.exchange, Params(texts))

    def order(self, side: str, position_side: str | None, quantity: Any, price: Any = None, **more: Any) -> Any:
        """Place a MARKET order, or LIMIT GTC if it has a price."""
        limit = {} if price is None else {"type": "LIMIT", "timeInForce": "GTC", "price": price}
        params = {"symbol": BTC, "type": "MARKET", "side": side, "positionSide": position_side, "quantity": quantity}
        return self.call("POST", "v1/order", **{**params, **limit, **more})

    def algo(self, side: str, position_side: str | None, kind: str, trigger: Any = None, **more: Any) -> Any:
        """Place a conditional order."""
        params = {"symbol": BTC, "algoType": "CONDITIONAL", "side": side, "positionSide": position_side}
        return self.call("POST", "v1/algoOrder", **{**params, "type": kind, "triggerPrice": trigger, **more})

    def mark(self, price: Any, symbol: str = BTC, **more: Any) -> None:
        """Move a price."""
        self.exchange.set_mark(
            symbol, Decimal(str(price)), **{name: Decimal(str(value)) for name, value in more.items()}
        )

    def advance(self, milliseconds: int) -> None:
        """Let time pass."""
        self.exchange.advance_to(self.exchange.now_ms + milliseconds)

    def events(self, kind: str | None = None) -> list[Any]:
        """User events since the last call, of one kind or all."""
        payloads = [event.payload for event in self.exchange.take_events() if event.user]
        return [payload for payload in payloads if kind in {None, payload["e"]}]

    def told(self) -> list[tuple[str, ...]]:
        """User events since the last call, in brief: kind, and what happened to the order."""
        return [_brief(event) for event in self.events()]

    def get_order(self, order_id: Any, symbol: str = BTC) -> Any:
        """Order by id."""
        return self.call("GET", "v1/order", symbol=symbol, orderId=order_id)

    def get_algo(self, algo_id: Any) -> Any:
        """Conditional order by id."""
        return self.call("GET", "v1/algoOrder", algoId=algo_id)

    def leg(self, position_side: str, symbol: str = BTC) -> Any:
        """Row of positionRisk, version 2."""
        rows = self.call("GET", "v2/positionRisk", symbol=symbol)
        return next(row for row in rows if row["positionSide"] == position_side)

    def amount(self, position_side: str, symbol: str = BTC) -> Decimal:
        """Size of a leg, below 0 for a short."""
        return Decimal(self.leg(position_side, symbol)["positionAmt"])

    def wallet(self) -> Decimal:
        """Wallet balance."""
        return Decimal(self.call("GET", "v3/balance")[0]["balance"])

    def income(self, **more: Any) -> list[tuple[str, Decimal]]:
        """Kind and amount of each income."""
        rows = self.call("GET", "v1/income", limit=1000, **more)
        return [(row["incomeType"], Decimal(row["income"])) for row in rows]


def refused(code: int) -> Any:
    """Expect a refusal with a code."""
    return pytest.raises(ApiError, match=rf"^{code}: ")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _brief(event: dict[str, Any]) -> tuple[str, ...]:
    body = event.get("o")
    match event["e"]:
        case "ORDER_TRADE_UPDATE" if body:
            return ("ORDER", body["x"], body["X"])
        case "ALGO_UPDATE" if body:
            return ("ALGO", body["X"])
        case "ACCOUNT_UPDATE":
            return ("ACCOUNT", event["a"]["m"])
        case kind:
            return (kind,)
