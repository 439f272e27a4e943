"""Whoever asked may be gone before the answer: the server goes on as if nothing were."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from tests.support.deadline import PATIENCE_S
from tradeengine.simulator.http import _write_half, cut


async def test_half_an_answer_for_a_client_that_has_gone_is_no_error() -> None:
    outcome: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        cut(request)
        try:
            outcome.set_result(await _write_half(request, 200, {}, b"x" * 1_000))
        except ConnectionError as error:
            outcome.set_exception(error)
        return await outcome

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.get(f"http://{host}:{port}/")
        async with asyncio.timeout(PATIENCE_S):
            assert (await outcome).status == 200
    finally:
        await runner.cleanup()
