"""The account's own stream: every message counts, and what was missed is read back before it is called alive."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from shared.clock import Clock
from shared.errors import EngineError, Rejected
from tradeengine.venue.base import ReportSink
from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.doubts import Doubts
from tradeengine.venue.binance.endpoints import KEEP_USER_STREAM, START_USER_STREAM
from tradeengine.venue.binance.events import EventReader
from tradeengine.venue.binance.parts import Rest
from tradeengine.venue.binance.watched import Broken, Patience, WatchedStream, until_one_fails

CloseGaps = Callable[[Collection[str] | None], Awaitable[None]]
"""Reads back what may have been missed: of some symbols, or with ``None`` everything."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class UserPatience(Patience):
    """Waits of the user stream beside those of any, seconds.

    Parameters
    ----------
    keep_s
        Between prolongations of the listen key, which lives for an hour. Each shows whether it still exists.
    message_s
        For a message that other evidence says was sent.
    silence_s
        For any word about an order that the exchange took.
    look_s
        Between looks at the doubts.
    first_retry_s, most_retry_s
        After a reading of the gap that failed; doubled each time.
    most_waiting
        Messages that may wait while a gap is read.
    """

    keep_s: float = 60
    message_s: float = 2
    silence_s: float = 5
    look_s: float = 0.1
    first_retry_s: float = 0.2
    most_retry_s: float = 2
    most_waiting: int = 100_000


DEFAULT_PATIENCE = UserPatience()


class UserStream(WatchedStream):
    """Hears what becomes of orders.

    Messages are taken off the socket as they come. While a gap is read back they wait, in order; there may be more of
    them than fit, and then the gap is read again, because it covers them. The listen key is never deleted: the account
    has one, and other processes hear by it.

    Parameters
    ----------
    url
        Address of the streams, without a path.
    events
        Understands the messages.
    doubts
        What other evidence says is missing; shared with ``events``.
    sink
        Where reports go.
    close_gaps
        Awaited after each connection, and where a message is missing.
    on_alive
        Called after a gap was closed.
    """

    def __init__(
        self,
        rest: Rest,
        url: str,
        clock: Clock,
        events: EventReader,
        doubts: Doubts,
        sink: ReportSink,
        close_gaps: CloseGaps,
        *,
        on_alive: Callable[[], None] = lambda: None,
        patience: UserPatience = DEFAULT_PATIENCE,
    ) -> None:
        super().__init__("user stream", clock, patience)
        self._timing = patience
        self._rest = rest
        self._url = url
        self._events = events
        self._doubts = doubts
        self._sink = sink
        self._close_gaps = close_gaps
        self._on_alive = on_alive
        self._waiting: deque[dict[str, Any]] = deque()
        self._overflowed = False
        self._reading = False
        self._everything = True
        self._missing: set[str] = set()
        self._wanted = asyncio.Event()
        self._suspicion: str | None = None

    def suspect(self, why: str) -> None:
        """The stream did not tell what it should have told: build it anew, and read everything back."""
        self._suspicion = why

    async def _live(self) -> None:
        key = await self._rest.call(START_USER_STREAM, Priority.PROTECT)
        if not isinstance(key, str) or not key:
            raise Broken(f"the exchange answered no listen key but {str(key)[:200]!r}")
        socket = await self._connect(f"{self._url}/private/ws?listenKey={key}")
        self._begin()
        try:
            await until_one_fails(
                self._hear(socket, key), self._settle(), self._keep(key), self._look(), self._grow_old()
            )
        finally:
            await socket.close()

    def _begin(self) -> None:
        self._missing.clear()
        self._suspicion = None
        self._reading = self._everything = True
        self._wanted.set()

    async def _hear(self, socket: aiohttp.ClientWebSocketResponse, key: str) -> None:
        async for payload in self._messages(socket):
            if payload.get("e") == "listenKeyExpired" and payload.get("listenKey", key) == key:
                raise Broken("its listen key expired")
            if not self._reading:
                self._tell(payload)
                continue
            if len(self._waiting) >= self._timing.most_waiting:
                self._waiting.clear()
                self._overflowed = True
            self._waiting.append(payload)

    async def _settle(self) -> None:
        """Close gaps, one after the other."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            symbols = None if self._everything else frozenset(self._missing)
            self._missing.clear()
            self._everything = False
            self._reading = True
            where = ", ".join(sorted(symbols)) if symbols else "all symbols"
            self._blind(f"{self._name}: what was missed of {where} is being read back")
            await self._read_back(symbols)
            await self._tell_waiting()
            if not self._wanted.is_set():
                self._sees()
                self._on_alive()

    async def _read_back(self, symbols: Collection[str] | None) -> None:
        pause_s = self._timing.first_retry_s
        while True:
            # Where messages were dropped, they were of any symbol.
            symbols = None if self._overflowed else symbols
            self._overflowed = False
            try:
                await self._close_gaps(symbols)
            except EngineError as error:
                self._blind(f"{self._name}: what was missed cannot be read back: {error}")
                log.warning("gap_not_read", reason=str(error))
                await self._clock.sleep(pause_s)
                pause_s = min(pause_s * 2, self._timing.most_retry_s)
            else:
                return

    async def _tell_waiting(self) -> None:
        told = 0
        while self._waiting:
            self._tell(self._waiting.popleft())
            told += 1
            if told % 500 == 0:
                await self._clock.sleep(0)
        if self._overflowed:
            self._everything = True
            self._wanted.set()
        else:
            self._reading = False

    def _tell(self, payload: dict[str, Any]) -> None:
        self._events.tell(self._events.read(payload), self._sink)

    async def _keep(self, key: str) -> None:
        while True:
            await self._clock.sleep(self._timing.keep_s)
            try:
                answer = await self._rest.call(KEEP_USER_STREAM, Priority.PROTECT, listenKey=key)
            except Rejected as error:
                raise Broken(f"its listen key is gone: {error}") from error
            except EngineError as error:
                log.warning("listen_key_not_prolonged", reason=str(error))
                continue
            if isinstance(answer, dict) and answer.get("listenKey", key) != key:
                raise Broken("the account has another listen key now")

    async def _look(self) -> None:
        """Judge whether the stream tells what it should."""
        while True:
            await self._clock.sleep(self._timing.look_s)
            if self._suspicion is not None:
                raise Broken(self._suspicion)
            if self._reading:
                continue
            now = self._clock.monotonic()
            silent = [doubt for doubt in self._doubts.overdue(now, self._timing.silence_s) if doubt.kind.deaf]
            if silent:
                raise Broken(f"it told nothing of {silent[0].symbol} order {silent[0].what}, which the exchange took")
            missing = [doubt for doubt in self._doubts.overdue(now, self._timing.message_s) if not doubt.kind.deaf]
            if missing:
                log.warning("message_missing", doubts=[" ".join(doubt) for doubt in missing[:10]])
                self._missing.update(doubt.symbol for doubt in missing)
                self._everything = self._everything or "" in self._missing
                self._wanted.set()
