"""One connection to NATS for a command, or a clear answer that there is none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from nats.aio.client import Client
from nats.errors import Error as NatsError

from shared.errors import RetrySafe
from shared.secrets import mask_uris

_CONNECT_S = 3
_CLOSE_S = 2


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """Connect once, without waiting for a server that is away.

    Parameters
    ----------
    url
        Address of a server, or of several with commas between.

    Raises
    ------
    RetrySafe
        If nobody answers within a few seconds.
    """
    client = Client()
    servers = [server.strip() for server in url.split(",")]
    said: list[Exception] = []

    async def note(error: Exception) -> None:
        said.append(error)

    try:
        try:
            async with asyncio.timeout(2 * _CONNECT_S * len(servers)):
                # Without a bound on attempts the client tries for ever, whatever it is told about reconnecting.
                await client.connect(
                    servers,
                    error_cb=note,
                    connect_timeout=_CONNECT_S,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                )
        except (NatsError, OSError, TimeoutError) as error:
            # "No servers" only sums up; the errors of the tries came before it.
            reason = reason_of(said[-1] if said else error)
            raise RetrySafe(f"NATS at {mask_uris(url)} does not answer: {reason}; is it running?") from None
        yield client
    finally:
        with suppress(NatsError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await client.close()


def reason_of(error: Exception) -> str:
    """What an error says, or its name when it says nothing."""
    return str(error) or type(error).__name__
