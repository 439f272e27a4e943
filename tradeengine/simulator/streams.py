"""Stream WebSockets: addresses of both forms, subscriptions, pings and the end after a day."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec
from aiohttp import WSMessage, WSMsgType, web

from tradeengine.simulator.call import http_call
from tradeengine.simulator.clock import hold
from tradeengine.simulator.gateway import Answer
from tradeengine.simulator.http import cut, respond
from tradeengine.simulator.hub import Listener
from tradeengine.simulator.market_streams import present_mark
from tradeengine.simulator.sockets import GOING_AWAY, POLICY_VIOLATION, ClientSocket
from tradeengine.simulator.wire import to_json
from tradeengine.simulator.world import World

_CATEGORIES = ("public", "market", "private")
_MAX_STREAMS = 1024


class StreamAddress(NamedTuple):
    """What an address asks for.

    Parameters
    ----------
    category
        ``public``, ``market``, ``private`` or empty.
    wrapped
        Whether messages name their stream.
    streams
        Listened to from the start.
    """

    category: str
    wrapped: bool
    streams: tuple[str, ...]


def parse_address(path: str, query: str) -> StreamAddress | None:
    """Read the address of a stream, ``None`` if it is none.

    ``/ws``, ``/ws/<stream>[/<stream>…]`` and ``/stream?streams=<stream>/…``, alone or below ``/public``, ``/market``
    and ``/private``; the user data stream also by ``?listenKey=`` (Binance docs, WebSocket Market Streams and User
    Data Streams).
    """
    parts = [unquote(part) for part in path.split("/") if part]
    category = parts.pop(0) if parts and parts[0] in _CATEGORIES else ""
    if not parts or parts[0] not in ("ws", "stream"):
        return None
    form, *streams = parts
    for name, value in parse_qsl(query):
        if name == "streams":
            streams += [stream for stream in value.split("/") if stream]
        elif name == "listenKey":
            streams.append(value)
    return StreamAddress(category, form == "stream", tuple(dict.fromkeys(streams)))


class Streams:
    """All stream sockets of a server.

    Parameters
    ----------
    world
        What is streamed.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def serve(
        self, request: web.BaseRequest, address: StreamAddress, path: str, query: str
    ) -> web.StreamResponse:
        """Serve one socket until it ends."""
        refused = await self._meet_faults(request, path, query)
        if refused is not None:
            return refused
        options = self._world.options
        socket = ClientSocket(request, self._world.clock.now_ms(), options.stream_buffer)
        await socket.ws.prepare(request)
        listener = Listener(socket, address.category, wrapped=address.wrapped)
        hub = self._world.hub
        hub.join(listener)
        for stream in address.streams:
            hub.subscribe(listener, stream)
        self._greet(listener, address.streams)
        writer = asyncio.create_task(socket.run())
        try:
            await self._read(listener)
        finally:
            hub.leave(listener)
            await _end(writer)
        return socket.ws

    def maintain(self, now_ms: int) -> None:
        """Ping, and close what is too old or does not answer."""
        for listener in self._world.hub:
            maintain(listener.socket, self._world, now_ms)

    async def _meet_faults(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse | None:
        """Let happen what is to go wrong with a handshake."""
        call = http_call("GET", path, ip=request.remote or "", key=None, query=query, body="")
        entry = self._world.log.open(call, self._world.tick())
        for fault in self._world.faults.for_call(call):
            entry.faults.append(fault.effect.kind)
            effect = fault.effect
            if effect.delay_ms is not None:
                await hold(effect.delay_ms)
            elif effect.status is not None or effect.html_503:
                entry.status = effect.status or 503
                return await respond(request, Answer(entry.status, {"code": effect.code, "msg": effect.msg}), {})
            elif effect.drop_connection:
                return cut(request)
            else:
                self._world.happen(fault, call.ip)
        entry.status = 101
        return None

    async def _read(self, listener: Listener) -> None:
        loop = asyncio.get_running_loop()
        second, count = 0, 0
        async for message in listener.socket.ws:
            if not meet_control_frame(listener.socket, message):
                if int(loop.time()) != second:
                    second, count = int(loop.time()), 0
                count += 1
                if count > self._world.options.stream_messages_per_s:
                    listener.socket.close(POLICY_VIOLATION, "Too many requests")
                else:
                    known = set(listener.streams)
                    listener.socket.send(to_json(self._command(listener, message.data)))
                    self._greet(listener, [stream for stream in listener.streams if stream not in known])

    def _greet(self, listener: Listener, streams: Iterable[str]) -> None:
        """Tell who begins to listen to mark prices the present ones."""
        world = self._world
        if not world.options.first_mark_at_once:
            return
        for stream in streams:
            payload = present_mark(stream, world.exchange.state.contracts.values(), world.exchange.now_ms)
            if payload is not None:
                world.hub.send(listener, stream, payload)

    def _command(self, listener: Listener, text: str | bytes) -> dict[str, Any]:
        """Do what a client says, and answer it (Binance docs, Live Subscribing/Unsubscribing to streams)."""
        try:
            document = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _invalid(3, f"Invalid JSON: {error}", None)
        if not isinstance(document, dict):
            return _invalid(2, "Invalid request: request must be a JSON object", None)
        number, method, params = document.get("id"), document.get("method"), document.get("params", [])
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": list(listener.streams), "id": number}
        if method == "SET_PROPERTY" and isinstance(params, list) and len(params) == 2 and params[0] == "combined":
            listener.wrapped = bool(params[1])
            return {"result": None, "id": number}
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return _invalid(2, f"Invalid request: unknown method {method}", number)
        if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
            return _invalid(2, "Invalid request: params must be an array of stream names", number)
        if method == "SUBSCRIBE" and len({*listener.streams, *params}) > _MAX_STREAMS:
            return _invalid(4, f"Too many streams: at most {_MAX_STREAMS}", number)
        change = self._world.hub.subscribe if method == "SUBSCRIBE" else self._world.hub.unsubscribe
        for name in params:
            change(listener, name)
        return {"result": None, "id": number}


def maintain(socket: ClientSocket, world: World, now_ms: int) -> None:
    """Ping a socket when it is time, and close one that is too old or has not answered."""
    options = world.options
    if now_ms - socket.opened_ms >= options.connection_life_ms:
        socket.close(GOING_AWAY, "connection life is over")
    elif socket.silence_ms >= options.pong_timeout_ms:
        socket.close(POLICY_VIOLATION, "Pong timeout")
    elif now_ms - socket.pinged_ms >= options.ping_interval_ms:
        socket.ping(now_ms)


def meet_control_frame(socket: ClientSocket, message: WSMessage) -> bool:
    """Answer a ping and note a pong; whether the message was one of them."""
    if message.type is WSMsgType.PING:
        socket.pong(message.data)
    elif message.type is WSMsgType.PONG:
        socket.note_pong()
    else:
        return False
    return True


async def _end(writer: "asyncio.Task[None]") -> None:
    writer.cancel()
    with suppress(asyncio.CancelledError):
        await writer


def _invalid(code: int, message: str, number: Any) -> dict[str, Any]:
    return {"error": {"code": code, "msg": message}, "id": number}
