"""The account's feed against a real simulator, over real sockets, through the real client library."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp

from contracts.enums import OrderStatus
from shared.clock import SystemClock
from tests.support.deadline import PATIENCE_S, Deadline
from tests.venue.binance.liar import Lie, liar
from tradeengine.domain.inputs import FillReported, OrderReported
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.simulator.server import SimulatorServer
from tradeengine.venue.base import Report
from tradeengine.venue.binance.addresses import Addresses, AddressKind
from tradeengine.venue.binance.budget import Budget, Limits
from tradeengine.venue.binance.client import BinanceClient
from tradeengine.venue.binance.endpoints import PLACE, PLACE_ALGO, Endpoint
from tradeengine.venue.binance.events import Notice
from tradeengine.venue.binance.feed import AccountFeed
from tradeengine.venue.binance.rest import RestCaller
from tradeengine.venue.binance.user_stream import UserPatience

T = TypeVar("T")
SYMBOLS = ("BTCUSDT", "ETHUSDT")
KEY = ("simulator-key", "simulator-secret")
QUICK = UserPatience(
    connect_s=20,
    heartbeat_s=6,
    first_pause_s=0.02,
    most_pause_s=0.2,
    start_s=20,
    keep_s=0.3,
    message_s=1,
    silence_s=1.5,
    look_s=0.02,
    first_retry_s=0.05,
    most_retry_s=0.2,
)
"""Waits of tests: short, and far longer than loopback takes, also where the machine stands still for a moment."""
UNLIMITED = Limits(10**9, 10**9, 10**9)
"""Budgets have tests of their own; here they would only make tests wait."""
_LOOK_S = 0.01


@dataclass
class Live:
    """A simulator, a feed that listens to it, and what it told."""

    server: SimulatorServer
    client: BinanceClient
    rest: RestCaller
    http: aiohttp.ClientSession
    told: list[Report] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    troubles: list[str | None] = field(default_factory=list)
    clock: SystemClock = field(default_factory=SystemClock)

    @asynccontextmanager
    async def lied_to(self, lies: dict[str, Lie]) -> AsyncIterator[AccountFeed]:
        """A feed that reads through a proxy which changes answers."""
        async with liar(self.server.url, lies) as url:
            client = BinanceClient(Addresses(url, self.server.ws_url, AddressKind.LOCAL), *KEY)
            try:
                yield AccountFeed(
                    RestCaller(client, Budget(self.clock, UNLIMITED), self.clock),
                    self.server.ws_url,
                    self.clock,
                    self.told.append,
                    symbols=lambda: SYMBOLS,
                    patience=QUICK,
                )
            finally:
                await client.close_connection()

    def feed(self, *, patience: UserPatience = QUICK, url: str = "", **changes: Any) -> AccountFeed:
        return AccountFeed(
            self.rest,
            url or self.server.ws_url,
            self.clock,
            self.told.append,
            symbols=lambda: SYMBOLS,
            on_notice=self.notices.append,
            patience=patience,
            **changes,
        )

    async def control(self, path: str, document: Any) -> Any:
        async with self.http.post(f"{self.server.url}/sim/{path}", json=document) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def fault(self, effect: Any, match: Mapping[str, Any] | None = None, **changes: Any) -> None:
        await self.control("faults", [{"match": match or {}, "effect": effect, **changes}])

    async def clear_faults(self) -> None:
        async with self.http.delete(f"{self.server.url}/sim/faults") as response:
            assert response.status == 200

    async def requests(self) -> list[dict[str, Any]]:
        async with self.http.get(f"{self.server.url}/sim/requests") as response:
            return list((await response.json())["requests"])

    async def trade(self, client_id: str, quantity: str = "0.010", side: str = "BUY", **params: str) -> dict[str, Any]:
        """An order that nobody told the feed of: a lost answer, or another process."""
        asked: dict[str, Any] = {
            "symbol": "BTCUSDT",
            "side": side,
            "positionSide": "LONG",
            "type": "MARKET",
            "quantity": quantity,
        }
        endpoint: Endpoint = PLACE
        if "triggerPrice" in params:
            asked |= {"algoType": "CONDITIONAL", "clientAlgoId": client_id, "workingType": "MARK_PRICE"}
            endpoint = PLACE_ALGO
        else:
            asked["newClientOrderId"] = client_id
        answer: dict[str, Any] = await self.rest.call(endpoint, **(asked | params))
        return answer

    async def send(self, feed: AccountFeed, order: ApprovedOrder, **params: str) -> None:
        """An order as the venue sends it."""
        feed.links.sent(order, self.clock.monotonic())
        if order.trigger_price is not None:
            params["triggerPrice"] = str(order.trigger_price)
        await self.trade(
            order.client_order_id, str(order.quantity), order.side, type=order.kind, symbol=order.symbol, **params
        )
        feed.events.expect(order)

    async def moment(self) -> None:
        """Let the exchange's clock go on: what came before is in another millisecond from now on."""
        now_ms = self.server.world.clock.now_ms()
        await self.until(lambda: self.server.world.clock.now_ms() > now_ms, "the next millisecond")

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        return asyncio.create_task(work)

    async def until_requested(self, path: str, since: int) -> None:
        """Wait until more than so many requests for a path have arrived."""
        deadline = Deadline(look_s=_LOOK_S)
        while await self.requested(path) <= since:
            assert not deadline.passed(), f"{path} was not asked for in {deadline}"
            await self.clock.sleep(_LOOK_S)

    async def requested(self, path: str) -> int:
        return sum(each["path"].endswith(path) for each in await self.requests())

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> None:
        """Wait for a condition, with a deadline."""
        deadline = Deadline(seconds, _LOOK_S)
        while not condition():
            assert not deadline.passed(), f"{what} did not come about in {deadline}; told {self.told[-5:]}"
            await self.clock.sleep(_LOOK_S)

    def fills(self) -> list[tuple[str, str, str]]:
        """Symbol, trade id and client order id of what was told."""
        return [
            (report.symbol, report.trade_id, report.client_order_id)
            for report in self.told
            if isinstance(report, FillReported)
        ]

    def ends(self) -> list[tuple[str, OrderStatus]]:
        return [
            (report.client_order_id, report.status)
            for report in self.told
            if isinstance(report, OrderReported) and report.status.terminal
        ]


@asynccontextmanager
async def live(**setup: Any) -> AsyncIterator[Live]:
    async with SimulatorServer() as server, aiohttp.ClientSession() as http:
        client = BinanceClient(Addresses(server.url, server.ws_url, AddressKind.LOCAL), *KEY)
        clock = SystemClock()
        rig = Live(server, client, RestCaller(client, Budget(clock, UNLIMITED), clock), http, clock=clock)
        try:
            setup["options"] = {"rate_limits": "off"} | setup.get("options", {})
            await rig.control("reset", setup)
            yield rig
        finally:
            await client.close_connection()
