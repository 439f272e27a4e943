"""The server: a port that is taken is said, and requests under way are finished."""

import asyncio

import httpx
import pytest

from shared.errors import ConfigError
from tests.api.parts import KEYS, Served, bearer, services, signal
from tests.support.deadline import PATIENCE_S
from tradeengine.api.app import create_app
from tradeengine.api.server import listen, serve


async def test_a_port_in_use_is_a_configuration_error(served: Served) -> None:
    port = int(served.url.rpartition(":")[2])

    with pytest.raises(ConfigError, match=f"TRADEENGINE_PORT={port}.*set another TRADEENGINE_PORT"):
        listen("127.0.0.1", port)


async def test_an_address_that_is_not_ours_is_a_configuration_error(served: Served) -> None:
    with pytest.raises(ConfigError, match=r"TRADEENGINE_HOST=203\.0\.113\.1"):
        listen("203.0.113.1", 0)


async def test_closing_finishes_what_is_under_way_and_frees_the_port() -> None:
    made, desk, _ = services(KEYS)
    desk.open.clear()
    server = await serve(create_app(made), listen("127.0.0.1", 0))
    url = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, trust_env=False) as client:
        request = asyncio.create_task(
            client.post("/trade/signal", json=signal(), headers=bearer(KEYS["TRADER_API_KEY"]))
        )
        await asyncio.wait_for(desk.asked.wait(), PATIENCE_S)
        closing = asyncio.create_task(server.close())
        desk.open.set()

        assert (await request).json()["outcome"] == "accepted"
        await closing
    again = await serve(create_app(made), listen("127.0.0.1", server.port))
    await again.close()
