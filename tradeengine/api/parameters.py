"""Query parameters: the known ones, each at most once."""

from collections.abc import Awaitable, Callable

from fastapi import Request

from contracts.api import Code
from tradeengine.api.problems import ProblemError


def only(*known: str) -> Callable[[Request], Awaitable[None]]:
    """Dependency that refuses query parameters other than these, and repeated ones."""

    async def check(request: Request) -> None:
        once(request)
        unknown = sorted(set(request.query_params) - set(known))
        if unknown:
            allowed = f"known are {', '.join(known)}" if known else "the route takes none"
            detail = f"unknown query parameter {unknown[0]!r}: {allowed}"
            raise ProblemError(422, Code.UNKNOWN_PARAMETER, detail)

    return check


def once(request: Request) -> None:
    """Refuse a query parameter that is given twice: one of the two would be lost."""
    names = [name for name, _ in request.query_params.multi_items()]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ProblemError(422, Code.INVALID_REQUEST, f"query parameter {repeated[0]!r} is given twice: give it once")
