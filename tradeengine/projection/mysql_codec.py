"""How MySQL holds the read model's values, and which values it cannot hold.

Decimals are ``DECIMAL(38,18)``, times ``DATETIME(3)`` in UTC, days ``DATE``, lists and objects ``JSON``.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import msgspec
from pymysql.converters import escape_string

from contracts.values import MAX_DECIMALS, MAX_DIGITS, iso_millis
from tradeengine.projection.tables import Kind, Table

_EPOCH: Final = date(1970, 1, 1)
_EPOCH_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class UnfitError(Exception):
    """A value that a column cannot hold exactly."""


_UNFIT: Final = (UnfitError, AttributeError, OverflowError, TypeError, ValueError)
_SHORT: Final = MAX_DIGITS - MAX_DECIMALS


def fits(value: Decimal) -> bool:
    """Whether ``DECIMAL(38,18)`` holds a finite number without rounding it."""
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return False
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0")) if exponent < -MAX_DECIMALS else 0
    return not value or (exponent + zeros >= -MAX_DECIMALS and value.adjusted() < MAX_DIGITS - MAX_DECIMALS)


class RowLiteral:
    """Writes rows of a table as SQL: what to do with each column is found out once, for it is done for every value.

    Parameters
    ----------
    columns
        Columns in the order in which rows name their values.
    """

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._writers = tuple(_writer(table, column) for column in columns)

    def __call__(self, values: Sequence[Any]) -> bytes:
        """Values in brackets, for the server to read.

        Raises
        ------
        UnfitError
            If MySQL would round one, or take it for another: the text names column and value.
        """
        try:
            found = ["NULL" if v is None else write(v) for write, v in zip(self._writers, values, strict=True)]
            return f"({','.join(found)})".encode()
        except _UNFIT as error:
            raise self._why(values) from error

    def _why(self, values: Sequence[Any]) -> UnfitError:
        """Find the column whose value did not fit."""
        for column, write, value in zip(self._columns, self._writers, values, strict=True):
            try:
                if value is not None:
                    write(value).encode()
            except UnfitError as error:
                return UnfitError(f"{column}={error}")
            except _UNFIT as error:
                return UnfitError(f"{column}={value!r} is none of its kind: {error}")
        return UnfitError("the row cannot be written")


def _writer(table: Table, column: str) -> Callable[[Any], str]:
    kind = table.columns[column]
    return _key_literal if kind is Kind.TEXT and column in table.key else _LITERALS[kind]


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


def _day(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()


@lru_cache(maxsize=256)
def _time(time_ms: int) -> str:
    return iso_millis(time_ms).replace("T", " ").removesuffix("Z")


@lru_cache(maxsize=256)
def _millis(held: str) -> int:
    return (datetime.fromisoformat(held).replace(tzinfo=UTC) - _EPOCH_TIME) // _MILLISECOND


def _text_literal(value: Any) -> str:
    return f"'{escape_string(value if type(value) is str else str(value))}'"


def _key_literal(value: Any) -> str:
    literal = _text_literal(value)
    if literal[-2] == " ":
        raise UnfitError(f"{value!r} ends with a blank, which MySQL does not tell from the name without it")
    return literal


def _decimal_literal(value: Decimal) -> str:
    literal = format(value, "f")
    # A short text has not even room for too many digits.
    if (len(literal) > _SHORT or not value.is_finite()) and not fits(value):
        raise UnfitError(f"{value} has more than {MAX_DECIMALS} decimals or {MAX_DIGITS} digits")
    return literal


@lru_cache(maxsize=1024)
def _time_literal(time_ms: int) -> str:
    return f"'{_time(time_ms)}'"


def _decimal_text(held: str) -> str:
    """Plain text without the zeros that fill the column's eighteen decimals."""
    return held.rstrip("0").rstrip(".") if "." in held else held


_TO_STORE: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: _text,
    Kind.DECIMAL: _same,
    Kind.TIME: _time,
    Kind.DATE: _day,
    Kind.INTEGER: _same,
    Kind.BOOLEAN: int,
    Kind.JSON: lambda value: msgspec.json.encode(value).decode(),
}
_LITERALS: dict[Kind, Callable[[Any], str]] = {
    Kind.TEXT: _text_literal,
    Kind.DECIMAL: _decimal_literal,
    Kind.TIME: _time_literal,
    Kind.DATE: lambda day: f"'{_day(day)}'",
    Kind.INTEGER: lambda value: str(int(value)),
    Kind.BOOLEAN: lambda value: str(int(value)),
    # The session's sql_mode has backslashes escape, which these texts are full of.
    Kind.JSON: lambda value: f"'{escape_string(msgspec.json.encode(value).decode())}'",
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
