"""Recorded prices that are played as time passes."""

import csv
from decimal import Decimal, InvalidOperation
from itertools import pairwise

import msgspec

from contracts.values import parse_timestamp, to_millis

_COLUMNS = ("time", "open", "high", "low", "close")


class PriceRow(msgspec.Struct, frozen=True, array_like=True):
    """One bar.

    Parameters
    ----------
    time_ms
        Its start, milliseconds since 1970 UTC.
    open, high, low, close
        Prices, quote asset.
    volume
        Base asset.
    """

    time_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = Decimal(0)


class PricePath(msgspec.Struct, frozen=True):
    """Bars of a symbol in the order of time.

    Parameters
    ----------
    symbol
        Such as ``BTCUSDT``.
    rows
        At least one, times rising.
    """

    symbol: str
    rows: tuple[PriceRow, ...]

    @property
    def interval_ms(self) -> int:
        """Length of a bar: the shortest distance of two starts, one minute for a single bar."""
        return min((later.time_ms - row.time_ms for row, later in pairwise(self.rows)), default=60_000)

    @classmethod
    def parse(cls, symbol: str, text: str, where: str = "prices") -> "PricePath":
        """Read the text of a CSV file.

        Parameters
        ----------
        symbol
            Whose prices they are.
        text
            Header and lines; columns time (ISO 8601, naive means UTC, or epoch seconds or milliseconds), open, high,
            low and close in any order, volume if it is there; others are ignored.
        where
            Name of the file, for messages.

        Raises
        ------
        ValueError
            If it is no such text; names file and line.
        """
        reader = csv.DictReader(text.lstrip("\ufeff").splitlines())
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or []]
        missing = [column for column in _COLUMNS if column not in reader.fieldnames]
        if missing:
            raise ValueError(f"{where}:1: the header must name {', '.join(_COLUMNS)}; missing is {', '.join(missing)}")
        rows: list[PriceRow] = []
        for fields in reader:
            row = _row(fields, f"{where}:{reader.line_num}")
            if rows and row.time_ms <= rows[-1].time_ms:
                raise ValueError(f"{where}:{reader.line_num}: time must rise from line to line; sort the file by time")
            rows.append(row)
        if not rows:
            raise ValueError(f"{where}: holds no line of data below its header")
        return cls(symbol, tuple(rows))


def _row(fields: dict[str, str], where: str) -> PriceRow:
    try:
        time_ms = to_millis(parse_timestamp(fields["time"]))
        prices = [Decimal(fields[column]) for column in _COLUMNS[1:]]
        volume = Decimal(fields.get("volume") or "0")
    except (ValueError, TypeError, InvalidOperation) as error:
        raise ValueError(f"{where}: holds a time or price that cannot be read ({error})") from error
    opened, high, low, close = prices
    if not 0 < low <= opened <= high or not low <= close <= high or not volume.is_finite():
        raise ValueError(
            f"{where}: open {opened} and close {close} must lie between low {low} and high {high}, above 0"
        )
    return PriceRow(time_ms, opened, high, low, close, volume)
