"""Requests over HTTP: read as they are on the wire, answered with the exchange's headers."""

from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache

from aiohttp import web

from tradeengine.simulator.call import http_call
from tradeengine.simulator.gateway import Answer, Cut, Gateway
from tradeengine.simulator.wire import to_json

JSON = "application/json"
_HTML = "text/html"


class HttpFront:
    """Answers HTTP requests.

    Parameters
    ----------
    gateway
        Where they are answered.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def answer(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        """Answer one request.

        Parameters
        ----------
        path, query
            Of the request line, as received.
        """
        body = ""
        # A GET's parameters stand in the query only (Binance docs, General Info).
        if request.can_read_body:
            raw = await request.read()
            body = "" if request.method == "GET" else raw.decode("utf-8", "replace")
        call = http_call(
            request.method,
            path,
            ip=request.remote or "",
            key=request.headers.get("X-MBX-APIKEY"),
            query=query,
            body=body,
        )
        answer = await self._gateway.answer(call)
        headers = server_headers(self._gateway.world.clock.now_ms())
        return await respond(request, answer, headers | self._gateway.headers(call, answer))


def server_headers(now_ms: int) -> dict[str, str]:
    """Headers that a server makes; time is the simulator's, so that the same requests get the same bytes."""
    return {"Date": _date(now_ms // 1000), "Server": "Bengine"}


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


async def respond(request: web.BaseRequest, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    """Write an answer, or as much of it as is to arrive.

    Parameters
    ----------
    headers
        All but the content's type and length.
    """
    if answer.cut is Cut.WHOLE:
        return cut(request)
    is_page = isinstance(answer.document, str)
    body = answer.document.encode() if is_page else to_json(answer.document)
    headers["Content-Type"] = _HTML if is_page else JSON
    if answer.cut is Cut.HALF:
        return await _write_half(request, answer.status, headers, body)
    return web.Response(status=answer.status, body=body, headers=headers)


def cut(request: web.BaseRequest) -> web.StreamResponse:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _write_half(
    request: web.BaseRequest, status: int, headers: dict[str, str], body: bytes
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    # Whoever asked may have gone meanwhile: then not even half of the answer is wanted.
    with suppress(ConnectionResetError):
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
