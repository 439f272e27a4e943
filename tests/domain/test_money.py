"""Money: shares add up, averages read well, floats are errors."""

from decimal import Decimal, FloatOperation, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeengine.domain.money import MONEY, ZERO, average, plain, share_of, split, split_in_steps

amounts = st.decimals(min_value="-1e12", max_value="1e12", places=18)
weights = st.lists(st.decimals(min_value=0, max_value="1e9", places=8), min_size=1, max_size=8).filter(any)


@given(total=amounts, parts=weights)
def test_shares_add_up_to_the_total_exactly(total: Decimal, parts: list[Decimal]) -> None:
    with localcontext(MONEY):
        assert sum(split(total, parts), ZERO) == total


@given(total=amounts, parts=weights)
def test_no_share_is_further_from_its_proportion_than_rounding_explains(total: Decimal, parts: list[Decimal]) -> None:
    with localcontext(MONEY):
        whole = sum(parts, ZERO)
        for share, part in zip(split(total, parts), parts, strict=True):
            assert abs(share - total * part / whole) <= len(parts) * Decimal("1e-18")


@given(parts=weights, chance=st.data())
def test_a_holder_never_gives_more_than_it_holds(parts: list[Decimal], chance: st.DataObject) -> None:
    with localcontext(MONEY):
        total = chance.draw(st.decimals(min_value=0, max_value=sum(parts, ZERO), places=18))
        for share, part in zip(split(total, parts), parts, strict=True):
            assert 0 <= share <= part


def test_a_holder_of_nothing_gets_nothing() -> None:
    with localcontext(MONEY):
        assert split(Decimal("0.01"), [ZERO, Decimal(1), Decimal(2), ZERO]) == [
            0,
            Decimal("0.003333333333333333"),
            Decimal("0.006666666666666667"),
            0,
        ]


def test_the_whole_is_its_own_share_whatever_its_digits() -> None:
    fine = Decimal("1.0000000000000000000000001")
    assert share_of(fine, Decimal(3), Decimal(3)) == fine


def test_an_average_has_eighteen_decimals() -> None:
    with localcontext(MONEY):
        assert str(average(Decimal(137), Decimal("0.003"))) == "45666.666666666666666667"


def test_the_average_of_nothing_is_zero() -> None:
    assert average(ZERO, ZERO) == 0


@pytest.mark.parametrize(
    ("written", "read"), [("1.500", "1.5"), ("1E+3", "1000"), ("0.00", "0"), ("-12.0", "-12"), ("1E-8", "1E-8")]
)
def test_numbers_print_as_people_write_them(written: str, read: str) -> None:
    with localcontext(MONEY):
        assert str(plain(Decimal(written))) == read


def test_a_float_in_a_decision_is_an_error() -> None:
    with localcontext(MONEY), pytest.raises(FloatOperation):
        Decimal("1.1") > 1.0  # noqa: B015


holdings = st.lists(st.integers(1, 50), min_size=1, max_size=6)


@given(held=holdings, part=st.integers(1, 100))
def test_a_quantity_is_split_in_whole_steps_that_everybody_has(held: list[int], part: int) -> None:
    step = Decimal("0.001")
    weights = [quantity * step for quantity in held]
    total = max(1, sum(held) * part // 100) * step
    shares = split_in_steps(total, weights, step)
    assert sum(shares) == total
    assert all(0 <= share <= weight and share % step == 0 for share, weight in zip(shares, weights, strict=True))


def test_what_is_less_than_a_step_goes_to_the_first_that_have_it() -> None:
    weights = [Decimal("0.5"), Decimal(2)]
    assert split_in_steps(Decimal("2.25"), weights, Decimal(1)) == [Decimal("0.25"), Decimal(2)]
