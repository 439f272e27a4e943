"""Protection and reconciliation: what the exchange really holds, beside the books."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from contracts.api import Code
from contracts.protection import ProtectedPosition, Protection, ReconcileCommand, Reconciliation
from contracts.signal import InvalidSignal, decode_json
from contracts.values import iso_millis
from shared.errors import OutcomeUnknown, RetrySafe
from tradeengine.api.auth import Keyring, Role
from tradeengine.api.parameters import only
from tradeengine.api.problems import ProblemError, documented
from tradeengine.api.rendering import json_response, plain
from tradeengine.api.services import ApiServices
from tradeengine.domain.events import DifferenceFound
from tradeengine.domain.inputs import VenueOrder
from tradeengine.runtime.coverage import CoveredPosition

_SOURCE = "exchange"
_COMMAND = {"required": False, "content": {"application/json": {"schema": ReconcileCommand.model_json_schema()}}}


def truth(services: ApiServices, keyring: Keyring) -> APIRouter:
    """Routes that show what the exchange holds; only POST looks at it anew."""
    router = APIRouter(tags=["truth"], responses=documented(401, 403, 413, 422, 500, 503))
    reader, operator = ([Depends(keyring.require(role)), Depends(only())] for role in (Role.READER, Role.OPERATOR))

    @router.get("/positions/protection", response_model=Protection, dependencies=reader)
    async def protection() -> Response:
        """Every strategy position with the stop and target that rest at the exchange, or naked since when."""
        rows = [_covered(row) for row in services.coverage()]
        return json_response({"source": _SOURCE, "age_seconds": services.reconciler.age_s, "data": rows})

    @router.get("/reconciliation", response_model=Reconciliation, dependencies=reader)
    async def differences() -> Response:
        """What differs between books and exchange, by the newest look; asks and changes nothing."""
        return _answer(services, services.reconciler.differences())

    @router.post(
        "/reconciliation",
        response_model=Reconciliation,
        dependencies=operator,
        openapi_extra={"requestBody": _COMMAND},
    )
    async def reconcile(request: Request) -> Response:
        """Look at the exchange now, tell what differs and, if asked for, repair it."""
        command = _command(await request.body())
        try:
            found = await services.reconciler.examine(repair=command.repair)
        except (RetrySafe, OutcomeUnknown) as error:
            detail = f"what the exchange holds is unknown: {error}; nothing was changed, ask again"
            raise ProblemError(503, Code.TRY_AGAIN, detail) from None
        return _answer(services, found)

    return router


def _answer(services: ApiServices, found: list[DifferenceFound]) -> Response:
    reconciler = services.reconciler
    rows = [_difference(one) for one in found]
    return json_response(
        {"source": _SOURCE, "age_seconds": reconciler.age_s, "data": rows, "trouble": reconciler.trouble}
    )


def _covered(row: CoveredPosition) -> dict[str, Any]:
    position = row.position
    shown = {
        "position_id": position.position_id,
        "strategy_id": position.strategy_id,
        "symbol": row.symbol,
        "position_side": position.side,
        "quantity": position.quantity,
        "entry_price": position.books.entry_price,
        "cover": row.cover,
        "stop": _order(row.stop),
        "target": _order(row.target),
        "naked_since": iso_millis(row.naked_since_ms) if row.naked_since_ms is not None else None,
        "observed_at": iso_millis(row.observed_ms) if row.observed_ms is not None else None,
    }
    return ProtectedPosition.model_validate(plain(shown)).model_dump()


def _order(order: VenueOrder | None) -> dict[str, Any] | None:
    if order is None:
        return None
    return {
        "client_order_id": order.client_order_id,
        "venue_order_id": order.venue_order_id,
        "kind": order.kind,
        "quantity": order.quantity - order.filled,
        "trigger_price": order.trigger_price,
    }


def _difference(found: DifferenceFound) -> dict[str, Any]:
    return {
        "symbol": found.symbol,
        "position_side": found.position_side,
        "kind": found.kind,
        "action": found.action,
        "books": found.books,
        "exchange": found.exchange,
        "client_order_id": found.client_order_id,
        "text": found.text,
    }


def _command(body: bytes) -> ReconcileCommand:
    if not body:
        return ReconcileCommand()
    try:
        return ReconcileCommand.model_validate(decode_json(body))
    except InvalidSignal as error:
        raise ProblemError(422, Code.NOT_JSON, str(error)) from None
    except ValidationError as error:
        errors = [f"{'.'.join(map(str, found['loc'])) or 'body'}: {found['msg']}" for found in error.errors()]
        raise ProblemError(422, Code.INVALID_REQUEST, "; ".join(errors), errors=errors) from None
