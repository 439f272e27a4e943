"""Exact decimals and unambiguous times: the scalar types that the models share."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
# 1e11 s lies in the year 5138 and 1e11 ms in 1973: between the accepted years the two units cannot be confused.
_FIRST_MILLISECOND_NUMBER = Decimal(100_000_000_000)

# What DECIMAL(38,18) holds; anything beyond could not be recorded exactly.
MAX_DIGITS = 38
MAX_DECIMALS = 18


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number or a text holding one, not true or false")
    return value


def _plain(value: Decimal) -> str:
    return format(value, "f")


_AS_TEXT = PlainSerializer(_plain, return_type=str, when_used="json-unless-none")
_Bounded = Field(max_digits=MAX_DIGITS, decimal_places=MAX_DECIMALS, allow_inf_nan=False)

Number = Annotated[Decimal, BeforeValidator(_refuse_bool), _Bounded, _AS_TEXT]
"""A finite decimal of either sign; a string in JSON output."""

Positive = Annotated[Decimal, BeforeValidator(_refuse_bool), _Bounded, Field(gt=0, lt=10**15), _AS_TEXT]
"""A finite decimal above zero: a price or a quantity."""

Fraction = Annotated[Decimal, BeforeValidator(_refuse_bool), _Bounded, Field(ge=0, le=1), _AS_TEXT]
"""A finite decimal from 0 to 1."""


def parse_timestamp(value: Any) -> datetime:
    """Read a point in time; refuse what is ambiguous instead of guessing.

    Parameters
    ----------
    value
        ISO 8601 text (naive means UTC), or seconds or milliseconds since 1970 as a number or a text,
        or a datetime.

    Returns
    -------
    datetime
        Aware, in UTC, with microseconds.

    Raises
    ------
    ValueError
        If the value is none of these, or lies outside the years 2000 to 2099.
    """
    moment = _moment(value)
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError(f"timestamp {value!r} lies outside the years 2000 to 2099")
    return moment


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError(f"timestamp must be ISO 8601 text or an epoch number, not {type(value).__name__}")
    try:
        return _from_epoch(Decimal(str(value)))
    except InvalidOperation:
        pass
    try:
        parsed = datetime.fromisoformat(str(value).strip())
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"timestamp {str(value)[:64]!r} is neither ISO 8601 nor an epoch number") from None


def _from_epoch(number: Decimal) -> datetime:
    if not number.is_finite() or number < 0 or number > 10**14:
        raise ValueError(f"timestamp {number} is no epoch number in seconds or milliseconds")
    seconds = number / 1000 if number >= _FIRST_MILLISECOND_NUMBER else number
    return EPOCH + timedelta(microseconds=int(seconds * 1_000_000))


def to_millis(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime, cut off."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_millis(millis: int) -> datetime:
    """Aware UTC datetime of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=millis)


def iso_millis(millis: int) -> str:
    """ISO 8601 text with milliseconds and ``Z`` of milliseconds since 1970."""
    return from_millis(millis).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Timestamp = Annotated[datetime, BeforeValidator(parse_timestamp)]
"""An aware UTC datetime, read by :func:`parse_timestamp`."""
