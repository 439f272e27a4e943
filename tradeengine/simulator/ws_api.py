"""The WebSocket trading API: requests and answers over one socket."""

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from tradeengine.simulator import errors
from tradeengine.simulator.call import Call, ws_call
from tradeengine.simulator.endpoints import Endpoint, Security
from tradeengine.simulator.errors import ApiError
from tradeengine.simulator.exchange import Exchange
from tradeengine.simulator.gateway import Answer, Cut, Gateway
from tradeengine.simulator.http import respond
from tradeengine.simulator.params import Params
from tradeengine.simulator.sockets import ClientSocket
from tradeengine.simulator.streams import maintain, meet_control_frame
from tradeengine.simulator.wire import to_json

_HANDSHAKE_WEIGHT = 5


class WsApi:
    """All sockets of the WebSocket API.

    Parameters
    ----------
    gateway
        Where requests are answered.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._sockets: dict[ClientSocket, None] = {}

    async def serve(self, request: web.BaseRequest, query: str) -> web.StreamResponse:
        """Serve one socket until it ends."""
        world = self._gateway.world
        now_ms = world.tick()
        try:
            world.limits.check_ban(request.remote or "", now_ms)
            world.limits.spend(request.remote or "", _HANDSHAKE_WEIGHT, now_ms)
        except ApiError as error:
            return await respond(request, Answer(error.status, error.document()), {**error.headers})
        socket = ClientSocket(request, now_ms, world.options.stream_buffer)
        await socket.ws.prepare(request)
        self._sockets[socket] = None
        session = _Session(
            self._gateway, socket, shows_limits=dict(parse_qsl(query)).get("returnRateLimits") != "false"
        )
        writer = asyncio.create_task(socket.run())
        try:
            await session.read()
        finally:
            del self._sockets[socket]
            for task in (writer, *session.tasks):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        return socket.ws

    def maintain(self, now_ms: int) -> None:
        """Ping, and close what is too old or does not answer."""
        for socket in list(self._sockets):
            maintain(socket, self._gateway.world, now_ms)

    def cut(self) -> None:
        """Cut all connections."""
        for socket in list(self._sockets):
            socket.cut()


class _Session:
    """One socket at work."""

    def __init__(self, gateway: Gateway, socket: ClientSocket, *, shows_limits: bool) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._gateway = gateway
        self._socket = socket
        self._shows_limits = shows_limits
        self._own = {
            "session.status": Endpoint(Security.NONE, lambda params: 2, self._status),
            "session.logout": Endpoint(Security.NONE, lambda params: 2, self._status),
            "session.logon": Endpoint(Security.NONE, lambda params: 2, _refuse_logon),
        }

    async def read(self) -> None:
        async for message in self._socket.ws:
            if not meet_control_frame(self._socket, message):
                # One that is held back must not hold those behind it.
                task = asyncio.create_task(self._answer(message.data))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

    async def _answer(self, text: str | bytes) -> None:
        try:
            document = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._refuse(None, "Invalid JSON.")
            return
        if not isinstance(document, dict) or not isinstance(document.get("method"), str):
            self._refuse(None, "A request is an object with id, method and params.")
            return
        params = document.get("params", {})
        if not isinstance(params, dict):
            self._refuse(document.get("id"), "params must be an object.")
            return
        shows_limits = self._shows_limits
        if "returnRateLimits" in params:
            shows_limits = params["returnRateLimits"] not in (False, "false")
        call = ws_call(document["method"], params, ip=self._socket.ip)
        answer = await self._gateway.answer(call, self._own.get(call.method))
        self._send(document.get("id"), call, answer, shows_limits=shows_limits)

    def _send(self, number: Any, call: Call, answer: Answer, *, shows_limits: bool) -> None:
        if answer.cut is Cut.WHOLE:
            self._socket.cut()
            return
        message: dict[str, Any] = {"id": number, "status": answer.status}
        if answer.status == 200:
            message["result"] = answer.document
        elif isinstance(answer.document, str):
            message["error"] = {"code": -1000, "msg": "Service Unavailable."}
        else:
            message["error"] = answer.document
        if shows_limits:
            world = self._gateway.world
            message["rateLimits"] = world.limits.usage(call.ip, world.clock.now_ms(), orders=answer.orders)
        body = to_json(message)
        if answer.cut is Cut.HALF:
            self._socket.send(body[: len(body) // 2])
            self._socket.hang_up()
        else:
            self._socket.send(body)

    def _refuse(self, number: Any, message: str) -> None:
        self._socket.send(to_json({"id": number, "status": 400, "error": {"code": -1100, "msg": message}}))

    def _status(self, exchange: Exchange, params: Params) -> dict[str, Any]:
        return {
            "apiKey": None,
            "authorizedSince": None,
            "connectedSince": self._socket.opened_ms,
            "returnRateLimits": self._shows_limits,
            "serverTime": self._gateway.world.clock.now_ms(),
        }


def _refuse_logon(exchange: Exchange, params: Params) -> Any:
    """Only Ed25519 keys log on (Binance docs, WebSocket API General Info); these are HMAC keys."""
    raise errors.ApiError(-1020, "This operation is not supported.")
