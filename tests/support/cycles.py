"""Strategies that open and close positions at the exchange over and over, while somebody beside them watches."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import aiohttp

from tests.support.deadline import PATIENCE_S
from tests.support.process import EngineProcess, signal_document
from tests.support.rig import Exchange

_ENDED = ("CANCELED", "EXPIRED", "FINISHED", "REJECTED")


class Leg(NamedTuple):
    """One exchange position, and the one strategy that holds it."""

    strategy: str
    symbol: str
    side: str
    quantity: str

    @property
    def place(self) -> tuple[str, str]:
        """Symbol and position side."""
        return self.symbol, self.side


LEGS = (
    Leg("longs", "BTCUSDT", "LONG", "0.01"),
    Leg("shorts", "BTCUSDT", "SHORT", "0.01"),
    Leg("ether-longs", "ETHUSDT", "LONG", "0.1"),
    Leg("ether-shorts", "ETHUSDT", "SHORT", "0.1"),
)


class Watch:
    """What is held and what rests at the exchange, by a user data stream of its own; asking would slow it down."""

    def __init__(self) -> None:
        self.held: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.resting: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._moved = asyncio.Event()

    async def listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Read the stream until it ends."""
        async for message in socket:
            self._read(json.loads(message.data))
            self._moved.set()

    async def until(self, condition: Callable[[], bool], what: str, log_tail: Callable[[], str]) -> None:
        """Wait until the exchange is as it should be."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while not condition():
            self._moved.clear()
            left = deadline - asyncio.get_running_loop().time()
            late = f"waited {PATIENCE_S} s for {what}; held {dict(self.held)}, resting {dict(self.resting)}"
            try:
                await asyncio.wait_for(self._moved.wait(), max(left, 0))
            except TimeoutError:
                raise AssertionError(f"{late}\n{log_tail()}") from None

    def _read(self, event: dict[str, Any]) -> None:
        if event["e"] == "ACCOUNT_UPDATE":
            for row in event["a"]["P"]:
                self.held[row["s"], row["ps"]] = Decimal(row["pa"])
        elif event["e"] == "ALGO_UPDATE":
            order = event["o"]
            resting = self.resting[order["s"], order["ps"]]
            if order["X"] == "NEW":
                resting.add(order["caid"])
            elif order["X"] in _ENDED:
                resting.discard(order["caid"])


@asynccontextmanager
async def watching(exchange: Exchange) -> AsyncIterator[Watch]:
    """Watch an exchange."""
    key = (await exchange.signed("POST", "/fapi/v1/listenKey"))["listenKey"]
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{exchange.ws_url}/ws/{key}") as socket:
        watch = Watch()
        listening = asyncio.create_task(watch.listen(socket))
        try:
            yield watch
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


class Cycles:
    """Opens and closes through the engine, and waits for what the exchange says of it."""

    def __init__(self, engine: EngineProcess, watch: Watch) -> None:
        self._engine = engine
        self._watch = watch

    async def open(self, leg: Leg, *, protected: bool = True) -> None:
        """Open a position; return when it is held, and when its stop and target rest if they are to be waited for."""
        await self._send(leg, "buy" if leg.side == "LONG" else "sell", quantity=leg.quantity)
        await self._until(lambda: bool(self._watch.held[leg.place]), f"a position of {leg}")
        if protected:
            await self._until(lambda: len(self._watch.resting[leg.place]) == 2, f"stop and target of {leg}")

    async def close(self, leg: Leg) -> None:
        """Close a position; return when nothing is held and nothing rests."""
        await self._send(leg, "close")
        watch = self._watch
        await self._until(lambda: not watch.held[leg.place] and not watch.resting[leg.place], f"the end of {leg}")

    async def run(self, legs: Sequence[Leg], count: int, *, hurried_every: int) -> None:
        """Open and close so often, the legs in turn.

        Parameters
        ----------
        hurried_every
            Every so many cycles of a leg the position is closed as soon as it is held, while its stop and target are
            still on their way.
        """
        for number in range(count):
            turn, place = divmod(number, len(legs))
            await self.open(legs[place], protected=turn % hurried_every > 0)
            await self.close(legs[place])

    async def _send(self, leg: Leg, action: str, **fields: str) -> None:
        await self._engine.accept(signal_document(action, leg.strategy, symbol=leg.symbol, **fields))

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        await self._watch.until(condition, what, self._engine.log_tail)


async def resting_orders(exchange: Exchange) -> list[dict[str, Any]]:
    """Conditional orders of the account that rest, as the exchange lists them."""
    rows: list[dict[str, Any]] = await exchange.signed("GET", "/fapi/v1/openAlgoOrders")
    return rows


async def open_positions(exchange: Exchange) -> list[tuple[str, str]]:
    """Symbol and side of the positions that are held, as the exchange lists them."""
    rows = await exchange.signed("GET", "/fapi/v2/positionRisk")
    return [(row["symbol"], row["positionSide"]) for row in rows if Decimal(row["positionAmt"])]
