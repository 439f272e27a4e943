"""Instruments: quantities go down to the step, prices to the nearest tick, and nothing gets lost or invented."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import instrument
from tradeengine.domain.money import MONEY

UNITS = ("1e-8", "1e-7", "1e-5", "0.05", "0.5", "1", "10")


@pytest.mark.parametrize(
    ("unit", "quantity", "floored"),
    [
        ("1e-8", "0.123456789", "0.12345678"),
        ("1e-7", "0.00000019", "1E-7"),
        ("1e-5", "0.00001999", "0.00001"),
        ("0.05", "0.149", "0.1"),
        ("0.5", "2.999", "2.5"),
        ("1", "7.99", "7"),
        ("10", "109.99", "100"),
        ("10", "9.99", "0"),
    ],
)
def test_a_quantity_goes_down_to_its_step(unit: str, quantity: str, floored: str) -> None:
    assert str(instrument(step_size=unit).floor_quantity(Decimal(quantity))) == floored


@pytest.mark.parametrize(
    ("unit", "price", "rounded"),
    [
        ("1e-8", "0.123456785", "0.12345679"),
        ("1e-7", "0.00000014", "1E-7"),
        ("1e-5", "1.000005", "1.00001"),
        ("0.05", "45000.07", "45000.05"),
        ("0.05", "45000.08", "45000.1"),
        ("0.5", "2.74", "2.5"),
        ("1", "7.5", "8"),
        ("10", "104.99", "100"),
    ],
)
def test_a_price_goes_to_the_nearest_tick(unit: str, price: str, rounded: str) -> None:
    assert str(instrument(tick=unit).round_price(Decimal(price))) == rounded


@pytest.mark.parametrize("unit", UNITS)
@given(value=st.decimals(min_value=0, max_value="1e9", places=12))
def test_rounding_hits_a_multiple_and_stays_near(unit: str, value: Decimal) -> None:
    rules = instrument(tick=unit, step_size=unit)
    with localcontext(MONEY):
        floored, rounded = rules.floor_quantity(value), rules.round_price(value)
        assert floored % Decimal(unit) == rounded % Decimal(unit) == 0
        assert 0 <= value - floored < Decimal(unit)
        assert abs(value - rounded) <= Decimal(unit) / 2
        assert (rules.floor_quantity(floored), rules.round_price(rounded)) == (floored, rounded)


def test_without_a_step_a_value_stays_as_it_is() -> None:
    assert instrument(step_size="0").floor_quantity(Decimal("0.123")) == Decimal("0.123")


def test_market_orders_have_limits_of_their_own_where_the_exchange_sets_them() -> None:
    rules = instrument(min_quantity="1", max_quantity="100", market_max_quantity="10")
    assert rules.quantity_limits(market=True) == (Decimal(1), Decimal(10))
    assert rules.quantity_limits(market=False) == (Decimal(1), Decimal(100))


@pytest.mark.parametrize(("price", "taken"), [("0", False), ("0.9", False), ("1", True), ("10", True), ("10.1", False)])
def test_prices_have_a_range(price: str, taken: bool) -> None:
    assert instrument(min_price="1", max_price="10").price_in_range(Decimal(price)) is taken


def test_a_limit_of_zero_is_none() -> None:
    assert instrument().price_in_range(Decimal("1e9"))
