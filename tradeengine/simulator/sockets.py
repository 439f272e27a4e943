"""One WebSocket of a client: messages in order through a bounded buffer, pings, and an end in time."""

import asyncio
from collections import deque

from aiohttp import WSMsgType, web

POLICY_VIOLATION = 1008
GOING_AWAY = 1001

_BATCH = 64


class ClientSocket:
    """A WebSocket that is written to without waiting.

    Parameters
    ----------
    request
        The request that opens it.
    opened_ms
        When, by the simulator's clock.
    buffer
        Messages that may wait for a slow reader; with one more the connection is cut.
    """

    def __init__(self, request: web.BaseRequest, opened_ms: int, buffer: int) -> None:
        # Pings are answered by hand, so that pongs are seen; compressed frames would only cost time.
        self.ws = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=1 << 20)
        self.ip = request.remote or ""
        self.opened_ms = opened_ms
        self.pinged_ms = opened_ms
        self._loop = asyncio.get_running_loop()
        self._unanswered_since: float | None = None
        self._request = request
        self._waiting: deque[tuple[bytes, WSMsgType]] = deque()
        self._buffer = buffer
        self._wake = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()
        self._closing: tuple[int, bytes] | None = None
        self._hangs_up = False
        self._is_cut = False

    async def run(self) -> None:
        """Write what waits until the socket ends."""
        try:
            while not self._is_cut and await self._write():
                if self._hangs_up:
                    self.cut()
                elif self._closing is not None:
                    await self.ws.close(code=self._closing[0], message=self._closing[1])
                    return
        except ConnectionError:
            return
        finally:
            self._is_cut = True
            self._written.set()

    async def _write(self) -> bool:
        await self._wake.wait()
        self._wake.clear()
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
            transport = self._request.transport
            if transport is None or transport.is_closing():
                raise ConnectionResetError
            # The events of one order leave together: one call of the system instead of four.
            transport.write(b"".join(_frame(message, kind) for message, kind in batch))
            await self._request.writer.drain()
        self._written.set()
        return not self._is_cut

    def send(self, message: bytes) -> None:
        """Put a text message into the buffer."""
        self._put(message, WSMsgType.TEXT)

    @property
    def silence_ms(self) -> float:
        """For how long a ping has not been answered, by the machine's clock: a client cannot follow a virtual one."""
        return 0 if self._unanswered_since is None else (self._loop.time() - self._unanswered_since) * 1000

    def note_pong(self) -> None:
        """Take the sign of life."""
        self._unanswered_since = None

    def ping(self, now_ms: int) -> None:
        """Ask for a sign of life."""
        self.pinged_ms = now_ms
        if self._unanswered_since is None:
            self._unanswered_since = self._loop.time()
        self._put(b"", WSMsgType.PING)

    def pong(self, message: bytes) -> None:
        """Answer a client's ping."""
        self._put(message, WSMsgType.PONG)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye after what waits has been written."""
        if self._closing is None:
            self._closing = (code, reason.encode())
            self._wake.set()

    def hang_up(self) -> None:
        """End the connection without a word, after what waits has been written."""
        self._hangs_up = True
        self._wake.set()

    def cut(self) -> None:
        """End the connection without a word, and what waits with it."""
        self._is_cut = True
        self._waiting.clear()
        self._written.set()
        self._wake.set()
        if self._request.transport is not None:
            self._request.transport.abort()

    async def flushed(self) -> None:
        """Wait until what was sent has been handed to the network."""
        await self._written.wait()

    def _put(self, message: bytes, kind: WSMsgType) -> None:
        if self._is_cut or self._closing is not None:
            return
        if len(self._waiting) >= self._buffer:
            self.cut()
            return
        self._waiting.append((message, kind))
        self._written.clear()
        self._wake.set()


def _frame(message: bytes, kind: WSMsgType) -> bytes:
    """A whole message as a server sends it: unmasked, uncompressed, in one frame (RFC 6455, 5.2)."""
    length = len(message)
    if length < 126:
        return bytes((0x80 | kind, length)) + message
    if length < 1 << 16:
        return bytes((0x80 | kind, 126)) + length.to_bytes(2) + message
    return bytes((0x80 | kind, 127)) + length.to_bytes(8) + message
