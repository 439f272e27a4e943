"""Trailing stops: what they follow, when they trigger and at which price, in single prices and in bars."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import OrderPurpose, OrderStatus, PositionSide
from shared.errors import Rejected
from tests.venue.paper.makers import (
    LONG,
    SHORT,
    SYMBOL,
    D,
    bar,
    book,
    executed,
    fills,
    held,
    market,
    only_fill,
    play,
    prices,
    target,
    trailing,
)
from tradeengine.domain.orders import ApprovedOrder, LiveOrder
from tradeengine.venue.paper.book import PaperBook
from tradeengine.venue.paper.trailing import Trail


def both_legs(**changes: Any) -> PaperBook:
    made = book(**changes)
    made.restore([], {(SYMBOL, LONG): D(1), (SYMBOL, SHORT): D(1)})
    return made


def ticks(made: PaperBook, *path: str) -> list[Decimal]:
    return prices([report for number, price in enumerate(path) for report in made.tick(SYMBOL, D(price), number)])


# ---------------------------------------------------------------- single prices


@pytest.mark.parametrize(
    ("asked", "path", "price"),
    [
        (trailing("0.05"), ("96", "95.01"), None),
        (trailing("0.05"), ("96", "95"), "95"),
        (trailing("0.05"), ("110", "105", "104.51"), None),
        (trailing("0.05"), ("110", "105", "104.5"), "104.5"),
        (trailing("0.05"), ("110", "90"), "90"),
        (trailing("0.05", side=SHORT), ("104", "104.99"), None),
        (trailing("0.05", side=SHORT), ("104", "105"), "105"),
        (trailing("0.05", side=SHORT), ("80", "83.99"), None),
        (trailing("0.05", side=SHORT), ("80", "84"), "84"),
        (trailing("0.05", purpose=OrderPurpose.OPEN), ("80", "84"), "84"),
        (trailing("0.05", side=SHORT, purpose=OrderPurpose.OPEN), ("120", "114"), "114"),
    ],
)
def test_it_triggers_a_callback_below_or_above_the_best_price_since_it_was_placed(
    asked: ApprovedOrder, path: tuple[str, ...], price: str | None
) -> None:
    made = both_legs()
    assert ticks(made, "300", "20", "100") == []
    made.place(asked, 3)

    assert ticks(made, *path) == ([] if price is None else [D(price)])


def test_it_follows_from_the_first_price_if_there_was_none_when_it_came() -> None:
    made = both_legs()
    made.place(trailing("0.1"), 0)

    assert ticks(made, "200", "181") == []
    assert ticks(made, "180") == [D(180)]


@pytest.mark.parametrize(
    ("asked", "path", "price"),
    [
        (trailing("0.05", activation="110"), ("109", "90"), None),
        (trailing("0.05", activation="110"), ("110", "104.5"), "104.5"),
        (trailing("0.05", activation="110"), ("120", "114"), "114"),
        (trailing("0.05", side=SHORT, activation="90"), ("91", "120"), None),
        (trailing("0.05", side=SHORT, activation="90"), ("90", "94.5"), "94.5"),
    ],
)
def test_it_follows_from_its_activation_price_on(
    asked: ApprovedOrder, path: tuple[str, ...], price: str | None
) -> None:
    made = both_legs()
    ticks(made, "100")
    made.place(asked, 1)

    assert ticks(made, *path) == ([] if price is None else [D(price)])


def test_it_pays_the_taker_and_slips_as_a_market_order_does() -> None:
    made = both_legs(slippage_bps=D(10))
    ticks(made, "100")
    made.place(trailing("0.05"), 1)

    fill = only_fill(made.tick(SYMBOL, D(90), 2))

    assert (fill.price, fill.maker, fill.fee) == (D("89.91"), False, D("89.91") * D("0.0005"))


def test_a_part_of_it_that_is_left_fills_at_the_next_prices_whatever_they_are() -> None:
    made = held("3", max_fill_quantity=D(2))
    ticks(made, "100")
    made.place(trailing("0.05", "3"), 1)

    assert ticks(made, "94", "130") == [D(94), D(130)]


def test_after_a_restart_it_follows_the_new_prices() -> None:
    made = book()
    made.restore([LiveOrder(order=trailing("0.1"), status=OrderStatus.OPEN)], {(SYMBOL, LONG): D(1)})

    assert ticks(made, "50", "45.5") == []
    assert ticks(made, "45") == [D(45)]


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"callback_pct": None}, "-1102", "needs a callback_pct"),
        ({"callback_pct": D(0)}, "-4001", "callback_pct 0 is not above zero"),
        ({"callback_pct": D(1)}, "-1130", "callback_pct 1 is no fraction"),
        ({"trigger_price": D(-1)}, "-4001", "trigger_price -1 is not above zero"),
    ],
)
def test_what_it_needs_must_be_stated_and_in_range(changes: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(Rejected, match=said) as refused:
        both_legs().place(trailing("0.05", **changes), 0)

    assert refused.value.code == code


# ---------------------------------------------------------------- bars


@pytest.mark.parametrize(
    ("asked", "bars", "price"),
    [
        # gap: the open is beyond what the bars before allow
        (trailing("0.05"), [bar(0, "100", "110", "105", "110"), bar(1, "90", "95", "85")], "90"),
        # nothing: the whole bar is less than the callback
        (trailing("0.05"), [bar(0, "100", "101", "97")], None),
        # the fall alone is enough: what the high might have made of it is not taken
        (trailing("0.05"), [bar(0, "100", "110", "90")], "95"),
        # only a rise before the fall triggers it; it may have been small: the worst is the low
        (trailing("0.05"), [bar(0, "100", "103", "97")], "97"),
        # the high counts from the next bar on
        (trailing("0.05"), [bar(0, "100", "104", "99", "103"), bar(1, "103", "103", "98")], "98.8"),
        (trailing("0.05", side=SHORT), [bar(0, "100", "110", "90")], "105"),
        # the lowest may have come last, so that 105 was the trigger: the worst is the high
        (trailing("0.05", side=SHORT), [bar(0, "100", "103", "97")], "103"),
        (trailing("0.05", side=SHORT), [bar(0, "100", "102.5", "98")], None),
        (trailing("0.05", activation="110"), [bar(0, "100", "109", "90")], None),
        (trailing("0.05", activation="110"), [bar(0, "100", "112", "90")], "104.5"),
        (trailing("0.05", activation="110"), [bar(0, "100", "112", "105.5", "112")], "105.5"),
    ],
)
def test_in_a_bar_it_takes_the_worst_price_of_all_ways_through_it(
    asked: ApprovedOrder, bars: list[Any], price: str | None
) -> None:
    made = both_legs(slippage_bps=D(10))
    made.place(asked, 0)

    assert prices(play(made, *bars)) == ([] if price is None else [D(price)])


def test_it_does_not_see_the_bar_that_began_before_it_came() -> None:
    made = both_legs()
    play(made, bar(0, "100", "100", "100"))
    made.place(trailing("0.05"), 5)

    assert prices(play(made, bar(3, "200", "200", "50", "100"), bar(10, "100", "100", "96"))) == []
    assert prices(play(made, bar(11, "96", "96", "94"))) == [D(95)]


@pytest.mark.parametrize(
    ("low", "closed", "following", "price"),
    [
        # it came at 108, after a high of 130 perhaps: 5 % of 108 is 102.6
        ("102", "102", None, "102.6"),
        ("103", "120", None, None),
        # the close came after it in any case
        ("103", "120", "114", "114"),
    ],
)
def test_one_that_comes_after_the_open_follows_nothing_of_the_bar_but_its_close(
    low: str, closed: str, following: str | None, price: str | None
) -> None:
    made = held("1")
    made.place(target("108"), 0)
    made.start_bar(SYMBOL, bar(0, "100", "130", low, closed))
    assert prices(made.next_execution(SYMBOL)) == [D(108)]
    made.restore([], {(SYMBOL, LONG): D(1)})
    asked = trailing("0.05")
    made.place(asked, 0)

    done = []
    while step := made.next_execution(SYMBOL):
        done += step
    if following is not None:
        done += play(made, bar(1, following, following, following))

    assert executed(done) == ([] if price is None else [(asked.client_order_id, D(price))])


def test_one_that_comes_in_answer_to_the_open_sees_the_whole_bar() -> None:
    made = book()
    made.place(market(), 0)
    made.start_bar(SYMBOL, bar(0, "100", "110", "90"))
    assert prices(made.next_execution(SYMBOL)) == [D(100)]
    made.place(trailing("0.05"), 0)

    assert prices(made.next_execution(SYMBOL)) == [D(95)]


def test_it_comes_before_the_target_of_the_same_position() -> None:
    made = held("1")
    stop, aim = trailing("0.05"), target("105")
    for asked in (aim, stop):
        made.place(asked, 0)

    assert executed(play(made, bar(0, "100", "106", "94"))) == [(stop.client_order_id, D(95))]


@given(
    st.sampled_from(PositionSide),
    st.integers(1, 300).map(lambda units: Decimal(units) / 1000),
    st.none() | st.integers(80, 120).map(Decimal),
    st.lists(st.integers(70, 130).map(Decimal), min_size=1, max_size=8),
    st.integers(70, 130).map(Decimal),
)
def test_no_way_through_a_bar_triggers_unseen_or_at_a_worse_price(
    side: PositionSide, callback: Decimal, activation: Decimal | None, way: list[Decimal], seen: Decimal
) -> None:
    rising = side is SHORT
    path, span = Trail(callback, rising, activation), Trail(callback, rising, activation)
    path.see(seen)
    span.see(seen)
    high, low = max(seen, *way), min(seen, *way)
    found = span.reached_within(high, low, missed=False)
    assert found is None or low <= found <= high

    for price in way:
        path.see(price)
        if path.reached(price):
            assert path.best is not None
            assert found is not None
            level = path.best * (1 + callback if rising else 1 - callback)
            assert found >= level if rising else found <= level
            break
    if span.reached_within(high, low, missed=True) is not None:
        assert found is not None


def test_the_fills_are_as_the_orders_asked() -> None:
    made = held("2")
    made.place(trailing("0.05", "2"), 0)

    assert [fill.quantity for fill in fills(play(made, bar(0, "100", "100", "90")))] == [D(2)]
