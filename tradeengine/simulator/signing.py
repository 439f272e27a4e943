"""Signatures of requests: HMAC SHA-256 over the text of the parameters."""

import hmac
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus


def sign(secret: str, text: str) -> str:
    """Signature of a text, as lower-case hexadecimal digits."""
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()


def is_signed(secret: str, texts: Iterable[str], signature: str) -> bool:
    """Whether one of the texts has this signature; upper and lower case of the digits are the same."""
    given = signature.lower().encode()
    return any(hmac.compare_digest(sign(secret, text).encode(), given) for text in texts)


def texts_of_request(query: str, body: str) -> tuple[str, ...]:
    """Texts that a client may have signed for an HTTP request.

    Parameters
    ----------
    query, body
        As received, without the signature.

    Returns
    -------
    tuple of str
        Query and body without a separator (Binance docs, General Info), as received; and, where that differs, decoded,
        for clients that sign before they percent-encode.
    """
    raw = query + body
    if "%" not in raw and "+" not in raw:
        return (raw,)
    return raw, unquote_plus(query) + unquote_plus(body)


def text_of_params(params: Mapping[str, Any]) -> str:
    """Text to sign for a request of the WebSocket API.

    All parameters but the signature, sorted by name (Binance docs, WebSocket API General Info).
    """
    return "&".join(f"{name}={as_text(params[name])}" for name in sorted(params) if name != "signature")


def as_text(value: Any) -> str:
    """A JSON value as the form parameter it stands for."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
