"""python-binance against the simulator, connected as its users connect it to another address."""

import asyncio
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.simulator.conformance.sim import KEY, SECRET, Sim

with warnings.catch_warnings():
    # the library imports names that the websockets package has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance import AsyncClient, BinanceSocketManager
    from binance.exceptions import BinanceAPIException
    from binance.ws.reconnecting_websocket import ReconnectingWebsocket
    from binance.ws.websocket_api import WebsocketAPI

__all__ = ["BinanceAPIException", "Client"]


class Client(AsyncClient):  # type: ignore[misc]
    """AsyncClient with other addresses; its clock follows the simulator's, which may stand still."""

    def __init__(self, sim: Sim) -> None:
        self._sim = sim
        super().__init__(KEY, SECRET)
        self.API_URL = f"{sim.url}/api"
        self.FUTURES_URL = f"{sim.url}/fapi"
        self.FUTURES_DATA_URL = f"{sim.url}/futures/data"
        self.ws_future = WebsocketAPI(url=f"{sim.ws_url}/ws-fapi/v1", tld="com")

    @property
    def timestamp_offset(self) -> float:
        """Milliseconds between the simulator's clock and this machine's."""
        return self._sim.now_ms + 0.5 - time.time() * 1000

    @timestamp_offset.setter
    def timestamp_offset(self, value: float) -> None:
        """Ignore what the library measures: a virtual clock does not run on between two requests."""

    @asynccontextmanager
    async def opened(self, socket: ReconnectingWebsocket) -> AsyncIterator[ReconnectingWebsocket]:
        """Open a socket of the library and close it at once: by itself it waits for a last read, ten seconds."""
        socket.TIMEOUT = 0.1
        async with socket:
            yield socket

    def sockets(self, **options: Any) -> BinanceSocketManager:
        """A socket manager for the same simulator."""
        manager = BinanceSocketManager(self, **options)
        manager.FSTREAM_URL = f"{self._sim.ws_url}/"
        return manager

    async def aclose(self) -> None:
        """Close the sessions, which the library's own ``close_connection`` does for HTTP only."""
        if self.ws_future.ws is not None:
            # closing alone would wait for the library's last read, ten seconds
            await asyncio.gather(self.ws_future.close(), self.ws_future.ws.close())
        await self.close_connection()
