"""The whole venue against a real simulator, over real sockets, through the real client library."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from contracts.enums import OrderStatus
from shared.clock import SystemClock
from shared.settings import Settings
from tests.venue.binance.live import Live, live
from tradeengine.domain.inputs import FillReported, OrderReported
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.base import Report
from tradeengine.venue.binance.build import trading_terms
from tradeengine.venue.binance.venue import BinanceVenue

ROOMY = {"weight_1m": 10**9, "orders_10s": 10**9, "orders_1m": 10**9}
"""Limits that no test reaches."""


@dataclass
class Rig:
    """A simulator, and a venue that is not open yet; what it tells is kept."""

    sim: Live
    venue: BinanceVenue
    told: list[Report]

    async def open(self) -> "Rig":
        await self.venue.open(self.told.append)
        return self

    def of(self, order: ApprovedOrder) -> list[Report]:
        """What was told about an order."""
        return [
            report
            for report in self.told
            if isinstance(report, OrderReported | FillReported) and report.client_order_id == order.client_order_id
        ]

    def statuses(self, order: ApprovedOrder) -> list[OrderStatus]:
        return [report.status for report in self.of(order) if isinstance(report, OrderReported)]

    def filled(self, order: ApprovedOrder) -> Decimal:
        """Quantity of the fills that were told, each trade once."""
        fills = {report.trade_id: report.quantity for report in self.of(order) if isinstance(report, FillReported)}
        return sum(fills.values(), Decimal(0))

    async def until_ended(self, order: ApprovedOrder) -> None:
        await self.sim.until(lambda: any(status.terminal for status in self.statuses(order)), "the order's end")

    async def until_filled(self, order: ApprovedOrder) -> None:
        await self.sim.until(lambda: self.filled(order) == order.quantity, "the order's fill")

    async def mark(self, price: str, symbol: str = "BTCUSDT") -> None:
        await self.sim.control("mark", {"symbol": symbol, "price": price})

    async def state(self) -> dict[str, Any]:
        async with self.sim.http.get(f"{self.sim.server.url}/sim/state") as response:
            document: dict[str, Any] = await response.json()
            return document


def settings(url: str, **changes: str) -> Settings:
    return Settings.load(
        {
            "TRADING_MODE": "testnet",
            "BINANCE_API_KEY": "simulator-key",
            "BINANCE_API_SECRET": "simulator-secret",
            "BINANCE_FUTURES_BASE_URL": url,
            "ALLOWED_SYMBOLS": "BTCUSDT,ETHUSDT",
            "STOP_LOSS_PCT": "0.02",
        }
        | changes
    )


@asynccontextmanager
async def rig(*, settle_s: float = 0.5, env: dict[str, str] | None = None, **setup: Any) -> AsyncIterator[Rig]:
    """A rig whose simulator was set up so; ``settle_s`` is short because loopback is quick."""
    setup["options"] = ROOMY | setup.get("options", {})
    async with live(**setup) as sim:
        terms = trading_terms(settings(sim.server.url, **(env or {})))
        made = Rig(sim, BinanceVenue(replace(terms, settle_s=settle_s), SystemClock()), [])
        try:
            yield made
        finally:
            await made.venue.close()
