"""Decimals are exact and times unambiguous, whatever form they come in."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.values import from_millis, iso_millis, iso_utc, parse_decimal, parse_timestamp, to_millis

NEW_YEAR = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given_value", "text"),
    [
        ("0.1", "0.1"),
        (0.1, "0.1"),
        (Decimal("0.1"), "0.1"),
        (45_000, "45000"),
        ("1e-7", "1E-7"),
        ("1E+3", "1000"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+5", "5"),
        ("0E-400", "0"),
        ("-0.0", "0"),
        ("0.000000000000000001", "1E-18"),
        ("0.0000000000000000014", "1E-18"),
        ("0.0000000000000000015", "2E-18"),
        ("1.0000000000000000000000000000000000000001", "1.000000000000000000"),
        ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
    ],
)
def test_a_decimal_is_read_exactly(given_value: object, text: str) -> None:
    assert str(parse_decimal(given_value)) == text


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        None,
        [],
        "",
        " 1",
        "1 ",
        "1_000",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "1,5",
        "0x10",
        "NaN",
        "Infinity",
        "-inf",
        "1e99",
        "1e999999999",
        "1e9999999999",
        10**20,
        10**4000,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        Decimal("1e999999999"),
        float("nan"),
        float("inf"),
    ],
)
def test_what_is_no_finite_decimal_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_decimal(value)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**19), max_value=10**19, places=18))
def test_every_recordable_decimal_survives_as_text_and_as_number(value: Decimal) -> None:
    assert parse_decimal(str(value)) == value
    assert parse_decimal(format(value, "f")) == value
    assert parse_decimal(value) == value


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=1e-12, max_value=1e15))
def test_a_float_keeps_the_text_that_means_it(value: float) -> None:
    assert abs(parse_decimal(value) - Decimal(repr(value))) <= Decimal("5e-19")


@pytest.mark.parametrize(
    "value",
    [
        "2025-01-01T00:00:00Z",
        "2025-01-01T00:00:00",
        "2025-01-01 00:00:00",
        "2025-01-01",
        "2025-01-01T00:00:00.000000+00:00",
        "2025-01-01T05:30:00+05:30",
        "2024-12-31T19:00:00-05:00",
        " 2025-01-01T00:00:00Z ",
        1_735_689_600,
        1_735_689_600.0,
        Decimal("1735689600.000"),
        "1735689600",
        "1735689600.0",
        1_735_689_600_000,
        "1735689600000",
        datetime(2025, 1, 1),  # noqa: DTZ001 - a naive time is UTC
        datetime(2025, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_one_moment_in_all_its_forms(value: object) -> None:
    assert parse_timestamp(value) == NEW_YEAR
    assert parse_timestamp(value).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "",
        "now",
        "yesterday",
        "20250101",
        "2025-13-01",
        "2025-02-30",
        "2025-01-01T25:00:00Z",
        "1735689600000000",
        "1_735_689_600",
        "\N{ARABIC-INDIC DIGIT ONE}" * 10,
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        0,
        -1,
        5_000_000_000,
        "NaN",
        "1e999999999",
        "1e-999999999",
        Decimal("1e999999999"),
        Decimal("1e-999999999"),
        float("nan"),
        float("inf"),
        [2025],
        {"year": 2025},
        10**4000,
    ],
)
def test_an_ambiguous_or_impossible_time_is_refused_never_replaced(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_timestamp(value)


def test_fractions_of_seconds_are_kept() -> None:
    assert parse_timestamp("1735689600.123456").microsecond == 123_456
    assert parse_timestamp(1_735_689_600_123).microsecond == 123_000
    assert parse_timestamp(Decimal("1735689600123.4")).microsecond == 123_400


@given(st.integers(min_value=946_684_800_000, max_value=4_102_444_799_999))
def test_milliseconds_there_and_back(millis: int) -> None:
    assert to_millis(from_millis(millis)) == millis
    assert to_millis(parse_timestamp(iso_millis(millis))) == millis
    assert to_millis(parse_timestamp(iso_utc(from_millis(millis)))) == millis
    assert to_millis(parse_timestamp(millis)) == millis
    assert iso_millis(millis).endswith("Z")
