"""Prices for the paper venue, where no feed brings them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import ValidationError

from contracts.api import Code, PaperPrice
from contracts.signal import InvalidSignal, decode_json
from tradeengine.api.auth import Keyring, Role
from tradeengine.api.parameters import only
from tradeengine.api.problems import ProblemError, documented

PostPrice = Callable[[str, Decimal], None]
"""Trades a symbol at a new price; raises ``LookupError`` with a text if the symbol is not traded."""

_Symbol = Annotated[str, Path(pattern="^[A-Z0-9]{2,30}$")]
_BODY = {"required": True, "content": {"application/json": {"schema": PaperPrice.model_json_schema()}}}


def paper(post_price: PostPrice, keyring: Keyring) -> APIRouter:
    """Routes that drive the paper venue; there are none where a real exchange makes the prices."""
    router = APIRouter(
        tags=["paper"],
        dependencies=[Depends(keyring.require(Role.TRADER)), Depends(only())],
        responses=documented(401, 403, 404, 413, 422, 503),
    )

    @router.put(
        "/paper/prices/{symbol}", status_code=204, response_class=Response, openapi_extra={"requestBody": _BODY}
    )
    async def price(symbol: _Symbol, request: Request) -> Response:
        """Let a symbol trade at a new price: resting orders that it reaches fill."""
        stated = _price(await request.body())
        try:
            post_price(symbol, stated)
        except LookupError as error:
            raise ProblemError(404, Code.NOT_FOUND, str(error.args[0])) from None
        return Response(status_code=204)

    return router


def _price(body: bytes) -> Decimal:
    # FastAPI's own reading of a body would make floats of numbers.
    try:
        return PaperPrice.model_validate(decode_json(body)).price
    except InvalidSignal as error:
        raise ProblemError(422, Code.NOT_JSON, str(error)) from None
    except ValidationError as error:
        errors = [f"{'.'.join(map(str, found['loc'])) or 'body'}: {found['msg']}" for found in error.errors()]
        raise ProblemError(422, Code.INVALID_REQUEST, "; ".join(errors), errors=errors) from None
