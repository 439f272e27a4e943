"""JSON answers: decimals as strings, times as ISO 8601 UTC."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from fastapi import Response
from pydantic import BaseModel

from contracts.values import iso_utc


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(encode(content), status, headers, media_type="application/json")


def encode(content: Any) -> bytes:
    """JSON of plain values, decimals, times and pydantic models."""
    return msgspec.json.encode(plain(content))


def plain(value: Any) -> Any:
    """Make every decimal a string without exponent, every time a text, and every model a dictionary."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return iso_utc(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
