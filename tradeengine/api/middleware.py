"""What every request goes through: a bound on its body, and a measurement."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.api import Code
from contracts.signal import MAX_SIGNAL_BYTES
from shared.clock import Clock
from shared.metrics import Metrics
from tradeengine.api.problems import ProblemError, response_of

MAX_BODY_BYTES = MAX_SIGNAL_BYTES
"""Largest request body, in bytes."""

_MAX_DISCARDED = 64 * MAX_BODY_BYTES
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_PROBES = frozenset({"/live", "/ready", "/metrics"})


class BodyLimit:
    """Answers 413 to a body that is too large, whatever its headers promised."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        body, size = await _read(receive)
        if body is None:
            detail = f"the body has {size} bytes or more, at most {MAX_BODY_BYTES} are read: send fewer signals at once"
            await response_of(ProblemError(413, Code.BODY_TOO_LARGE, detail))(scope, receive, send)
            return
        replay = iter(({"type": "http.request", "body": body, "more_body": False},))

        async def again() -> Message:
            return next(replay, None) or await receive()

        await self._app(scope, again, send)


async def _read(receive: Receive) -> tuple[bytes | None, int]:
    """Read a body; of one that is too large the rest is read away, because most clients send all before they listen."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more and size <= _MAX_DISCARDED:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        more = message.get("more_body", False)
    return (b"".join(chunks), size) if size <= MAX_BODY_BYTES else (None, size)


class Measured:
    """Counts and times requests by route, never by path; probes are left out."""

    def __init__(self, app: ASGIApp, metrics: Metrics, clock: Clock) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in _PROBES:
            await self._app(scope, receive, send)
            return
        started = self._clock.monotonic()
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.http_request(route, method, status, self._clock.monotonic() - started)
