"""A connection to NATS that comes back whatever happens to it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoServersError
from nats.js import JetStreamContext

from shared.clock import Clock
from shared.errors import ConfigError, RetrySafe
from tradeengine.runtime.intake.client import SturdyClient

_log = structlog.get_logger(__name__)

INBOX_PREFIX: Final = "_INBOX.tradeengine"
"""Where every engine's own requests are answered."""

_CONNECT_SECONDS: Final = 2
_PREPARE_SECONDS: Final = 15.0
_CLOSE_SECONDS: Final = 2.0
_PING_SECONDS: Final = 5
_FIRST_RETRY_SECONDS: Final = 0.1
_LAST_RETRY_SECONDS: Final = 1.0
_WATCH_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Link:
    """One life of the connection.

    Parameters
    ----------
    client
        The connected client.
    jetstream
        JetStream through that client.
    lost
        Done once the client is closed, whatever closed it.
    """

    client: Client
    jetstream: JetStreamContext
    lost: asyncio.Future[None]

    async def close(self) -> None:
        """Give the link up: what is buffered is sent if the server reads, and a new link is made."""
        await _close(self.client)
        self._note_lost()

    async def ended(self) -> None:
        """Wait until the client is closed, and make :attr:`lost` done.

        nats-py leaves its callback out when the last bytes that it had to send meet a broken socket, so its word alone
        is not enough.
        """
        while not self.lost.done():
            await asyncio.wait([self.lost], timeout=_WATCH_SECONDS)
            if self.client.is_closed:
                self._note_lost()

    def _note_lost(self) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """Whether there is a connection.

    Parameters
    ----------
    connected
        Whether there is one now.
    since
        When that began, on the clock's monotonic scale, seconds.
    error
        The last error, if not connected.
    """

    connected: bool
    since: float
    error: str | None


class Connection:
    """Keeps a client connected.

    The client's own reconnecting is off: it ends for good on some errors, and afterwards nothing would tell. Instead
    there is one way back from a lost server, a restarted one, and a client that closed itself: a new client, prepared
    from scratch, and everything that used the old one starts again on the new :class:`Link`.

    Parameters
    ----------
    url
        ``nats://host:port``; several separated by commas.
    clock
        Source of time.
    prepare
        Run on each new link before anybody else gets it, such as to make sure that the streams exist.
    on_connected
        Called on each new link.
    name
        What the server's monitoring calls the client.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        prepare: Callable[[Link], Awaitable[None]],
        on_connected: Callable[[], None] = lambda: None,
        name: str = "tradeengine",
    ) -> None:
        self._servers = [part.strip() for part in url.split(",") if part.strip()]
        self._clock = clock
        self._prepare = prepare
        self._on_connected = on_connected
        self._name = name
        self._link: Link | None = None
        self._changed = asyncio.Condition()
        self._since = clock.monotonic()
        self._error: Exception | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """The servers, without credentials."""
        return ",".join(_without_credentials(server) for server in self._servers)

    @property
    def state(self) -> ConnectionState:
        """Whether there is a connection, since when, and what went wrong last."""
        connected = self._link is not None and not self._link.lost.done()
        error = None if connected or self._error is None else str(self._error) or type(self._error).__name__
        return ConnectionState(connected, self._since, error)

    @property
    def ended(self) -> bool:
        """Whether nobody keeps it, so that a link that is lost would stay lost."""
        return self._keeper is None or self._keeper.done()

    @property
    def current(self) -> Link | None:
        """The link, if there is one now."""
        return self._link if self._link is not None and not self._link.lost.done() else None

    async def start(self) -> None:
        """Try once, then keep trying in the background.

        Raises
        ------
        ConfigError
            If the first try showed that the configuration is wrong. A server that is away is no error here.
        """
        try:
            await self._open()
        except ConfigError:
            raise
        except (NatsError, OSError, TimeoutError, RetrySafe) as error:
            self._note_failure(error)
        self._keeper = asyncio.create_task(self._keep(), name="nats-connection")

    async def close(self) -> None:
        """Send what is buffered, then close."""
        if self._keeper:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        if self._link:
            await self._link.close()

    async def link(self) -> Link:
        """Wait until there is a connection."""
        async with self._changed:
            while (link := self.current) is None:
                await self._changed.wait()
            return link

    async def _keep(self) -> None:
        pause = _FIRST_RETRY_SECONDS
        while True:
            if link := self.current:
                pause = _FIRST_RETRY_SECONDS
                await link.ended()
                self._since = self._clock.monotonic()
                _log.warning("nats_lost", address=self.address, error=str(self._error or "closed"))
            await self._clock.sleep(pause)
            pause = min(pause * 2, _LAST_RETRY_SECONDS)
            try:
                await self._open()
            except Exception as error:  # noqa: BLE001 - supervised: a dead keeper would leave intake dead for good
                self._note_failure(error)

    async def _open(self) -> None:
        client = SturdyClient()
        lost = asyncio.get_running_loop().create_future()

        async def closed() -> None:
            if not lost.done():
                lost.set_result(None)

        try:
            async with asyncio.timeout(_CONNECT_SECONDS * 2 * len(self._servers)):
                await client.connect(
                    servers=self._servers,
                    name=self._name,
                    closed_cb=closed,
                    error_cb=self._on_error,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=_CONNECT_SECONDS,
                    ping_interval=_PING_SECONDS,
                    inbox_prefix=INBOX_PREFIX,
                )
            link = Link(client, client.jetstream(), lost)
            async with asyncio.timeout(_PREPARE_SECONDS):
                await self._prepare(link)
        except BaseException:
            await _close(client)
            raise
        async with self._changed:
            self._link, self._error, self._since = link, None, self._clock.monotonic()
            self._changed.notify_all()
        self._on_connected()
        _log.info("nats_connected", address=self.address)

    async def _on_error(self, error: Exception) -> None:
        if str(error) != str(self._error):
            _log.warning("nats_error", address=self.address, error=str(error) or type(error).__name__)
        self._error = error

    def _note_failure(self, error: Exception) -> None:
        # "No servers" only sums up; the errors of the tries came before it.
        if isinstance(error, NoServersError) and self._error is not None:
            return
        if str(error) != str(self._error):
            _log.warning("nats_unavailable", address=self.address, error=str(error) or type(error).__name__)
        self._error = error


async def _close(client: Client) -> None:
    # A server that no longer reads would let the client wait for ever to send its last bytes.
    with suppress(TimeoutError, OSError, NatsError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await client.close()


def _without_credentials(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
