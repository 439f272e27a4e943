"""Positions and the orders that protect them, as a simulated exchange holds them and as the engine tells them."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tests.support.deadline import PATIENCE_S
from tests.support.process import signal_document
from tests.support.rig import LONG_WINDOW_MS, Exchange, Rig

ALGO_ORDER = "/fapi/v1/algoOrder"
ORDER = "/fapi/v1/order"
OPEN_ALGO_ORDERS = "/fapi/v1/openAlgoOrders"
POSITIONS = "/fapi/v3/positionRisk"
STOP, TARGET = "STOP_MARKET", "TAKE_PROFIT_MARKET"
QUICK: dict[str, Any] = {"RECONCILE_INTERVAL_SECONDS": "1", "ALLOWED_SYMBOLS": "BTCUSDT"}
"""Settings of an engine that looks at the exchange every second; of more symbols it may look less often."""

REFUSED = {"status": 400, "code": -2010, "msg": "NEW_ORDER_REJECTED"}
UNAVAILABLE = {"status": 503, "code": -1008, "msg": "Request throttled by system-level protection."}
"""Not executed, and to be tried again."""

Orders = list[dict[str, Any]]


async def opened(
    made: Rig,
    action: str = "buy",
    strategy: str = "A",
    *,
    orders: int = 2,
    symbol: str = "BTCUSDT",
    seconds: float = PATIENCE_S,
    **fields: Any,
) -> Orders:
    """Open a position and wait until so many more conditional orders rest, and so long at most; all of the symbol."""
    before = len(await made.exchange.stops(symbol))
    given = {"quantity": "0.01" if symbol == "BTCUSDT" else "0.1", **fields}
    await made.engine.accept(signal_document(action, strategy, symbol=symbol, **given))
    return await resting(made, before + orders, symbol, seconds)


async def resting(made: Rig, count: int, symbol: str = "BTCUSDT", seconds: float = PATIENCE_S) -> Orders:
    """Wait until so many conditional orders of a symbol rest; those orders."""
    found: Orders = []

    async def fits() -> bool:
        nonlocal found
        found = await made.exchange.stops(symbol)
        return len(found) == count

    await made.until(fits, f"{count} conditional orders of {symbol}", seconds)
    return found


async def flat(made: Rig, symbol: str = "BTCUSDT", side: str = "LONG", seconds: float = PATIENCE_S) -> None:
    """Wait until the exchange holds nothing of a leg, and no conditional order for it rests."""

    async def fits() -> bool:
        return not await made.exchange.held(symbol, side) and not of(await made.exchange.stops(symbol), side=side)

    await made.until(fits, f"{symbol} {side} to be flat, without orders", seconds)


async def closed(made: Rig, strategy: str = "A", seconds: float = PATIENCE_S) -> dict[str, Any]:
    """Wait until the engine books a strategy's only position as closed; its row."""
    (row,) = await made.engine.until_rows(
        "/strategy-positions",
        lambda rows: [row["status"] for row in rows] == ["closed"],
        strategy_id=strategy,
        seconds=seconds,
    )
    return row


def of(orders: Iterable[dict[str, Any]], kind: str | None = None, side: str | None = None) -> Orders:
    """Conditional orders of a type and a position side."""
    return [order for order in orders if kind in (None, order["orderType"]) and side in (None, order["positionSide"])]


def one(orders: Iterable[dict[str, Any]], kind: str = STOP, side: str | None = None) -> dict[str, Any]:
    """The only conditional order of a type and a position side."""
    (found,) = of(orders, kind, side)
    return found


def trigger(order: dict[str, Any]) -> Decimal:
    """Trigger price of a conditional order."""
    return Decimal(order["triggerPrice"])


async def placed(exchange: Exchange, kind: str | None = None) -> Orders:
    """Requests for conditional orders, of a type, that the exchange received."""
    asked = await exchange.requests("POST", ALGO_ORDER)
    return [row for row in asked if kind in (None, row["parameters"]["type"])]


async def changes(exchange: Exchange) -> Orders:
    """Requests that place, change or cancel orders."""
    asked = await exchange.requests(path="/fapi/v1/")
    return [row for row in asked if row["method"] != "GET" and row["path"].lower().endswith(("order", "orders"))]


async def looks(made: Rig, count: int = 1, symbol: str = "BTCUSDT") -> None:
    """Wait until the engine has looked at what rests at the exchange so many times more, and has taken it in."""

    async def seen() -> int:
        asked = await made.exchange.requests("GET", OPEN_ALGO_ORDERS)
        # The tests' own look asks with another window.
        return sum(
            row["parameters"].get("recvwindow") != str(LONG_WINDOW_MS)
            and row["parameters"].get("symbol", symbol) == symbol
            for row in asked
        )

    # The one after the last begins when the last is taken in.
    wanted = await seen() + count + 1

    async def enough() -> bool:
        return await seen() >= wanted

    await made.until(enough, f"{count} looks at {symbol}")
    await made.engine.until_projected()


async def alerts(made: Rig, name: str, severity: str = "critical") -> float:
    """How often an alert was told."""
    return await made.engine.metric("tradeengine_alerts_total", name=name, severity=severity)


async def cancel_by_hand(exchange: Exchange, order: dict[str, Any]) -> None:
    """Cancel a conditional order as a person at the exchange does."""
    answer = await exchange.signed("DELETE", ALGO_ORDER, algoId=order["algoId"])
    assert answer["code"] == "200", answer


async def traded_by_hand(exchange: Exchange, side: str, quantity: str, leg: str, symbol: str = "BTCUSDT") -> None:
    """Trade at market as a person at the exchange does."""
    terms = {"symbol": symbol, "side": side, "positionSide": leg, "type": "MARKET", "quantity": quantity}
    answer = await exchange.signed("POST", ORDER, **terms)
    assert "orderId" in answer, answer
