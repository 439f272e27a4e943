"""One request as the exchange sees it, whichever way it came."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from tradeengine.simulator.signing import as_text, text_of_params, texts_of_request

WS_API_PATH = "/ws-fapi/v1"


@dataclass(slots=True)
class Call:
    """One request.

    Parameters
    ----------
    method, path
        ``POST`` and ``/fapi/v1/order``; over the WebSocket API ``order.place`` and ``/ws-fapi/v1``.
    ip
        Address of the client, which weights are counted by.
    key
        API key that was sent, if any.
    values
        Parameters by lower-case name, decoded.
    texts
        What the client may have signed.
    signature
        The signature, if it was sent and stood where it must.
    duplicate
        Name of a parameter that one part of the request holds twice.
    over_ws
        Whether it came over the WebSocket API.
    """

    method: str
    path: str
    ip: str
    key: str | None
    values: dict[str, str]
    texts: tuple[str, ...]
    signature: str | None
    duplicate: str | None = None
    over_ws: bool = False


def http_call(method: str, path: str, *, ip: str, key: str | None, query: str, body: str) -> Call:
    """Read an HTTP request.

    Parameters
    ----------
    query, body
        As received. Where both hold a parameter, the query's value counts; a GET has no body (Binance docs, General
        Info).
    """
    query_text, signature = _cut_signature(query)
    body_text = body
    if body and signature is None:
        body_text, signature = _cut_signature(body)
    values: dict[str, str] = {}
    duplicate = _read_form(body, values) if body else None
    if query:
        named: dict[str, str] = {}
        duplicate = _read_form(query, named) or duplicate
        values |= named
    return Call(method, path, ip, key, values, texts_of_request(query_text, body_text), signature, duplicate)


def ws_call(method: str, params: Mapping[str, Any], *, ip: str) -> Call:
    """Read a request of the WebSocket API."""
    values: dict[str, str] = {}
    duplicate = None
    for name, value in params.items():
        if name.lower() in values:
            duplicate = name
        values[name.lower()] = as_text(value)
    key = values.get("apikey")
    signature = values.get("signature")
    texts = (text_of_params(params),)
    return Call(method, WS_API_PATH, ip, key, values, texts, signature, duplicate, over_ws=True)


def _read_form(text: str, into: dict[str, str]) -> str | None:
    """Fill in the parameters; the name of one that comes twice."""
    duplicate = None
    encoded = "%" in text or "+" in text
    for part in text.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        if encoded:
            name, value = unquote_plus(name), unquote_plus(value)
        name = name.lower()
        if name in into:
            duplicate = name
        into[name] = value
    return duplicate


def _cut_signature(text: str) -> tuple[str, str | None]:
    """The text without the signature that ends it; a signature that stands elsewhere is left in the text."""
    head, _, last = text.rpartition("&")
    if last[:10].lower() == "signature=":
        return head, last[10:]
    return text, None
