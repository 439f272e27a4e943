"""Short makers of orders and bars, and a book to put them in."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import count
from typing import Any

from contracts.enums import OrderKind, OrderPurpose, OrderStatus, PositionSide, Side
from tradeengine.domain.inputs import FillReported, OrderReported
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.base import Report
from tradeengine.venue.paper.bar import Bar
from tradeengine.venue.paper.book import PaperBook

SYMBOL = "BTCUSDT"
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
_numbers = count(1)


def D(text: str | int) -> Decimal:  # noqa: N802 - as short as the literal it stands for
    return Decimal(text)


def book(**changes: Any) -> PaperBook:
    terms: dict[str, Any] = {"maker_fee": D("0.0002"), "taker_fee": D("0.0005"), "slippage_bps": D(0)}
    return PaperBook(**(terms | changes))


def held(quantity: str, side: PositionSide = LONG, **changes: Any) -> PaperBook:
    """A book whose leg holds something from the start."""
    made = book(**changes)
    made.restore([], {(SYMBOL, side): D(quantity)})
    return made


def order(
    kind: OrderKind,
    quantity: str = "1",
    *,
    side: PositionSide = LONG,
    purpose: OrderPurpose = OrderPurpose.OPEN,
    price: str | None = None,
    trigger: str | None = None,
    **changes: Any,
) -> ApprovedOrder:
    fields: dict[str, Any] = {
        "client_order_id": f"order-{next(_numbers)}",
        "strategy_id": "alpha",
        "signal_id": "signal",
        "symbol": SYMBOL,
        "side": side.opening if purpose.opening else side.closing,
        "position_side": side,
        "purpose": purpose,
        "kind": kind,
        "quantity": D(quantity),
        "price": None if price is None else D(price),
        "trigger_price": None if trigger is None else D(trigger),
    }
    return ApprovedOrder(**(fields | changes))


def market(quantity: str = "1", side: PositionSide = LONG, **changes: Any) -> ApprovedOrder:
    return order(OrderKind.MARKET, quantity, side=side, **changes)


def close(quantity: str = "1", side: PositionSide = LONG, **changes: Any) -> ApprovedOrder:
    return order(OrderKind.MARKET, quantity, side=side, purpose=OrderPurpose.CLOSE, **changes)


def limit(price: str, quantity: str = "1", side: PositionSide = LONG, **changes: Any) -> ApprovedOrder:
    return order(OrderKind.LIMIT, quantity, side=side, price=price, **changes)


def stop(trigger: str, quantity: str = "1", side: PositionSide = LONG, **changes: Any) -> ApprovedOrder:
    purpose = OrderPurpose.STOP_LOSS
    return order(OrderKind.STOP_MARKET, quantity, side=side, purpose=purpose, trigger=trigger, **changes)


def target(trigger: str, quantity: str = "1", side: PositionSide = LONG, **changes: Any) -> ApprovedOrder:
    purpose = OrderPurpose.TAKE_PROFIT
    return order(OrderKind.TAKE_PROFIT_MARKET, quantity, side=side, purpose=purpose, trigger=trigger, **changes)


def trailing(
    callback: str, quantity: str = "1", side: PositionSide = LONG, *, activation: str | None = None, **changes: Any
) -> ApprovedOrder:
    fields: dict[str, Any] = {"purpose": OrderPurpose.STOP_LOSS, "callback_pct": D(callback), "trigger": activation}
    return order(OrderKind.TRAILING_STOP_MARKET, quantity, side=side, **(fields | changes))


def bar(time_ms: int, opened: str, high: str, low: str, closed: str | None = None) -> Bar:
    return Bar(time_ms, D(opened), D(high), D(low), D(closed or opened))


def play(made: PaperBook, *bars: Bar, symbol: str = SYMBOL) -> list[Report]:
    """Play bars to an engine that answers nothing."""
    reports: list[Report] = []
    for each in bars:
        made.start_bar(symbol, each)
        while step := made.next_execution(symbol):
            reports += step
    return reports


def fills(reports: Iterable[Report]) -> list[FillReported]:
    return [report for report in reports if isinstance(report, FillReported)]


def prices(reports: Iterable[Report]) -> list[Decimal]:
    return [fill.price for fill in fills(reports)]


def executed(reports: Iterable[Report]) -> list[tuple[str, Decimal]]:
    """Who was filled, and at which price."""
    return [(fill.client_order_id, fill.price) for fill in fills(reports)]


def statuses(reports: Iterable[Report]) -> list[OrderStatus]:
    return [report.status for report in reports if isinstance(report, OrderReported)]


def only_fill(reports: Iterable[Report]) -> FillReported:
    (fill,) = fills(reports)
    return fill


OPEN, FILLED = OrderStatus.OPEN, OrderStatus.FILLED
EXPIRED, CANCELLED = OrderStatus.EXPIRED, OrderStatus.CANCELLED
BUY, SELL = Side.BUY, Side.SELL
