"""Rows of recorded market data, as the exchange states them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from contracts.values import iso_millis, parse_decimal
from shared.errors import Rejected

BAR_COLUMNS = ("time", "open", "high", "low", "close", "volume")
FUNDING_COLUMNS = ("time", "funding_rate", "mark_price")

_MINUTE_MS = 60_000

FUNDING_SLACK_MS = _MINUTE_MS // 2
"""How far the exchange's stamp of a settlement may be from its time."""


class Row(NamedTuple):
    """One line of a file.

    Parameters
    ----------
    time_ms
        Milliseconds since 1970 UTC.
    values
        The columns after the time, decimals as the exchange wrote them.
    """

    time_ms: int
    values: tuple[str, ...]

    @property
    def line(self) -> str:
        """The row as CSV, with its line end."""
        return f"{iso_millis(self.time_ms)},{','.join(self.values)}\n"

    def same_as(self, other: "Row") -> bool:
        """Whether it says the same, however many zeros it writes."""
        return self.time_ms == other.time_ms and list(map(_number, self.values)) == list(map(_number, other.values))


def bar_rows(klines: Sequence[Sequence[Any]], now_ms: int) -> list[Row]:
    """Bars of an answer that are over.

    Parameters
    ----------
    klines
        Rows of start, open, high, low, close, volume, end.
    now_ms
        Time of the exchange: a bar that has not ended by then would change yet.

    Raises
    ------
    Rejected
        If they are no bars.
    """
    try:
        rows = [Row(int(kline[0]), _texts(kline[1:6])) for kline in klines if int(kline[6]) < now_ms]
    except (IndexError, TypeError, ValueError) as error:
        raise Rejected(f"the exchange's answer holds what is no bar ({error}); check the address") from error
    return rows


def funding_rows(rates: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Settlements of an answer.

    The exchange stamps them some milliseconds after the full hour; they are settled on it, so that a bar starts at
    their time. A settlement without a mark price, as the oldest are, has an empty one.

    Raises
    ------
    Rejected
        If they are no settlements.
    """
    try:
        return [
            Row(
                (int(rate["fundingTime"]) + FUNDING_SLACK_MS) // _MINUTE_MS * _MINUTE_MS,
                (*_texts([rate["fundingRate"]]), *(_texts([rate["markPrice"]]) if rate.get("markPrice") else ("",))),
            )
            for rate in rates
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected(f"the exchange's answer holds what is no funding rate ({error}); check the address") from error


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is no decimal text")
        parse_decimal(value)
    return tuple(values)


def _number(value: str) -> Decimal | None:
    return parse_decimal(value) if value else None
