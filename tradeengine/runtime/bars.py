"""Reading recorded market data: bars and funding rates from CSV files."""

import csv
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from contracts.values import MAX_DECIMALS, iso_millis, parse_timestamp, to_millis
from shared.errors import ConfigError
from tradeengine.venue.paper.bar import Bar

_BAR_COLUMNS = ("time", "open", "high", "low", "close")
_FUNDING_COLUMNS = ("time", "funding_rate")
# As for prices of signals: what stays below can be recorded exactly.
_MAX_ADJUSTED = 15


class FundingRate(msgspec.Struct, frozen=True):
    """One settlement of a symbol's funding.

    Parameters
    ----------
    time_ms
        When it is settled, milliseconds since 1970 UTC.
    rate
        Fraction of the notional; longs pay when it is positive.
    """

    time_ms: int
    rate: Decimal


def read_bars(path: Path) -> Iterator[Bar]:
    """Read bars one by one.

    Parameters
    ----------
    path
        CSV file with the columns time (start of the bar: ISO 8601, naive means UTC, or epoch seconds or
        milliseconds), open, high, low and close, in any order; other columns are ignored.

    Raises
    ------
    ConfigError
        While reading: if the file cannot be read or holds no bar, or a line is no bar or not later than the one before
        it. The text names file and line.
    """
    for where, row, time_ms in _rows(path, _BAR_COLUMNS):
        opened, high, low, close = [_price(row, column, where) for column in _BAR_COLUMNS[1:]]
        if not (low <= opened <= high and low <= close <= high):
            raise ConfigError(f"{where}: open {opened} and close {close} must lie between low {low} and high {high}")
        yield Bar(time_ms, opened, high, low, close)


def read_funding(path: Path) -> Iterator[FundingRate]:
    """Read funding rates one by one.

    Parameters
    ----------
    path
        CSV file with the columns time (as for :func:`read_bars`) and funding_rate; other columns are ignored.

    Raises
    ------
    ConfigError
        While reading, as for :func:`read_bars`; also if a rate is not between -1 and 1.
    """
    for where, row, time_ms in _rows(path, _FUNDING_COLUMNS):
        rate = _number(row, "funding_rate", where)
        if not -1 < rate < 1:
            raise ConfigError(f"{where}: funding_rate {rate} is no fraction of the notional, such as 0.0001")
        yield FundingRate(time_ms, rate)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, str], int]]:
    """Data lines with their place and time; times rise from line to line."""
    before: int | None = None
    for line, row in _lines(path, columns):
        where = f"{path}:{line}"
        try:
            time_ms = to_millis(parse_timestamp(row["time"]))
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from error
        if before is not None and time_ms <= before:
            fault = "is there twice" if time_ms == before else f"follows {iso_millis(before)}"
            raise ConfigError(f"{where}: time {iso_millis(time_ms)} {fault}; sort the file by time, each time once")
        before = time_ms
        yield where, row, time_ms
    if before is None:
        raise ConfigError(f"{path}: holds no line of data below its header")


def _lines(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    reader = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip().lower() for name in next(reader, [])]
            missing = [column for column in columns if header.count(column) != 1]
            if missing:
                raise ConfigError(
                    f"{path}:1: the header must name {', '.join(columns)} once each; wrong is {', '.join(missing)}"
                )
            places = [(column, header.index(column)) for column in columns]
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    raise ConfigError(
                        f"{path}:{reader.line_num}: {len(fields)} fields, but the header names {len(header)}"
                    )
                yield reader.line_num, {column: fields[place] for column, place in places}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a CSV file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        line = reader.line_num + 1 if reader else 1
        raise ConfigError(f"{path}:{line}: is no CSV text in UTF-8 ({error})") from error


def _price(row: Mapping[str, str], column: str, where: str) -> Decimal:
    value = _number(row, column, where)
    if value <= 0:
        raise ConfigError(f"{where}: {column} {value} is not above zero")
    return value


def _number(row: Mapping[str, str], column: str, where: str) -> Decimal:
    try:
        value = Decimal(row[column])
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise ConfigError(f"{where}: {column} {row[column][:64]!r} is not a decimal number")
    if value.adjusted() >= _MAX_ADJUSTED or value.as_tuple().exponent < -MAX_DECIMALS:  # type: ignore[operator]
        raise ConfigError(f"{where}: {column} {row[column][:64]} has more digits than can be recorded exactly")
    return value
