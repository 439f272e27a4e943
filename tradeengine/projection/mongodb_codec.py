"""How MongoDB holds the read model's values, so that people and pipelines can calculate with them as they are.

Decimals are ``Decimal128`` without trailing zeros, times dates in UTC with milliseconds, days texts such as
``2026-01-31``, lists and objects documents. A column that is null may be left out. A document's ``_id`` is the row's
key; of several columns it is their texts joined by ``/``, with ``%`` and ``/`` in them percent-encoded.

Beside the columns a document has:

- ``_applied``: shard's generation and sequence of the newest batch of records that wrote it, as one number;
- ``_made``: a text that sorts as rows were made;
- ``_shard``: the shard that it belongs to.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import bson
import msgspec
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128

from contracts.values import iso_millis
from shared.errors import Rejected
from shared.mongodb import from_decimal128, to_decimal128
from tradeengine.projection.changes import Key
from tradeengine.projection.prefetch import Row
from tradeengine.projection.sqlite_codec import decimal_text
from tradeengine.projection.tables import Kind, Table

APPLIED, MADE, SHARD = "_applied", "_made", "_shard"

CODEC: Final = bson.CodecOptions[dict[str, Any]](datetime_conversion=bson.codec_options.DatetimeConversion.DATETIME_MS)
"""Reads dates as milliseconds: they pass through no other type."""

_EPOCH = date(1970, 1, 1)
_AS_TEXT = "as_json_text"
_MAX_DEPTH = 40
_INT64 = range(-(2**63), 2**63)


def row_id(table: Table, key: Key) -> str:
    """``_id`` of the document of a row."""
    texts = [to_store(table.columns[column], value) for column, value in zip(table.key, key, strict=True)]
    if len(texts) == 1:
        return str(texts[0])
    return "/".join(str(text).replace("%", "%25").replace("/", "%2F") for text in texts)


def key_of(table: Table, document: Mapping[str, Any]) -> Key:
    """Key of a document's row."""
    return tuple([from_store(table.columns[column], document[column]) for column in table.key])


def row_of(table: Table, document: Mapping[str, Any]) -> Row:
    """Columns of a document as changes carry them."""
    return {column: from_store(kind, document[column]) for column, kind in table.columns.items() if column in document}


def to_store(kind: Kind, value: Any) -> Any:
    """Value as MongoDB holds it.

    Raises
    ------
    Rejected
        If MongoDB has no form for it, such as a number of more than 34 digits.
    """
    return None if value is None else _TO_STORE[kind](value)


def from_store(kind: Kind, held: Any) -> Any:
    """Value of what MongoDB holds, as changes carry it."""
    return None if held is None else _FROM_STORE[kind](held)


def to_json(kind: Kind, held: Any) -> Any:
    """What MongoDB holds as a JSON value for users: decimals and times are texts."""
    return None if held is None else _TO_JSON[kind](held)


def _decimal(value: Decimal) -> Decimal128:
    # A signalling NaN has no hash; what is no number is refused below.
    return _decimal128(value) if value.is_finite() else to_decimal128(value)


@lru_cache(maxsize=4_096)
def _decimal128(value: Decimal) -> Decimal128:
    """Equal numbers have the same form; the driver takes 25 µs for each, and the same few come again and again."""
    return to_decimal128(Decimal(decimal_text(value)))


def _integer(value: int) -> int:
    if value not in _INT64:
        raise Rejected(f"{value} does not fit 64 bits; correct what it is made from")
    return int(value)


def _document(value: Any) -> Any:
    """A JSON value as it is, or as a text where MongoDB has no such document."""
    plain = msgspec.to_builtins(value, str_keys=True)
    return plain if _fits(plain, _MAX_DEPTH) else {_AS_TEXT: msgspec.json.encode(plain).decode()}


def _fits(value: Any, depth: int) -> bool:
    match value:
        case dict():
            names = all(_is_field(name) for name in value) and value.keys() != {_AS_TEXT}
            return names and depth > 0 and all(_fits(item, depth - 1) for item in value.values())
        case list():
            return depth > 0 and all(_fits(item, depth - 1) for item in value)
        case bool():
            return True
        case int():
            return value in _INT64
        case _:
            return True


def _is_field(name: str) -> bool:
    return bool(name) and not name.startswith("$") and "." not in name and "\0" not in name


def _json_value(held: Any) -> Any:
    if isinstance(held, dict) and held.keys() == {_AS_TEXT}:
        return msgspec.json.decode(held[_AS_TEXT])
    return held


def _day(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).isoformat()


def _millis(held: DatetimeMS) -> int:
    return int(held)


_TO_STORE: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: str,
    Kind.DECIMAL: _decimal,
    Kind.TIME: DatetimeMS,
    Kind.DATE: _day,
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: bool,
    Kind.JSON: _document,
}
_FROM_STORE: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: str,
    Kind.DECIMAL: from_decimal128,
    Kind.TIME: _millis,
    Kind.DATE: lambda day: (date.fromisoformat(day) - _EPOCH).days,
    Kind.INTEGER: int,
    Kind.BOOLEAN: bool,
    Kind.JSON: _json_value,
}
_TO_JSON: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: str,
    Kind.DECIMAL: lambda held: decimal_text(from_decimal128(held)),
    Kind.TIME: lambda held: iso_millis(int(held)),
    Kind.DATE: str,
    Kind.INTEGER: int,
    Kind.BOOLEAN: bool,
    Kind.JSON: _json_value,
}
