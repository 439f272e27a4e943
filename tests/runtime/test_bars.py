"""Reading market data: exact figures, and errors that name file and line."""

from decimal import Decimal
from pathlib import Path

import pytest

from shared.errors import ConfigError
from tradeengine.runtime.bars import FundingRate, read_bars, read_funding
from tradeengine.venue.paper.bar import Bar

HEADER = "time,open,high,low,close,volume,trades\n"
JANUARY_MS = 1_704_067_200_000


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "prices.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_bars_are_read_exactly(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        HEADER
        + "2024-01-01T00:00:00Z,42314.0,42603.2,42289.6,42503.5,8459.477,88278\n"
        + "2024-01-01T01:00:00Z,0.100000000000000005,0.3,1e-8,0.2,,\n",
    )

    assert list(read_bars(path)) == [
        Bar(JANUARY_MS, Decimal("42314.0"), Decimal("42603.2"), Decimal("42289.6"), Decimal("42503.5")),
        Bar(JANUARY_MS + 3_600_000, Decimal("0.100000000000000005"), Decimal("0.3"), Decimal("1e-8"), Decimal("0.2")),
    ]


@pytest.mark.parametrize(
    "time",
    ["2024-01-01T00:00:00Z", "2024-01-01 00:00:00", "2024-01-01T02:00:00+02:00", "1704067200", "1704067200000"],
)
def test_times_are_iso_or_epoch(tmp_path: Path, time: str) -> None:
    (bar,) = read_bars(written(tmp_path, f"{HEADER}{time},1,1,1,1,0,0\n"))

    assert bar.time_ms == JANUARY_MS


def test_columns_may_stand_in_any_order_with_others_between(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffClose, low ,note,HIGH,open,Time\r\n2,1,x,4,3,1704067200\r\n\r\n")

    assert list(read_bars(path)) == [Bar(JANUARY_MS, Decimal(3), Decimal(4), Decimal(1), Decimal(2))]


def test_funding_rates_are_read_exactly(tmp_path: Path) -> None:
    path = written(tmp_path, "time,funding_rate\n2024-01-01T00:00:00Z,0.00037409\n2024-01-01T08:00:00Z,-0.0001\n")

    assert list(read_funding(path)) == [
        FundingRate(JANUARY_MS, Decimal("0.00037409")),
        FundingRate(JANUARY_MS + 8 * 3_600_000, Decimal("-0.0001")),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "prices.csv:1: the header must name time, open, high, low, close once each; wrong is time"),
        ("time,open,high,low\n", "prices.csv:1: .*; wrong is close"),
        ("time,time,open,high,low,close\n", "prices.csv:1: .*; wrong is time"),
        (HEADER, "prices.csv: holds no line of data"),
        (HEADER + "yesterday,1,1,1,1,0,0\n", "prices.csv:2: timestamp 'yesterday' is neither"),
        (HEADER + "12,1,1,1,1,0,0\n", "prices.csv:2: timestamp '12' lies outside"),
        (HEADER + "1704067200,1,1,1\n", "prices.csv:2: 4 fields, but the header names 7"),
        (HEADER + "1704067200,one,1,1,1,0,0\n", "prices.csv:2: open 'one' is not a decimal number"),
        (HEADER + "1704067200,1,NaN,1,1,0,0\n", "prices.csv:2: high 'NaN' is not a decimal number"),
        (HEADER + "1704067200,1,Infinity,1,1,0,0\n", "prices.csv:2: high 'Infinity' is not a decimal number"),
        (HEADER + "1704067200,1,1,,1,0,0\n", "prices.csv:2: low '' is not a decimal number"),
        (HEADER + "1704067200,1,1,0,1,0,0\n", "prices.csv:2: low 0 is not above zero"),
        (HEADER + "1704067200,1,1e20,1,1,0,0\n", "prices.csv:2: high 1e20 has more digits"),
        (HEADER + "1704067200,1,1,1e-19,1,0,0\n", "prices.csv:2: low 1e-19 has more digits"),
        (HEADER + "1704067200,5,4,3,3,0,0\n", "prices.csv:2: open 5 and close 3 must lie between low 3 and high 4"),
        (HEADER + "1704067200,3,4,3,2,0,0\n", "prices.csv:2: open 3 and close 2 must lie between"),
        (HEADER + "1704067200,1,1,1,1,0,0\n1704067200,1,1,1,1,0,0\n", "prices.csv:3: time 2024-.* is there twice"),
        (HEADER + "1704067201,1,1,1,1,0,0\n\n1704067200,1,1,1,1,0,0\n", "prices.csv:4: time 2024-.* follows 2024-"),
        (HEADER.encode() + b"\xff\xfe\n", "prices.csv:.*: is no CSV text in UTF-8"),
    ],
)
def test_a_broken_file_says_where_and_what(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        list(read_bars(written(tmp_path, text)))


@pytest.mark.parametrize(("rate", "said"), [("1", "funding_rate 1 is no fraction"), ("x", "funding_rate 'x' is not")])
def test_a_broken_rate_says_where_and_what(tmp_path: Path, rate: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"prices.csv:2: {said}"):
        list(read_funding(written(tmp_path, f"time,funding_rate\n1704067200,{rate}\n")))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.csv: cannot be read \(No such file"):
        list(read_bars(tmp_path / "absent.csv"))
    with pytest.raises(ConfigError, match="cannot be read"):
        list(read_bars(tmp_path))


def test_bars_are_read_one_by_one(tmp_path: Path) -> None:
    bars = read_bars(written(tmp_path, HEADER + "1704067200,1,1,1,1,0,0\nbroken\n"))

    assert next(bars).time_ms == JANUARY_MS
    with pytest.raises(ConfigError, match=r"prices\.csv:3"):
        next(bars)
