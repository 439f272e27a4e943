"""Values: answers of either store in one form, in which JSON and users take them without losing a digit."""

from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final

from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128

from contracts.values import iso_millis
from tradeengine.analytics.query import ColumnKind
from tradeengine.projection.sqlite_codec import decimal_text

Value = str | int | None
"""Decimals, times and days are texts."""

RATIO_STEP: Final = Decimal("0.00000001")
"""Step to which quotients are rounded."""

PART, WHOLE = "part", "whole"
"""Names of what a quotient is made of, where a store gives the two instead of it."""

_EXACT: Final = Context(prec=80)


def shown(kind: ColumnKind, held: Any) -> Value:
    """What a store answered, as every store's answer is shown.

    Parameters
    ----------
    held
        As PyMySQL gives it with decimals and times as texts, or PyMongo with times as ``DatetimeMS`` and quotients in
        their parts.
    """
    return None if held is None else _SHOWN[kind](held)


def ratio_text(value: Decimal) -> str:
    """A quotient, rounded to 8 decimals, half away from zero."""
    return decimal_text(value.quantize(RATIO_STEP, ROUND_HALF_UP, _EXACT))


def _decimal(held: Any) -> Decimal:
    return held.to_decimal() if isinstance(held, Decimal128) else Decimal(held)


def _ratio(held: Any) -> str:
    if isinstance(held, dict):
        return ratio_text(_EXACT.divide(_decimal(held[PART]), _decimal(held[WHOLE])))
    return ratio_text(_decimal(held))


def _time(held: Any) -> str:
    if isinstance(held, DatetimeMS):
        return iso_millis(int(held))
    return f"{datetime.fromisoformat(str(held)).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


_SHOWN: Final[dict[ColumnKind, Callable[[Any], Value]]] = {
    ColumnKind.TEXT: str,
    ColumnKind.INTEGER: int,
    ColumnKind.DECIMAL: lambda held: decimal_text(_decimal(held)),
    ColumnKind.RATIO: _ratio,
    ColumnKind.TIME: _time,
    ColumnKind.DAY: str,
}
