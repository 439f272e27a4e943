"""aiohttp as the venue sees it: requests and sockets to the exchange, over a road instead of a network."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import yarl

from tests.simulation.exchange import SimExchange
from tests.simulation.process import Process, here
from tests.simulation.road import Pipe, Road, settle
from tradeengine.simulator.call import http_call
from tradeengine.simulator.gateway import Answer, Cut
from tradeengine.simulator.hub import Listener
from tradeengine.simulator.streams import parse_address
from tradeengine.simulator.wire import to_json

_REFUSED_S: Final = 0.001
_TIMEOUT_S: Final = 10.0
_NEW_CONNECTION: Final = 0.3
"""Share of requests for which no connection is open."""
_ROADS: "dict[Process, Road]" = {}


def connect(process: Process, road: Road) -> None:
    """Name the road that a process reaches the exchange by."""
    _ROADS[process] = road


def disconnect_all() -> None:
    """Forget all roads: a history is over."""
    _ROADS.clear()


class SimConnector:
    """Stands where a connector would; there is nothing to connect."""

    def __init__(self, **_: Any) -> None:
        pass


class SimResponse:
    """An answer, or as much of it as arrived."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes, *, whole: bool) -> None:
        self.status = status
        self.headers = headers
        self._body = body
        self._whole = whole

    async def read(self) -> bytes:
        """Its body."""
        if not self._whole:
            raise aiohttp.ClientPayloadError("Response payload is not completed")
        return self._body


class SimSession:
    """A client session of the process that makes it."""

    def __init__(
        self,
        *,
        headers: dict[str, str] | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        connector: Any = None,
        loop: Any = None,
    ) -> None:
        self._road = _ROADS[here()]
        self._headers = headers or {}
        self._traces = trace_configs
        self.closed = False

    def get(self, url: yarl.URL, **how: Any) -> "_Request":
        return _Request(self, "GET", url, how)

    def post(self, url: yarl.URL, **how: Any) -> "_Request":
        return _Request(self, "POST", url, how)

    def put(self, url: yarl.URL, **how: Any) -> "_Request":
        return _Request(self, "PUT", url, how)

    def delete(self, url: yarl.URL, **how: Any) -> "_Request":
        return _Request(self, "DELETE", url, how)

    async def ws_connect(self, url: str, *, heartbeat: float, **_: Any) -> "SimSocket":
        """Open a socket."""
        road = self._road
        await _reach(road)
        address = parse_address(*_split(yarl.URL(url)))
        assert address is not None, url
        socket = SimSocket(road, heartbeat)
        opened: asyncio.Future[None] = road.loop.create_future()
        exchange = _exchange(road)
        road.send("connect", lambda: socket.serve(exchange, address), lambda _, error: settle(opened, None, error))
        await opened
        socket.begin()
        return socket

    async def close(self) -> None:
        """Let go of it."""
        self.closed = True

    async def request(self, method: str, url: yarl.URL, how: dict[str, Any]) -> SimResponse:
        """Make a request and wait for its answer.

        Raises
        ------
        aiohttp.ClientError, TimeoutError
            As the real session does.
        """
        road, loop = self._road, self._road.loop
        point = _point(method, url)
        if point:
            road.pod.on_point(point)
        await _reach(road)
        if road.weather.random.random() < _NEW_CONNECTION:
            # Signed, and not sent yet: whoever freezes here sends late.
            await asyncio.sleep(2 * road.delay())
        context = SimpleNamespace(trace_request_ctx=how.get("trace_request_ctx"))
        for trace in self._traces:
            for tell in trace.on_request_headers_sent:
                await tell(self, context, None)  # type: ignore[arg-type]
        answer: asyncio.Future[SimResponse] = loop.create_future()
        total = (
            how["timeout"].total if isinstance(how.get("timeout"), aiohttp.ClientTimeout) else how.get("timeout", 10)
        )
        timer = loop.call_later(total, settle, answer, None, TimeoutError())
        self._send(method, url, how, answer)
        if point:
            answer.add_done_callback(lambda _: road.pod.on_point(f"{point} answered"))
        try:
            response = await answer
        finally:
            timer.cancel()
        for trace in self._traces:
            for tell_end in trace.on_request_end:
                await tell_end(self, context, SimpleNamespace(response=response))  # type: ignore[arg-type]
        return response

    def _send(self, method: str, url: yarl.URL, how: dict[str, Any], answer: "asyncio.Future[SimResponse]") -> None:
        road, exchange = self._road, _exchange(self._road)
        headers = self._headers | (how.get("headers") or {})
        path, query = _split(url)
        body = how.get("data") or ""
        call = http_call(
            method,
            path,
            ip=road.pod.name,
            key=headers.get("X-MBX-APIKEY"),
            query=query,
            body=body if isinstance(body, str) else urlencode(body),
        )

        def answered(found: Answer, found_headers: dict[str, str]) -> None:
            if not (road.is_cut_back or fate == "after"):
                result = _as_received(found, found_headers)
                error = result if isinstance(result, Exception) else None
                road.loop.call_later(road.delay(), settle, answer, result, error, context=road.pod.context)

        fate = road.loses(method)
        if not (road.is_cut_there or fate == "before"):
            process = road.server.process
            road.loop.call_later(road.delay(), exchange.serve, call, answered, context=process.context)


