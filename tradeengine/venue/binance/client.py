"""python-binance's client, told where to go and made to say what it did."""

import json
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
from binance import AsyncClient

from tradeengine.venue.binance.failures import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tradeengine.venue.binance.addresses import Addresses

_CONNECTIONS = 64
_CONNECT_S = 3.0
_KEEP_ALIVE_S = 60.0

Fence = Callable[[int, int], None]
"""Called with a signed request's time and recvWindow, both in milliseconds; keeps it here by raising ``Fenced``, or
``RetrySafe`` if it may be sent later."""


@dataclass(slots=True)
class Transfer:
    """What is known of one request besides its answer.

    Parameters
    ----------
    timeout_s
        How long it may take in all, seconds.
    fenced
        Whether it must pass the fence: it has an effect that must not come late.
    sent
        Whether it began to leave.
    """

    timeout_s: float
    fenced: bool = False
    sent: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The exchange answered with an error; it never leaves the venue."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


class Illegible(Exception):
    """The exchange answered with success and something that is no JSON; it never leaves the venue."""


_transfer: ContextVar[Transfer | None] = ContextVar("transfer", default=None)


@contextmanager
def watching(watched: Transfer) -> "Iterator[None]":
    """Note what becomes of the request that is made inside."""
    token = _transfer.set(watched)
    try:
        yield
    finally:
        _transfer.reset(token)


class BinanceClient(AsyncClient):  # type: ignore[misc] # the library has no types
    """The library's client for one address and one key; make it inside a running loop.

    What the library's constructor and ``create`` would do is left out where it harms: ``create`` asks the spot market
    for the time. The library signs with the machine's clock, which it reads by itself, plus :attr:`offset_ms`.

    Parameters
    ----------
    recv_window_ms
        How old a signed request may be when the exchange takes it, milliseconds; the library's 10,000 would keep the
        fate of a lost request open for that long.
    fence
        Asked after signing, before an order or a cancel leaves.
    """

    def __init__(
        self,
        addresses: "Addresses",
        key: str,
        secret: str,
        *,
        recv_window_ms: int = 2_000,
        fence: Fence | None = None,
    ) -> None:
        super().__init__(
            key,
            secret,
            session_params={
                "connector": aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_KEEP_ALIVE_S),
                "trace_configs": [_tracing()],
            },
        )
        self.FUTURES_URL = f"{addresses.rest}/fapi"
        self.FUTURES_DATA_URL = f"{addresses.rest}/futures/data"
        self.API_URL = f"{addresses.rest}/api"
        self.REQUEST_RECVWINDOW = recv_window_ms
        self._fence = fence

    @property
    def offset_ms(self) -> int:
        """What the exchange's clock is ahead of the machine's, milliseconds; signed requests carry its time."""
        return int(self.timestamp_offset)

    @offset_ms.setter
    def offset_ms(self, offset_ms: int) -> None:
        self.timestamp_offset = offset_ms

    def _get_request_kwargs(
        self, method: str, signed: bool, force_params: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        request: dict[str, Any] = super()._get_request_kwargs(method, signed, force_params, **kwargs)
        watched = _transfer.get()
        if watched is not None:
            request["timeout"] = aiohttp.ClientTimeout(total=watched.timeout_s, sock_connect=_CONNECT_S)
            request["trace_request_ctx"] = watched
        if signed and watched is not None and watched.fenced and self._fence is not None:
            self._fence(int(dict(request["data"])["timestamp"]), self.REQUEST_RECVWINDOW)
        return request

    async def _handle_response(self, response: aiohttp.ClientResponse) -> Any:
        """Read an answer: the library's own way loses digits, and fails on errors that are no JSON objects."""
        body = (await response.read()).decode(errors="replace")
        try:
            document = json.loads(body, parse_float=Decimal) if body else {}
        except (ValueError, RecursionError):
            document = None
        code = document.get("code") if isinstance(document, dict) else None
        refused = isinstance(code, int) and code < 0
        if response.status // 100 == 2 and not refused:
            if document is None:
                raise Illegible(body)
            return document
        message = str(document.get("msg") or "") if isinstance(document, dict) else body
        raise Refused(Answer(response.status, code if refused else None, message[:500], dict(response.headers)))


def _tracing() -> aiohttp.TraceConfig:
    # The library keeps one answer for all coroutines; a trace belongs to its request.
    tracing = aiohttp.TraceConfig()

    async def sent(_: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
        if isinstance(context.trace_request_ctx, Transfer):
            context.trace_request_ctx.sent = True

    async def answered(
        _: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        if isinstance(context.trace_request_ctx, Transfer):
            context.trace_request_ctx.headers = params.response.headers

    tracing.on_request_headers_sent.append(sent)
    tracing.on_request_end.append(answered)
    return tracing
