"""The least that anything must do that protects what it opens: hear of the fill, store it durably, send the stop.

It knows one strategy, decides nothing, sizes nothing, and finds nothing again after a crash.
"""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from time import perf_counter_ns
from typing import Any, NamedTuple

import aiohttp

from shared.collector import calm_collector
from tests.benchmarks.bare_client import BareClient, market_order
from tests.support.cycles import LEGS, Leg

_ORDER, _ALGO = "/fapi/v1/order", "/fapi/v1/algoOrder"
_OPENING, _CLOSING = {"LONG": "BUY", "SHORT": "SELL"}, {"LONG": "SELL", "SHORT": "BUY"}
_DISTANCES = {"STOP_MARKET": Decimal("-0.02"), "TAKE_PROFIT_MARKET": Decimal("0.04")}
_PRICES = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(3_000)}
_SIGNS = {"LONG": 1, "SHORT": -1}


class Bare(NamedTuple):
    """What the loop found.

    Parameters
    ----------
    cycles_ns
        Of all cycles together, nanoseconds.
    stored_ns
        Of each durable insert, nanoseconds.
    """

    cycles_ns: int
    stored_ns: list[int]


def work(url: str, folder: Path, count: int, hurried_every: int) -> Bare:
    """Open and close so often, as :meth:`tests.support.cycles.Cycles.run` does, and leave each leg open in the end."""
    return asyncio.run(_work(url, folder / "bare.db", count, hurried_every))


async def _work(url: str, path: Path, count: int, hurried_every: int) -> Bare:
    with ThreadPoolExecutor(1) as thread:
        store = await asyncio.get_running_loop().run_in_executor(thread, _open_store, path)
        async with _connected(url) as (client, stream):
            loop = _Loop(client, stream, thread, store)
            calm_collector()
            begun = perf_counter_ns()
            for number in range(count):
                turn, place = divmod(number, len(LEGS))
                await loop.cycle(LEGS[place], protected=turn % hurried_every > 0)
            took = perf_counter_ns() - begun
            for leg in LEGS:
                await loop.open(leg)
        await asyncio.get_running_loop().run_in_executor(thread, store.close)
    return Bare(took, loop.stored_ns)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[tuple[BareClient, aiohttp.ClientWebSocketResponse]]:
    async with aiohttp.ClientSession() as session:
        client = BareClient(session, url)
        key = (await client.ask("POST", "/fapi/v1/listenKey", {}))["listenKey"]
        async with session.ws_connect(f"{url}/ws/{key}") as stream:
            yield client, stream


class _Loop:
    def __init__(
        self,
        client: BareClient,
        stream: aiohttp.ClientWebSocketResponse,
        thread: ThreadPoolExecutor,
        store: sqlite3.Connection,
    ) -> None:
        self._client = client
        self._stream = stream
        self._thread = thread
        self._store = store
        self._sent = 0
        self.stored_ns: list[int] = []

    async def cycle(self, leg: Leg, *, protected: bool) -> None:
        resting = await self.open(leg, protected=protected)
        await self._trade(leg, _CLOSING[leg.side])
        for client_id in resting:
            await self._client.ask("DELETE", _ALGO, {"clientAlgoId": client_id})

    async def open(self, leg: Leg, *, protected: bool = True) -> list[str]:
        """Open a position and protect it; the client ids of what rests."""
        await self._trade(leg, _OPENING[leg.side])
        return [await self._rest(leg, kind) for kind in _DISTANCES] if protected else []

    async def _trade(self, leg: Leg, side: str) -> None:
        order = market_order(self._next_id(), side, leg.side, leg.symbol) | {"quantity": leg.quantity}
        await self._client.ask("POST", _ORDER, order)
        fill = await self._fill_of(order["newClientOrderId"])
        begun = perf_counter_ns()
        await asyncio.get_running_loop().run_in_executor(self._thread, _insert, self._store, fill)
        self.stored_ns.append(perf_counter_ns() - begun)

    async def _fill_of(self, client_id: str) -> str:
        async for message in self._stream:
            event: dict[str, Any] = json.loads(message.data)
            if event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["x"] == "TRADE" and event["o"]["c"] == client_id:
                return str(message.data)
        raise RuntimeError(f"the user data stream ended before the fill of {client_id}")

    async def _rest(self, leg: Leg, kind: str) -> str:
        trigger = _PRICES[leg.symbol] * (1 + _SIGNS[leg.side] * _DISTANCES[kind])
        order = {
            "algoType": "CONDITIONAL",
            "symbol": leg.symbol,
            "side": _CLOSING[leg.side],
            "positionSide": leg.side,
            "type": kind,
            "quantity": leg.quantity,
            "triggerPrice": f"{trigger:.1f}",
            "workingType": "MARK_PRICE",
            "clientAlgoId": self._next_id(),
        }
        await self._client.ask("POST", _ALGO, order)
        return order["clientAlgoId"]

    def _next_id(self) -> str:
        self._sent += 1
        return f"bare-{self._sent}"


def _open_store(path: Path) -> sqlite3.Connection:
    store = sqlite3.connect(path, isolation_level=None)
    store.execute("PRAGMA journal_mode=WAL")
    store.execute("PRAGMA synchronous=FULL")
    store.execute("CREATE TABLE fills (number INTEGER PRIMARY KEY, payload TEXT NOT NULL)")
    return store


def _insert(store: sqlite3.Connection, fill: str) -> None:
    store.execute("INSERT INTO fills (payload) VALUES (?)", (fill,))
