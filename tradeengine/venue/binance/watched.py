"""A WebSocket that is watched, and built anew when it fails."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp
import structlog

from shared.clock import Clock
from shared.errors import EngineError, RetrySafe

_FAREWELL_S = 0.2
"""A connection that is given up may be dead: nobody waits for its farewell."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long a stream waits for what, seconds.

    Parameters
    ----------
    connect_s
        For a connection.
    heartbeat_s
        Between pings of ours; one that is not answered in half that time ends the connection.
    first_pause_s, most_pause_s
        After a failed attempt to connect; doubled each time. The exchange takes 300 attempts in 5 minutes.
    age_s
        The exchange closes connections after 24 hours; we do it ourselves before.
    start_s
        For the first time that it is alive.
    """

    connect_s: float = 5
    heartbeat_s: float = 10
    first_pause_s: float = 0.1
    most_pause_s: float = 2
    age_s: float = 23 * 3_600
    start_s: float = 30


class Broken(Exception):
    """A connection is of no use any more; the text says why. It never leaves the stream."""


class WatchedStream(ABC):
    """Lives on one connection after another.

    Parameters
    ----------
    name
        Names it in messages.
    clock
        The machine's clock.
    """

    def __init__(self, name: str, clock: Clock, patience: Patience) -> None:
        self._name = name
        self._clock = clock
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._trouble: str | None = f"{name} is not started"
        self._alive = asyncio.Event()
        self._last_heard_ms: int | None = None
        self.rebuilds = 0
        """How often a connection was replaced."""

    @property
    def trouble(self) -> str | None:
        """Why nothing can be heard at the moment, ``None`` while all is well."""
        return self._trouble

    @property
    def last_heard_ms(self) -> int | None:
        """When a message came last, engine's clock, ``None`` before the first."""
        return self._last_heard_ms

    async def start(self) -> None:
        """Connect, and return when it is alive.

        Raises
        ------
        RetrySafe
            If it cannot be brought up in time; nothing is left running.
        """
        if self._task is not None:
            return
        self._session = aiohttp.ClientSession()
        self._task = asyncio.create_task(self._run(), name=self._name)
        try:
            async with asyncio.timeout(self._patience.start_s):
                await self._alive.wait()
        except TimeoutError:
            why = self.trouble
            await self.stop()
            raise RetrySafe(f"{self._name} did not come up in {self._patience.start_s:g} s: {why}") from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        self._task = self._session = None
        self._blind(f"{self._name} is stopped")

    @abstractmethod
    async def _live(self) -> None:
        """Live on one connection; it ends by an error only, :class:`Broken` or whatever fails."""

    def _sees(self) -> None:
        """All is well from now on."""
        self._trouble = None
        self._alive.set()

    def _blind(self, why: str) -> None:
        self._trouble = why
        self._alive.clear()

    async def _run(self) -> None:
        pause_s = self._patience.first_pause_s
        while True:
            try:
                await self._live()
                why = "ended"
            except (Broken, EngineError, aiohttp.ClientError, OSError, TimeoutError) as error:
                why = str(error) or type(error).__name__
            except Exception as error:
                # The border of the stream: whatever fails on one connection must not end the hearing for good.
                log.exception("stream_failed", stream=self._name)
                why = f"{type(error).__name__}: {error}"
            lived = self._alive.is_set()
            self.rebuilds += 1
            self._blind(f"{self._name} is being rebuilt: {why}")
            log.warning("stream_rebuilt", stream=self._name, reason=why)
            if lived:
                pause_s = self._patience.first_pause_s
            else:
                await self._clock.sleep(pause_s)
                pause_s = min(pause_s * 2, self._patience.most_pause_s)

    async def _connect(self, url: str) -> aiohttp.ClientWebSocketResponse:
        assert self._session is not None  # noqa: S101 - made before the task that comes here
        async with asyncio.timeout(self._patience.connect_s):
            # Any size: the library would end the connection for a long message. Pings of the exchange it answers.
            return await self._session.ws_connect(
                url,
                heartbeat=self._patience.heartbeat_s,
                max_msg_size=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=_FAREWELL_S),
            )

    async def _messages(self, socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[dict[str, Any]]:
        """Messages of a connection, figures exact; its end is an error."""
        async for message in socket:
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                break
            self._last_heard_ms = self._clock.now_ms()
            try:
                payload = json.loads(message.data, parse_float=Decimal)
            except (ValueError, RecursionError) as error:
                raise Broken(f"a message is no JSON ({error})") from error
            if isinstance(payload, dict):
                yield payload
        raise Broken(f"connection closed (code {socket.close_code}, {socket.exception() or 'no error'})")

    async def _grow_old(self) -> None:
        await self._clock.sleep(self._patience.age_s)
        raise Broken("the exchange would close it soon for its age")


async def until_one_fails(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run jobs side by side until the first fails, and raise its error when the others have ended."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
