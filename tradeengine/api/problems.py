"""Problem documents (RFC 9457): every error of the API, each with a stable code."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from contracts.api import PROBLEM_TYPE, Code, Problem
from contracts.query import QueryError
from shared.errors import EngineError, Fenced, Halted, OutcomeUnknown, RetrySafe
from tradeengine.api.rendering import encode

RETRY = {"Retry-After": "1"}
"""Headers of what may be asked again soon."""

_TITLES = {Code.OUTCOME_PENDING: "The outcome is not known yet", Code.NO_KEY_CONFIGURED: "No key is configured"}
_BY_STATUS = {
    404: (Code.NOT_FOUND, "no such route: see /openapi.json"),
    405: (Code.METHOD_NOT_ALLOWED, "the route does not take this method: see the Allow header"),
}

log = structlog.get_logger(__name__)


class ProblemError(Exception):
    """Ends a request with a problem document.

    Parameters
    ----------
    detail
        What was wrong, where, and what to do.
    errors
        One text for each part of the request that is wrong.
    """

    def __init__(
        self,
        status: int,
        code: Code,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[str] = (),
    ) -> None:
        super().__init__(detail)
        self.headers = headers
        self.problem = Problem(
            title=_TITLES.get(code, HTTPStatus(status).phrase),
            status=status,
            code=code,
            detail=detail,
            errors=list(errors),
        )


def outcome_pending(detail: str) -> ProblemError:
    """The signal may have been decided; sending it again tells."""
    text = f"{detail}; send the same signal_id again: it is decided once"
    return ProblemError(503, Code.OUTCOME_PENDING, text, RETRY)


def of_engine_error(error: EngineError) -> ProblemError:
    """What an error of the engine means to a client."""
    match error:
        case RetrySafe():
            return ProblemError(503, Code.TRY_AGAIN, f"{error}; nothing was done, try again", RETRY)
        case OutcomeUnknown():
            return outcome_pending(str(error))
        case Fenced():
            return ProblemError(503, Code.NOT_OWNER, f"{error}; another process decides it, try again", RETRY)
        case Halted():
            return ProblemError(503, Code.HALTED, str(error))
        case _:
            return ProblemError(500, Code.INTERNAL_ERROR, str(error))


def response_of(error: ProblemError) -> Response:
    """The problem document as a response."""
    return Response(encode(error.problem), error.problem.status, error.headers, media_type=PROBLEM_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""

    @app.exception_handler(ProblemError)
    async def on_problem(_request: Request, error: ProblemError) -> Response:
        return response_of(error)

    @app.exception_handler(EngineError)
    async def on_engine_error(request: Request, error: EngineError) -> Response:
        log.warning("request_failed", path=request.url.path, error=str(error), kind=type(error).__name__)
        return response_of(of_engine_error(error))

    @app.exception_handler(QueryError)
    async def on_query_error(_request: Request, error: QueryError) -> Response:
        return response_of(ProblemError(422, error.code, str(error)))

    @app.exception_handler(RequestValidationError)
    async def on_invalid_request(_request: Request, error: RequestValidationError) -> Response:
        errors = [f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()]
        return response_of(ProblemError(422, Code.INVALID_REQUEST, "; ".join(errors), errors=errors))

    @app.exception_handler(HTTPException)
    async def on_http_exception(_request: Request, error: HTTPException) -> Response:
        code, detail = _BY_STATUS.get(error.status_code, (Code.REFUSED, error.detail))
        return response_of(ProblemError(error.status_code, code, detail, error.headers))

    @app.exception_handler(Exception)
    async def on_defect(_request: Request, _error: Exception) -> Response:
        # The server logs the traceback.
        detail = "the engine failed to answer; its log has the details, and a signal sent again is decided once"
        return response_of(ProblemError(500, Code.INTERNAL_ERROR, detail))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's responses for errors of these statuses."""
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}
