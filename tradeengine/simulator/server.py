"""The simulator as a server: HTTP, WebSockets and the control side on one port."""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from tradeengine.simulator.call import WS_API_PATH
from tradeengine.simulator.clock import VIRTUAL_START_MS, SimulatorClock, hold
from tradeengine.simulator.control import PREFIX, Control
from tradeengine.simulator.exchange import Exchange
from tradeengine.simulator.gateway import Gateway
from tradeengine.simulator.http import HttpFront
from tradeengine.simulator.state_file import StateFile
from tradeengine.simulator.streams import Streams, parse_address
from tradeengine.simulator.wire import to_json
from tradeengine.simulator.world import World
from tradeengine.simulator.ws_api import WsApi

logger = logging.getLogger(__name__)

_TICK_MS = 50
_SAVE_S = 1.0
_REST = 20
_GRACE_S = 0.5
_MAX_BODY = 64 << 20


class SimulatorServer:
    """A wire-compatible Binance USD-M futures exchange.

    Parameters
    ----------
    exchange
        What is served; without one, what the state file holds, or a fresh one with the default setup.
    port
        0 for a free one.
    virtual_time
        Time stands still but for ``POST /sim/clock``, and signatures are checked against that clock.
    host
        Address to listen at.
    start_ms
        Where the virtual time of a fresh exchange starts, milliseconds since 1970 UTC.
    seed
        Of a fresh exchange: same seed and same requests, same answers.
    state_file
        Where the state is kept over a restart.

    Raises
    ------
    ValueError
        If the state file holds no state.
    """

    def __init__(
        self,
        exchange: Exchange | None = None,
        port: int = 0,
        virtual_time: bool = False,
        *,
        host: str = "127.0.0.1",
        start_ms: int | None = None,
        seed: int = 0,
        state_file: Path | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._state_file = None if state_file is None else StateFile(state_file)
        clock = SimulatorClock(virtual=virtual_time, start_ms=VIRTUAL_START_MS if start_ms is None else start_ms)
        self.world = self._make_world(exchange, clock, seed)
        gateway = Gateway(self.world)
        self._http = HttpFront(gateway)
        self._streams = Streams(self.world)
        self._ws_api = WsApi(gateway)
        self._control = Control(self.world, self._tick)
        self._runner: web.ServerRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._saved = -1

    def _make_world(self, exchange: Exchange | None, clock: SimulatorClock, seed: int) -> World:
        if exchange is not None:
            if clock.virtual:
                clock.set(exchange.now_ms)
            return World(exchange, clock)
        document = self._state_file.load() if self._state_file is not None else None
        if document is not None:
            try:
                return World.restore(document, clock)
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"holds another state than this version writes ({error!r}); remove it") from error
        return World(Exchange(now_ms=clock.now_ms(), seed=seed), clock)

    @property
    def port(self) -> int:
        """Port that is listened at."""
        return self._port

    @property
    def url(self) -> str:
        """Base address of HTTP."""
        return f"http://{self._shown_host}:{self._port}"

    @property
    def ws_url(self) -> str:
        """Base address of WebSockets."""
        return f"ws://{self._shown_host}:{self._port}"

    @property
    def _shown_host(self) -> str:
        if self._host in ("0.0.0.0", "::"):  # noqa: S104 - only compared: nobody can connect to these
            return "127.0.0.1"
        return f"[{self._host}]" if ":" in self._host else self._host

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        OSError
            If the port is taken.
        """
        server = web.Server(self._serve, request_factory=_make_request)
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=_GRACE_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._port = self._runner.addresses[0][1]
        if not self.world.clock.virtual:
            self._tasks.append(asyncio.create_task(self._keep_time()))
        if self._state_file is not None:
            self._tasks.append(asyncio.create_task(self._keep_state(self._state_file)))

    async def stop(self) -> None:
        """Close all connections and keep the state."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        for listener in self.world.hub:
            listener.socket.cut()
        self._ws_api.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._state_file is not None:
            self._state_file.write(to_json(self.world.snapshot()))

    async def __aenter__(self) -> "SimulatorServer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if path.startswith(PREFIX):
            return await self._control.answer(request, path, query)
        if "Upgrade" in request.headers:
            if path == WS_API_PATH:
                return await self._ws_api.serve(request, query)
            address = parse_address(path, query)
            if address is not None:
                return await self._streams.serve(request, address, path, query)
        return await self._http.answer(request, path, query)

    def _tick(self) -> None:
        now_ms = self.world.tick()
        self._streams.maintain(now_ms)
        self._ws_api.maintain(now_ms)

    async def _keep_time(self) -> None:
        while True:
            await hold(_TICK_MS)
            try:
                self._tick()
            except Exception:  # border: time must go on for those who are still served
                logger.exception("simulator failed on its timer")

    async def _keep_state(self, file: StateFile) -> None:
        loop = asyncio.get_running_loop()
        pause_s = _SAVE_S
        while True:
            await hold(int(pause_s * 1000))
            if self.world.changes == self._saved:
                continue
            self._saved = self.world.changes
            began = loop.time()
            content = to_json(self.world.snapshot())
            # A large state is kept less often, so that requests do not wait for snapshots.
            pause_s = max(_SAVE_S, _REST * (loop.time() - began))
            try:
                await asyncio.to_thread(file.write, content)
            except OSError:
                logger.exception("the state could not be kept; trying again")
                self._saved = -1


def _make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=_MAX_BODY
    )
