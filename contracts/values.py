"""Exact decimals and unambiguous times: the scalar types that the models share."""

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The years 2000 to 2099, and a day more on both ends for local times written with an offset.
_EARLIEST = datetime(1999, 12, 31, tzinfo=UTC)
_LATEST = datetime(2100, 1, 2, tzinfo=UTC)
# 1e11 s lies in the year 5138 and 1e11 ms in 1973: between the accepted years the two units cannot be confused.
_FIRST_MILLISECOND_NUMBER = Decimal(100_000_000_000)

# What DECIMAL(38,18) holds; anything beyond could not be recorded exactly.
MAX_DIGITS = 38
MAX_DECIMALS = 18
_LIMIT = Decimal(10) ** (MAX_DIGITS - MAX_DECIMALS)
_QUANTUM = Decimal(10) ** -MAX_DECIMALS
_ONE = Decimal(1)
_WIDE = Context(prec=2 * MAX_DIGITS, rounding=ROUND_HALF_EVEN)
_POSITIVE_LIMIT = 10**15
_TRAILING_STEP = Decimal("0.001")

# Python's Decimal also takes underscores, blanks and the digits of other scripts; a wire format should not.
_DECIMAL_TEXT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")
_DIGITS = r"[0-9]{1,15}(\.[0-9]{1,18})?"
_SCIENTIFIC = r"[1-9](\.[0-9]{1,9})?[eE]"


