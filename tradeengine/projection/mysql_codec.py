"""How MySQL holds the read model's values, and which values it cannot hold.

Decimals are ``DECIMAL(38,18)``, times ``DATETIME(3)`` in UTC, days ``DATE``, lists and objects ``JSON``.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import msgspec

from contracts.values import MAX_DECIMALS, MAX_DIGITS, iso_millis
from tradeengine.projection.tables import Kind, Table

_EPOCH: Final = date(1970, 1, 1)
_EPOCH_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class UnfitError(Exception):
    """A value that a column cannot hold exactly."""


def fits(value: Decimal) -> bool:
    """Whether ``DECIMAL(38,18)`` holds a finite number without rounding it."""
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return False
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0")) if exponent < -MAX_DECIMALS else 0
    return not value or (exponent + zeros >= -MAX_DECIMALS and value.adjusted() < MAX_DIGITS - MAX_DECIMALS)


def parameters(table: Table, columns: Iterable[str], values: Iterable[Any]) -> list[Any]:
    """Values of columns as parameters of a statement that writes them.

    Raises
    ------
    UnfitError
        If MySQL would round one, or take it for another: the text names column and value.
    """
    return [
        None if value is None else _held(table, column, value) for column, value in zip(columns, values, strict=True)
    ]


def _held(table: Table, column: str, value: Any) -> Any:
    kind = table.columns[column]
    try:
        held = _TO_STORE[kind](value)
    except (OverflowError, TypeError, ValueError) as error:
        raise UnfitError(f"{column}={value!r} is none of its kind: {error}") from error
    if kind is Kind.DECIMAL and not fits(held):
        raise UnfitError(f"{column}={held} has more than {MAX_DECIMALS} decimals or {MAX_DIGITS} digits")
    if kind is Kind.TEXT and held.endswith(" ") and column in table.key:
        raise UnfitError(f"{column}={held!r} ends with a blank, which MySQL does not tell from the name without it")
    return held


def to_store(kind: Kind, value: Any) -> Any:
    """Value as a parameter of a comparison."""
    return _TO_STORE[kind](value)


def from_store(kind: Kind, held: Any) -> Any:
    """Value of what MySQL holds, as changes carry it."""
    return None if held is None else _FROM_STORE[kind](held)


def to_json(kind: Kind, held: Any) -> Any:
    """What MySQL holds as a JSON value for users, the same as of the other stores."""
    return _TO_JSON[kind](held) if held is not None and kind in _TO_JSON else held


def _text(value: Any) -> str:
    return value if type(value) is str else str(value)


def _same(value: Any) -> Any:
    return value


@lru_cache(maxsize=256)
def _time(time_ms: int) -> str:
    return iso_millis(time_ms).replace("T", " ").removesuffix("Z")


@lru_cache(maxsize=256)
def _millis(held: str) -> int:
    return (datetime.fromisoformat(held).replace(tzinfo=UTC) - _EPOCH_TIME) // _MILLISECOND


def _decimal_text(held: str) -> str:
    """Plain text without the zeros that fill the column's eighteen decimals."""
    return held.rstrip("0").rstrip(".") if "." in held else held


_TO_STORE: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: _text,
    Kind.DECIMAL: _same,
    Kind.TIME: _time,
    Kind.DATE: lambda day: (_EPOCH + timedelta(days=day)).isoformat(),
    Kind.INTEGER: _same,
    Kind.BOOLEAN: int,
    Kind.JSON: lambda value: msgspec.json.encode(value).decode(),
}
_FROM_STORE: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: _same,
    Kind.DECIMAL: lambda held: Decimal(_decimal_text(held)),
    Kind.TIME: _millis,
    Kind.DATE: lambda held: (date.fromisoformat(held) - _EPOCH).days,
    Kind.INTEGER: _same,
    Kind.BOOLEAN: bool,
    Kind.JSON: msgspec.json.decode,
}
_TO_JSON: dict[Kind, Callable[[Any], Any]] = {
    Kind.DECIMAL: _decimal_text,
    Kind.TIME: lambda held: f"{held.replace(' ', 'T')}Z",
    Kind.BOOLEAN: bool,
    Kind.JSON: msgspec.json.decode,
}
