"""A proxy before the simulator that changes answers: what the exchange may say and the simulator never does."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

Lie = Callable[[Any], Any]


@asynccontextmanager
async def liar(url: str, lies: dict[str, Lie]) -> AsyncIterator[str]:
    """Serve what an address serves, with the answers of some paths changed.

    Parameters
    ----------
    lies
        End of a path to what is made of its answer: a document, or text that is sent as it is.
    """
    async with aiohttp.ClientSession(auto_decompress=True) as session:

        async def forward(request: web.BaseRequest) -> web.Response:
            headers = {"X-MBX-APIKEY": request.headers["X-MBX-APIKEY"]}
            if "Content-Type" in request.headers:
                headers["Content-Type"] = request.headers["Content-Type"]
            async with session.request(
                request.method, url + request.raw_path, data=await request.read(), headers=headers
            ) as answer:
                body = await answer.text()
                for path, lie in lies.items():
                    if request.path.endswith(path):
                        changed = lie(json.loads(body))
                        body = changed if isinstance(changed, str) else json.dumps(changed)
                return web.Response(status=answer.status, text=body, content_type="application/json")

        runner = web.ServerRunner(web.Server(forward))
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