def parse_decimal(value: Any) -> Decimal:
    """Read a finite decimal, exactly.

    Parameters
    ----------
    value
        A number, or a text that holds one.

    Returns
    -------
    Decimal
        Below 1e20 in size, with at most 18 decimals and no positive exponent. What lies beyond the 18th decimal (the
        noise of somebody's float) is rounded, half to even.

    Raises
    ------
    ValueError
        If the value is no number, not finite or too large; true and false are no numbers.
    """
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, str):
        if not _DECIMAL_TEXT.fullmatch(value):
            raise ValueError(f"{value[:40]!r} is no decimal number")
        number = Decimal(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        # repr of a float that a caller in this process hands in: the shortest text that means it.
        number = Decimal(value) if isinstance(value, int) else Decimal(repr(value))
    else:
        raise ValueError(f"must be a number or a text holding one, not {type(value).__name__}")
    if not number.is_finite() or number.copy_abs() >= _LIMIT:
        raise ValueError("must be finite and below 1e20")
    if not number:
        return Decimal(0)
    exponent = int(number.as_tuple().exponent)
    if -MAX_DECIMALS <= exponent <= 0:
        return number
    return number.quantize(_QUANTUM if exponent < 0 else _ONE, context=_WIDE)


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _schema(texts: str, **limits: object) -> WithJsonSchema:
    return WithJsonSchema(
        {"anyOf": [{"type": "number", **limits}, {"type": "string", "pattern": f"^({texts})$"}]}, mode="validation"
    )


_AS_TEXT = PlainSerializer(_plain, return_type=str, when_used="json-unless-none")
_READ = BeforeValidator(parse_decimal)

Number = Annotated[
    Decimal,
    _READ,
    _AS_TEXT,
    _schema(
        f"-?({_DIGITS}|{_SCIENTIFIC}[+-]?0?[0-9])", exclusiveMinimum=-_POSITIVE_LIMIT, exclusiveMaximum=_POSITIVE_LIMIT
    ),
]
"""A finite decimal of either sign; a string in JSON output."""

Positive = Annotated[
    Decimal,
    _READ,
    Field(gt=0, lt=_POSITIVE_LIMIT),
    _AS_TEXT,
    _schema(
        rf"(?=.*[1-9]){_DIGITS}|{_SCIENTIFIC}(\+?0?[0-9]|-0?[0-9]|-1[0-8])",
        minimum=1e-18,
        exclusiveMaximum=_POSITIVE_LIMIT,
    ),
]
"""A finite decimal above zero: a price or a quantity."""

Fraction = Annotated[
    Decimal,
    _READ,
    Field(ge=0, le=1),
    _AS_TEXT,
    _schema(rf"0(\.[0-9]{{1,18}})?|1(\.0{{1,18}})?|{_SCIENTIFIC}-(0?[1-9]|1[0-8])", minimum=0, maximum=1),
]
"""A finite decimal from 0 to 1."""

PositiveFraction = Annotated[
    Decimal,
    _READ,
    Field(gt=0, le=1),
    _AS_TEXT,
    _schema(
        rf"(?=.*[1-9])0\.[0-9]{{1,18}}|1(\.0{{1,18}})?|{_SCIENTIFIC}-(0?[1-9]|1[0-8])",
        minimum=1e-18,
        maximum=1,
    ),
]
"""A finite decimal above 0, at most 1."""


def _in_steps(value: Decimal) -> Decimal:
    if value % _TRAILING_STEP:
        raise ValueError(f"must be a multiple of {_TRAILING_STEP}, the exchange's step")
    return value


TrailingDistance = Annotated[
    Decimal,
    _READ,
    Field(ge=_TRAILING_STEP, le=Decimal("0.1")),
    AfterValidator(_in_steps),
    _AS_TEXT,
    _schema(
        r"0\.(00[1-9]|0[1-9][0-9]?|1)0{0,15}|[1-9][eE]-0?3|[1-9](\.[0-9])?[eE]-0?2|1[eE]-0?1",
        minimum=0.001,
        maximum=0.1,
        multipleOf=0.001,
    ),
]
"""Fraction of the price that a stop trails behind it: 0.001 to 0.1 in steps of 0.001.

The exchange counts it in tenths of a percent (Binance docs, New Algo Order, callbackRate).
"""


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
        raise ValueError(f"timestamp {str(value)[:64]!r} lies outside the years 2000 to 2099")
    return moment


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return _aware(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError(f"timestamp must be ISO 8601 text or an epoch number, not {type(value).__name__}")
    if not isinstance(value, str):
        return _from_epoch(Decimal(str(value)))
    text = value.strip()
    if _DECIMAL_TEXT.fullmatch(text):
        return _from_epoch(Decimal(text))
    try:
        if not text.isascii():
            raise ValueError("digits of other scripts")
        return _aware(datetime.fromisoformat(text))
    except ValueError:
        raise ValueError(f"timestamp {value[:64]!r} is neither ISO 8601 nor an epoch number") from None


def _aware(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"timestamp {moment} lies outside the calendar in UTC") from None


def _from_epoch(number: Decimal) -> datetime:
    if not number.is_finite() or number < 0 or number > 10**14:
        raise ValueError(f"timestamp {str(number)[:40]} is no epoch number in seconds or milliseconds")
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


def iso_utc(moment: datetime) -> str:
    """ISO 8601 text with ``Z`` of an aware datetime; microseconds where it has them."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


_YEAR_DAY = (
    r"20[0-9]{2}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
    r"|20([02468][048]|[13579][26])-02-29"
)
_TIME_OF_DAY = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
_OFFSET = r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])?"

Timestamp = Annotated[
    datetime,
    BeforeValidator(parse_timestamp),
    PlainSerializer(iso_utc, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "description": "ISO 8601 (without an offset: UTC), or seconds or milliseconds since 1970, number or text",
            "anyOf": [
                {"type": "string", "pattern": f"^({_YEAR_DAY})([T ]{_TIME_OF_DAY}{_OFFSET})?$"},
                {"type": "string", "pattern": r"^[1-3]([0-9]{9}|[0-9]{12})(\.[0-9]{1,9})?$"},
                {"type": "number", "minimum": 946_684_800, "maximum": 4_102_444_799},
                {"type": "number", "minimum": 946_684_800_000, "maximum": 4_102_444_799_999},
            ],
        },
        mode="validation",
    ),
]
"""An aware UTC datetime, read by :func:`parse_timestamp`."""
