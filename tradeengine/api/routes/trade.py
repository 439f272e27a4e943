"""Signals over HTTP: the same way as over NATS, answered with the decision."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from contracts.api import MAX_BATCH_SIGNALS, BatchAnswer, BatchItem, Code
from contracts.decision import Decision
from contracts.signal import InvalidSignal, Signal, decode_json
from contracts.trace import TRACEPARENT
from tradeengine.api.auth import Keyring, Role
from tradeengine.api.decisions import DecisionDesk
from tradeengine.api.parameters import only
from tradeengine.api.problems import ProblemError, documented
from tradeengine.api.rendering import json_response
from tradeengine.api.services import ApiServices

_SIGNAL = {"$ref": "#/components/schemas/Signal"}
# Signals of a batch are judged one by one, so anything is taken; the contract is named for readers.
_ITEMS = {"type": "array", "maxItems": MAX_BATCH_SIGNALS, "items": {"anyOf": [_SIGNAL, {}]}}
_BATCH = {
    "oneOf": [
        _ITEMS,
        {"type": "object", "properties": {"signals": _ITEMS}, "required": ["signals"], "additionalProperties": False},
    ]
}


def trade(services: ApiServices, keyring: Keyring) -> APIRouter:
    """Routes that take signals."""
    router = APIRouter(
        tags=["trade"],
        dependencies=[Depends(keyring.require(Role.TRADER)), Depends(only()), Depends(_json_body)],
        responses=documented(401, 403, 413, 415, 422, 500, 503),
    )
    desk = DecisionDesk(services.desk, services.firsts, services.decision_timeout_s)

    @router.post("/trade/signal", response_model=Decision, openapi_extra=_takes(_SIGNAL))
    async def signal(request: Request) -> Response:
        """Decide one signal and answer with the decision; sent again, it is a duplicate and not decided again.

        A refusal by the engine is a decision too (``outcome`` rejected, with a ``reason``) and answers 200.
        """
        try:
            parsed = Signal.from_json(await request.body()).traced(request.headers.get(TRACEPARENT))
        except InvalidSignal as error:
            services.metrics.signal_invalid()
            raise ProblemError(422, Code.INVALID_SIGNAL, str(error)) from None
        return json_response(await desk.decide(parsed))

    @router.post("/trade", response_model=BatchAnswer, openapi_extra=_takes(_BATCH))
    async def batch(request: Request) -> Response:
        """Decide many signals, given as a list or as ``{"signals": [...]}``; one result for each, in their order."""
        parsed = [_parsed(item) for item in _items(await request.body())]
        trace = request.headers.get(TRACEPARENT)
        signals = {place: item.traced(trace) for place, item in enumerate(parsed) if isinstance(item, Signal)}
        outcomes: dict[int, Decision | ProblemError] = {
            place: item for place, item in enumerate(parsed) if isinstance(item, ProblemError)
        }
        if outcomes:
            services.metrics.signal_invalid(len(outcomes))
        outcomes.update(zip(signals, await desk.decide_all(list(signals.values())), strict=True))
        return json_response({"results": [_item(place, outcomes[place]) for place in range(len(parsed))]})

    return router


def _takes(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def _json_body(request: Request) -> None:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        detail = f"the body is {kind!r}: send application/json"
        raise ProblemError(415, Code.UNSUPPORTED_MEDIA_TYPE, detail)


def _items(body: bytes) -> Sequence[Any]:
    try:
        document = decode_json(body)
    except InvalidSignal as error:
        raise ProblemError(422, Code.NOT_JSON, str(error)) from None
    if isinstance(document, dict) and document.keys() == {"signals"}:
        document = document["signals"]
    if not isinstance(document, list):
        detail = 'a batch is a list of signals, or {"signals": [...]} and nothing else'
        raise ProblemError(422, Code.INVALID_REQUEST, detail)
    if len(document) > MAX_BATCH_SIGNALS:
        detail = f"the batch has {len(document)} signals, at most {MAX_BATCH_SIGNALS} are taken: send several"
        raise ProblemError(422, Code.BATCH_TOO_LARGE, detail)
    return document


def _parsed(document: Any) -> Signal | ProblemError:
    try:
        return Signal.from_document(document)
    except InvalidSignal as error:
        return ProblemError(422, Code.INVALID_SIGNAL, str(error))


def _item(place: int, outcome: Decision | ProblemError) -> BatchItem:
    if isinstance(outcome, ProblemError):
        return BatchItem(index=place, problem=outcome.problem)
    return BatchItem(index=place, decision=outcome)
