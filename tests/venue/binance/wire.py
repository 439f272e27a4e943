"""A real server that answers whatever a test wants, and the venue's client of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from shared.clock import SystemClock
from tradeengine.venue.binance.addresses import Addresses, AddressKind
from tradeengine.venue.binance.budget import Budget
from tradeengine.venue.binance.client import BinanceClient, Fence
from tradeengine.venue.binance.rest import RestCaller

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Wire:
    """A real server that answers as told, and a client of it."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.budget = Budget(self.clock)
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.handler: Handler = answering({})
        self.server_ahead_ms = 0
        self.url = ""
        self._closing: list[Callable[[], Awaitable[None]]] = []

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        self.url = f"http://{host}:{port}"
        self._closing.append(runner.cleanup)

    def rest(self, *, fence: Fence | None = None, url: str | None = None) -> RestCaller:
        addresses = Addresses(url or self.url, "ws://unused", AddressKind.LOCAL)
        client = BinanceClient(addresses, "key", "secret", recv_window_ms=2_000, fence=fence)
        self._closing.append(client.close_connection)
        return RestCaller(client, self.budget, self.clock)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = dict(parse_qsl((await request.text()) or request.query_string, keep_blank_values=True))
        self.requests.append((request.method, request.path, body))
        if request.path == "/fapi/v1/time":
            return web.json_response({"serverTime": self.clock.now_ms() + self.server_ahead_ms})
        return await self.handler(request)

    async def close(self) -> None:
        for close in reversed(self._closing):
            await close()


def answering(document: Any, status: int = 200, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(document, str):
            return web.Response(text=document, status=status, headers=named, content_type="text/html")
        return web.json_response(document, status=status, headers=named)

    return answer


@asynccontextmanager
async def serving() -> AsyncIterator[Wire]:
    made = Wire()
    await made.start()
    try:
        yield made
    finally:
        await made.close()
