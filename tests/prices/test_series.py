"""Rows of the exchange's answers: what becomes a line, and what is refused."""

from typing import Any

import pytest

from shared.errors import Rejected
from tradeengine.prices.series import Row, bar_rows, funding_rows

MINUTE = 60_000
NINE = 1_767_258_000_000  # 2026-01-01T09:00Z


def kline(start_ms: int, *values: str) -> list[Any]:
    return [start_ms, *(values or ("1.10", "2.0", "0.5", "1.5", "7")), start_ms + MINUTE - 1, "0", 3, "0", "0", "0"]


def test_bars_keep_the_digits_that_the_exchange_wrote() -> None:
    (row,) = bar_rows([kline(NINE, "95000.10", "95001", "94999.00000000", "95000.5", "0.00000001")], NINE + MINUTE)

    assert row.line == "2026-01-01T09:00:00.000Z,95000.10,95001,94999.00000000,95000.5,0.00000001\n"


@pytest.mark.parametrize(("now_ms", "count"), [(NINE + MINUTE - 1, 0), (NINE + MINUTE, 1), (NINE + 2 * MINUTE, 2)])
def test_a_bar_that_is_not_over_is_left_out(now_ms: int, count: int) -> None:
    assert len(bar_rows([kline(NINE), kline(NINE + MINUTE)], now_ms)) == count


@pytest.mark.parametrize(
    "wrong", [[NINE, "1"], kline(NINE, "1", "2", "x", "1", "1"), [*kline(NINE)[:1], 1.5, *kline(NINE)[2:]], "text", []]
)
def test_what_is_no_bar_is_refused(wrong: Any) -> None:
    with pytest.raises(Rejected, match="no bar"):
        bar_rows([wrong], NINE + MINUTE)


@pytest.mark.parametrize("stamped", [NINE, NINE + 3, NINE + 19_999, NINE - 2])
def test_a_settlement_is_at_the_minute_that_its_stamp_is_next_to(stamped: int) -> None:
    (row,) = funding_rows([{"fundingTime": stamped, "fundingRate": "-0.00010000", "markPrice": "95000.1"}])

    assert row == Row(NINE, ("-0.00010000", "95000.1"))


@pytest.mark.parametrize("mark", [{}, {"markPrice": ""}, {"markPrice": None}])
def test_an_old_settlement_has_no_mark_price(mark: dict[str, Any]) -> None:
    (row,) = funding_rows([{"fundingTime": NINE, "fundingRate": "0.0001", **mark}])

    assert row.line == "2026-01-01T09:00:00.000Z,0.0001,\n"


@pytest.mark.parametrize("wrong", [{}, {"fundingTime": NINE}, {"fundingTime": NINE, "fundingRate": 0.0001}, []])
def test_what_is_no_settlement_is_refused(wrong: Any) -> None:
    with pytest.raises(Rejected, match="no funding rate"):
        funding_rows([wrong])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Row(1, ("1.0", "")), Row(1, ("1.00", "")), True),
        (Row(1, ("1.0",)), Row(1, ("1.01",)), False),
        (Row(1, ("1.0",)), Row(2, ("1.0",)), False),
        (Row(1, ("1.0", "2")), Row(1, ("1.0",)), False),
    ],
)
def test_rows_are_compared_by_value(one: Row, other: Row, same: bool) -> None:
    assert one.same_as(other) is same
