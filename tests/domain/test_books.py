"""Books: what comes in goes out, to the last digit."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import PositionSide
from tests.support.builders import LONG, SHORT
from tradeengine.domain.books import EMPTY
from tradeengine.domain.money import MONEY

sides = st.sampled_from((LONG, SHORT))
quantities = st.integers(1, 10**9).map(lambda n: Decimal(n).scaleb(-5))
prices = st.integers(1, 10**9).map(lambda n: Decimal(n).scaleb(-3))
fees = st.integers(-(10**6), 10**9).map(lambda n: Decimal(n).scaleb(-8))


def d(text: str) -> Decimal:
    return Decimal(text)


@pytest.mark.parametrize(("side", "gain"), [(LONG, "3"), (SHORT, "-3")])
def test_a_closing_fill_realises_its_distance_from_the_average(side: PositionSide, gain: str) -> None:
    books = (
        EMPTY.opened(side, d("1"), d("10"), d("0.1"))
        .opened(side, d("1"), d("14"), d("0.1"))
        .closed(side, d("1"), d("15"), d("0.2"))
    )
    assert (books.quantity, books.cost, books.entry_price) == (d("1"), d("12"), d("12"))
    assert (books.realized, books.fees) == (d(gain), d("0.4"))
    assert (books.entry_quantity, books.entry_value, books.exit_quantity, books.exit_value) == tuple(
        map(d, ("2", "24", "1", "15"))
    )


@pytest.mark.parametrize(("side", "worth"), [(LONG, "-4"), (SHORT, "4")])
def test_what_is_held_is_worth_its_distance_from_the_mark(side: PositionSide, worth: str) -> None:
    assert EMPTY.opened(side, d("2"), d("10"), d("0")).unrealized(side, d("8")) == d(worth)


def test_net_counts_fees_against_and_funding_for_the_position() -> None:
    books = (
        EMPTY.opened(LONG, d("1"), d("10"), d("0.1"))
        .funded(d("-0.5"))
        .funded(d("0.2"))
        .closed(LONG, d("1"), d("11"), d("0.1"))
    )
    assert books.net == d("0.5")


def test_an_addition_leaves_realised_figures_alone() -> None:
    before = EMPTY.opened(LONG, d("2"), d("10"), d("0.1")).closed(LONG, d("1"), d("12"), d("0.1")).funded(d("0.3"))
    after = before.opened(LONG, d("1"), d("20"), d("0.1"))
    assert (after.realized, after.funding, after.exit_value) == (before.realized, before.funding, before.exit_value)


@given(side=sides, entries=st.lists(st.tuples(quantities, prices, fees), min_size=1, max_size=6), chance=st.data())
def test_a_round_trip_realises_exactly_what_it_brought_less_what_it_cost(
    side: PositionSide, entries: list[tuple[Decimal, Decimal, Decimal]], chance: st.DataObject
) -> None:
    with localcontext(MONEY):
        books = EMPTY
        for entry in entries:
            books = books.opened(side, *entry)
        paid = sum(quantity * price for quantity, price, _ in entries)
        brought = Decimal(0)
        while books.quantity:
            held = int(books.quantity.scaleb(5))
            part = Decimal(chance.draw(st.integers(max(1, held // 4), held))).scaleb(-5)
            price = chance.draw(prices)
            brought += part * price
            books = books.closed(side, part, price, Decimal(0))
        assert books.cost == 0
        assert books.realized == side.sign * (brought - paid)
        assert books.fees == sum(fee for _, _, fee in entries)


@given(quantity=quantities, price=prices, part=st.integers(1, 99))
def test_a_partial_close_moves_the_average_by_no_more_than_rounding(
    quantity: Decimal, price: Decimal, part: int
) -> None:
    with localcontext(MONEY):
        books = EMPTY.opened(LONG, quantity, price, Decimal(0)).opened(LONG, quantity * 2, price + 1, Decimal(0))
        after = books.closed(LONG, books.quantity * part / 100, price, Decimal(0))
        assert abs(after.entry_price - books.entry_price) * after.quantity <= Decimal("1e-12")
