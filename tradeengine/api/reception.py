"""Reception: answers from the first moment on, while what the engine needs to answer more is being brought up."""

from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.api import Code
from tradeengine.api.problems import RETRY, ProblemError, response_of
from tradeengine.api.rendering import json_response

_STARTING = "the engine is starting"


class Reception:
    """An application that says it lives and is not ready, until there is the real one.

    However long a start takes, because an exchange or a disk is slow: the process lives, and to start it again would
    not help.
    """

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    def open(self, app: ASGIApp) -> None:
        """Let an application answer from now on."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._app is not None:
            await self._app(scope, receive, send)
        elif scope["path"] == "/live":
            await json_response({"status": "alive"})(scope, receive, send)
        elif scope["path"] == "/ready":
            await json_response({"ready": False, "reasons": [_STARTING]}, 503)(scope, receive, send)
        else:
            problem = ProblemError(503, Code.TRY_AGAIN, f"{_STARTING}; nothing was done, try again", RETRY)
            await response_of(problem)(scope, receive, send)
