"""Makers of what the tests of the Binance venue need."""

from typing import Any

from contracts.enums import OrderKind, OrderPurpose, PositionSide
from tests.venue.paper.makers import LONG, D, order
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import ApprovedOrder

BTC = Instrument(
    symbol="BTCUSDT",
    tick_size=D("0.10"),
    step_size=D("0.001"),
    min_quantity=D("0.001"),
    max_quantity=D(1000),
    market_min_quantity=D("0.001"),
    market_max_quantity=D(120),
    min_notional=D(100),
    min_price=D(500),
    max_price=D(4_000_000),
    percent_up=D("1.05"),
    percent_down=D("0.95"),
)
MARK = D(50_000)


def entry(kind: OrderKind = OrderKind.MARKET, quantity: str = "0.010", **changes: Any) -> ApprovedOrder:
    return order(kind, quantity, **changes)


def exit_(
    kind: OrderKind = OrderKind.MARKET,
    quantity: str = "0.010",
    side: PositionSide = LONG,
    purpose: OrderPurpose = OrderPurpose.CLOSE,
    **changes: Any,
) -> ApprovedOrder:
    return order(kind, quantity, side=side, purpose=purpose, **changes)


def stop_of(trigger: str = "49000", side: PositionSide = LONG, **changes: Any) -> ApprovedOrder:
    return exit_(OrderKind.STOP_MARKET, side=side, purpose=OrderPurpose.STOP_LOSS, trigger=trigger, **changes)