class _Request:
    """What ``session.get`` gives: a context manager around the answer."""

    def __init__(self, session: SimSession, method: str, url: yarl.URL, how: dict[str, Any]) -> None:
        self._made = (method, url, how)
        self._session = session

    async def __aenter__(self) -> SimResponse:
        return await self._session.request(*self._made)

    async def __aexit__(self, *_: object) -> None:
        pass


class _ServerEnd:
    """A socket as the exchange's hub writes to it."""

    def __init__(self, socket: "SimSocket") -> None:
        self._socket = socket

    def send(self, message: bytes) -> None:
        self._socket.told.send(message)

    def close(self, code: int, reason: str) -> None:
        self._socket.told.send(None)

    def hang_up(self) -> None:
        self._socket.told.send(None)

    def cut(self) -> None:
        self._socket.told.send(None)

    async def flushed(self) -> None:
        """Nothing waits here."""


class SimSocket:
    """A WebSocket as aiohttp's client gives it."""

    close_code: int | None = None

    def __init__(self, road: Road, heartbeat_s: float) -> None:
        self._road = road
        self._heartbeat_s = heartbeat_s
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._listener: Listener | None = None
        self._beat: asyncio.Task[None] | None = None
        self.is_closed = False
        self.told: Pipe[bytes | None] = Pipe(road, road.pod, lambda: road.is_cut_back, self._messages.put_nowait)

    def serve(self, exchange: SimExchange, address: Any) -> None:
        """Let the exchange's hub know it; called at the exchange."""
        self._listener = exchange.join(_ServerEnd(self), address)
        self._road.ends[self._leave] = None

    def begin(self) -> None:
        """Watch the connection from now on."""
        self._beat = asyncio.create_task(self._keep_beating(), name="socket-heartbeat")

    def exception(self) -> BaseException | None:
        """Why it ended."""
        return None

    async def __aiter__(self) -> AsyncIterator[aiohttp.WSMessage]:
        while (message := await self._messages.get()) is not None:
            yield aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, message, None)
        self.close_code = 1006

    async def close(self) -> None:
        """End it."""
        if self.is_closed:
            return
        self.is_closed = True
        self.told.close()
        if self._beat is not None:
            self._beat.cancel()
        road = self._road
        road.ends.pop(self._leave, None)
        road.loop.call_later(road.delay(), self._leave, context=road.server.process.context)

    def _leave(self) -> None:
        """At the exchange: let this connection go."""
        if self._listener is not None:
            _exchange(self._road).world.hub.leave(self._listener)

    async def _keep_beating(self) -> None:
        road, loop = self._road, self._road.loop
        while True:
            await asyncio.sleep(self._heartbeat_s)
            answer: asyncio.Future[None] = loop.create_future()
            road.send("ping", lambda: None, lambda _, error, answer=answer: settle(answer, None, error))  # type: ignore[misc]
            timer = loop.call_later(self._heartbeat_s / 2, settle, answer, None, TimeoutError())
            try:
                await answer
            except TimeoutError:
                self._messages.put_nowait(None)
                return
            finally:
                timer.cancel()


async def _reach(road: Road) -> None:
    if road.server.refuses:
        await asyncio.sleep(_REFUSED_S)
        raise aiohttp.ClientConnectionError(f"Cannot connect to host {road.server.name}")


def _exchange(road: Road) -> SimExchange:
    assert isinstance(road.server, SimExchange)
    return road.server


def _split(url: yarl.URL) -> tuple[str, str]:
    return url.raw_path, url.raw_query_string


def _point(method: str, url: yarl.URL) -> str:
    """What a request is called where faults wait for it; nothing if it changes nothing."""
    if not url.raw_path.endswith("rder") or method == "GET":
        return ""
    return "order" if method == "POST" else "cancel"


def _as_received(answer: Answer, headers: dict[str, str]) -> SimResponse | Exception:
    if answer.cut is Cut.WHOLE:
        return aiohttp.ServerDisconnectedError()
    body = answer.document.encode() if isinstance(answer.document, str) else to_json(answer.document)
    return SimResponse(answer.status, headers, body, whole=answer.cut is not Cut.HALF)
