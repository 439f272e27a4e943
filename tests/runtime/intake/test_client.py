"""The client of NATS: an answer that nobody waits for any more does it no harm; a real server."""

import asyncio

import pytest
from nats.errors import TimeoutError as NatsTimeout

from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer
from tradeengine.runtime.intake.client import SturdyClient


async def until_pinged(client: SturdyClient, flushes: int) -> None:
    """Wait until so many flushes have asked the server; it has not been heard meanwhile."""
    async with asyncio.timeout(PATIENCE_S):
        while len(client._pongs) < flushes:  # noqa: ASYNC110 - the client tells nobody
            await asyncio.sleep(0)


@pytest.mark.parametrize("given_up", [(0,), (1,), (0, 1, 2)])
async def test_a_flush_that_was_given_up_ends_no_connection(nats_server: NatsServer, given_up: tuple[int, ...]) -> None:
    client = SturdyClient()
    await client.connect(nats_server.url, connect_timeout=PATIENCE_S, allow_reconnect=False)
    try:
        inbox = await client.subscribe("heard.here")
        await client.flush(timeout=PATIENCE_S)
        nats_server.freeze()
        flushes = [asyncio.create_task(client.flush(timeout=PATIENCE_S)) for _ in range(3)]
        await until_pinged(client, 3)
        for number in given_up:
            flushes[number].cancel()
        await asyncio.gather(*(flushes[number] for number in given_up), return_exceptions=True)
        nats_server.thaw()
        # Those that go on to wait are answered, each by its own PONG.
        await asyncio.gather(*(flush for number, flush in enumerate(flushes) if number not in given_up))
        await client.publish("heard.here", b"still here")
        assert (await inbox.next_msg(timeout=PATIENCE_S)).data == b"still here"
    finally:
        await client.close()


async def test_a_flush_that_timed_out_ends_no_connection(nats_server: NatsServer) -> None:
    client = SturdyClient()
    await client.connect(nats_server.url, connect_timeout=PATIENCE_S, allow_reconnect=False)
    try:
        nats_server.freeze()
        with pytest.raises(NatsTimeout):
            await client.flush(timeout=1)
        nats_server.thaw()
        await client.flush(timeout=PATIENCE_S)
        assert client.is_connected
    finally:
        await client.close()
