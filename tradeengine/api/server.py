"""The HTTP server of this process."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from shared.errors import ConfigError, EngineError

_BACKLOG = 2048


class _Server(uvicorn.Server):
    """Leaves the process's signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ApiServer:
    """A running server; made by :func:`serve`.

    Parameters
    ----------
    listener
        The bound socket; the server closes it.

    Attributes
    ----------
    port
        Port that it listens on.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, grace_seconds: int) -> None:
        self.port = int(listener.getsockname()[1])
        self._listener = listener
        config = uvicorn.Config(
            app,
            log_config=None,
            # That it listens is said elsewhere.
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=grace_seconds,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once requests are answered."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="http")
        while not self._server.started:
            done, _ = await asyncio.wait({self._task}, timeout=0.01)
            if done:
                self._task.result()
                raise EngineError("the HTTP server ended while it was starting: the log says why")

    async def wait(self) -> None:
        """Return when the server has ended, by :meth:`close` or by a failure, which is raised."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def close(self) -> None:
        """Take no more connections, let requests under way finish for the time of grace, and end; again: nothing."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._listener.close()


async def serve(app: ASGIApp, listener: socket.socket, *, grace_seconds: int = 5) -> ApiServer:
    """Start a server on the running loop.

    Parameters
    ----------
    listener
        Made by :func:`listen`; closed with the server.
    grace_seconds
        How long requests under way may take after :meth:`ApiServer.close`.
    """
    server = ApiServer(app, listener, grace_seconds)
    await server.start()
    return server


def listen(host: str, port: int) -> socket.socket:
    """Take the port, so that whoever connects from now on waits until the server is started.

    Parameters
    ----------
    host
        Address or name to listen on.
    port
        0 for a free one.

    Raises
    ------
    ConfigError
        If nothing can listen there.
    """
    listener: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise ConfigError(
            f"cannot listen on TRADEENGINE_HOST={host} TRADEENGINE_PORT={port}: {error.strerror or error}; "
            "stop what uses the port, or set another TRADEENGINE_PORT"
        ) from None
    listener.setblocking(False)
    return listener
