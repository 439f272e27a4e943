"""A simulated exchange with a recorded past, served from a thread of its own while a test runs commands in its own."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx

from tests.support.deadline import PATIENCE_S
from tradeengine.simulator.exchange import Exchange
from tradeengine.simulator.prices import PricePath, PriceRow
from tradeengine.simulator.server import SimulatorServer

SYMBOL = "BTCUSDT"
START_MS = 1_767_225_600_000
"""2026-01-01T00:00Z, when the recorded past begins."""
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS

D = Decimal


def history(minutes: int, *, first: str = "50000.1", missing: Sequence[int] = ()) -> list[PriceRow]:
    """Bars of a minute each, all of them different."""
    base = D(first)
    rows = []
    for minute in range(minutes):
        opened = base + D(minute) / 10
        rows.append(
            PriceRow(START_MS + minute * MINUTE_MS, opened, opened + 7, opened - 5, opened + 1, D(minute) / 1000)
        )
    return [row for minute, row in enumerate(rows) if minute not in missing]


class Market:
    """The exchange, its addresses, and its control side."""

    def __init__(self, server: SimulatorServer) -> None:
        self.url = server.url
        self.ws_url = server.ws_url
        self._client = httpx.Client(base_url=server.url, timeout=PATIENCE_S, trust_env=False)

    def control(self, method: str, path: str, document: Any = None) -> Any:
        """Ask the control side for something, and insist that it is done."""
        answer = self._client.request(method, f"/sim/{path}", json=document)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def faults(self, *faults: dict[str, Any]) -> None:
        """Let things go wrong, in this order."""
        self.control("POST", "faults", list(faults))

    def no_faults(self) -> None:
        """Let nothing go wrong any more."""
        self.control("DELETE", "faults")

    def asked(self, path: str = "") -> list[dict[str, Any]]:
        """What the exchange was asked for on a path, or at all, oldest first."""
        return [entry for entry in self.control("GET", "requests")["requests"] if entry["path"].endswith(path)]

    def close(self) -> None:
        """Forget the connection."""
        self._client.close()


@contextmanager
def market(exchange: Exchange, *, virtual_time: bool = True, port: int = 0) -> Iterator[Market]:
    """Serve an exchange while the block runs."""
    loop = asyncio.new_event_loop()
    server = SimulatorServer(exchange, port, virtual_time)
    thread = threading.Thread(target=loop.run_forever, name="market", daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(20)
    made = Market(server)
    try:
        yield made
    finally:
        made.close()
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def recorded(minutes: int, **changes: Any) -> Exchange:
    """An exchange that has traded for so many minutes, and stands at their end."""
    exchange = Exchange(now_ms=START_MS)
    exchange.advance_to(START_MS + minutes * MINUTE_MS)
    exchange.take_events()
    exchange.play(PricePath(SYMBOL, tuple(history(minutes, **changes))))
    return exchange
