"""How SQLite holds the read model's values: as texts and numbers that people and tools can read as they are.

Decimals are plain texts without trailing zeros, so equal numbers are equal texts; times are ISO 8601 in UTC with
milliseconds and ``Z``, days ``YYYY-MM-DD``, lists and objects JSON, booleans 0 and 1.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from contracts.values import iso_millis
from tradeengine.projection.tables import Kind

_EPOCH = date(1970, 1, 1)
_COMPLEMENT = str.maketrans("0123456789", "9876543210")

COLUMN_TYPES = {
    Kind.TEXT: "TEXT",
    Kind.DECIMAL: "TEXT",
    Kind.TIME: "TEXT",
    Kind.DATE: "TEXT",
    Kind.INTEGER: "INTEGER",
    Kind.BOOLEAN: "INTEGER",
    Kind.JSON: "TEXT",
}


def decimal_text(value: Decimal) -> str:
    """Plain text of a decimal: no exponent, no trailing zeros, no negative zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def decimal_order(text: str | None) -> str:
    """Text that sorts, byte by byte, as the decimal of a plain text does; what is missing comes first."""
    if text is None:
        return ""
    whole, _, fraction = text.lstrip("-").partition(".")
    digits = f"{whole:0>40}.{fraction}"
    return f"-{digits.translate(_COMPLEMENT)}~" if text.startswith("-") else f"0{digits}"


def _text(value: Any) -> str:
    return value if type(value) is str else str(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _same(value: Any) -> Any:
    return value


TO_STORE: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: _text,
    Kind.DECIMAL: decimal_text,
    # The rows of one record share a few times.
    Kind.TIME: lru_cache(maxsize=256)(iso_millis),
    Kind.DATE: lambda day: (_EPOCH + timedelta(days=day)).isoformat(),
    Kind.INTEGER: _same,
    Kind.BOOLEAN: int,
    Kind.JSON: _json,
}
"""How values become what SQLite holds, by kind; ``None`` stays ``None``."""

_FROM_STORE: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: _same,
    Kind.DECIMAL: Decimal,
    Kind.INTEGER: _same,
    Kind.BOOLEAN: bool,
    Kind.JSON: msgspec.json.decode,
}
_TO_JSON: Mapping[Kind, Callable[[Any], Any]] = {Kind.BOOLEAN: bool, Kind.JSON: msgspec.json.decode}


def to_store(kind: Kind, value: Any) -> Any:
    """Value as SQLite holds it."""
    return None if value is None else TO_STORE[kind](value)


def from_store(kind: Kind, held: Any) -> Any:
    """Value of what SQLite holds, for columns that changes build on: all kinds but times and days."""
    return None if held is None else _FROM_STORE[kind](held)


def to_json(kind: Kind, held: Any) -> Any:
    """What SQLite holds as a JSON value for users: decimals and times stay texts."""
    return _TO_JSON[kind](held) if kind in _TO_JSON and held is not None else held
