"""Single prices: how the paper exchange trades live."""

from typing import Any

import pytest

from contracts.enums import OrderKind, PositionSide, TimeInForce
from tests.venue.paper.makers import (
    EXPIRED,
    FILLED,
    LONG,
    OPEN,
    SHORT,
    SYMBOL,
    D,
    book,
    close,
    executed,
    fills,
    held,
    limit,
    market,
    only_fill,
    order,
    prices,
    statuses,
    stop,
    target,
)
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.base import Report
from tradeengine.venue.paper.book import PaperBook


def at(price: str, **changes: Any) -> PaperBook:
    made = held("5", **changes)
    made.tick(SYMBOL, D(price), 0)
    return made


def walk(made: PaperBook, *path: str) -> list[Report]:
    return [report for time_ms, price in enumerate(path) for report in made.tick(SYMBOL, D(price), time_ms)]


# ---------------------------------------------------------------- market orders


def test_a_market_order_fills_at_once_at_the_newest_price_with_slippage() -> None:
    made = at("100", slippage_bps=D(5))

    assert prices(made.place(market(), 1)) == [D("100.05")]
    assert prices(made.place(close(), 1)) == [D("99.95")]


def test_a_market_order_waits_for_the_first_price() -> None:
    made = book()

    assert statuses(made.place(market(), 0)) == [OPEN]
    assert made.last_price(SYMBOL) is None
    assert prices(walk(made, "101", "102")) == [D(101)]
    assert made.last_price(SYMBOL) == D(102)


# ---------------------------------------------------------------- limit orders


@pytest.mark.parametrize(("side", "price"), [(LONG, "101"), (SHORT, "99")])
def test_a_limit_order_that_can_be_executed_at_once_is_a_taker_at_the_newest_price(
    side: PositionSide, price: str
) -> None:
    fill = only_fill(at("100", slippage_bps=D(5)).place(limit(price, side=side), 1))

    assert (fill.price, fill.maker, fill.fee) == (D(100), False, D("0.05"))


@pytest.mark.parametrize(
    ("side", "price", "path"), [(LONG, "99", ("99.01", "98")), (SHORT, "101", ("100.99", "102")), (LONG, "99", ("99",))]
)
def test_a_limit_order_that_rested_is_a_maker_at_its_own_price(
    side: PositionSide, price: str, path: tuple[str, ...]
) -> None:
    made = at("100", slippage_bps=D(5))
    assert fills(made.place(limit(price, side=side), 1)) == []

    fill = only_fill(walk(made, *path))

    assert (fill.price, fill.maker, fill.fee) == (D(price), True, D(price) * D("0.0002"))


@pytest.mark.parametrize(
    ("patience", "price", "filled", "ended"),
    [
        (TimeInForce.GTC, "101", True, FILLED),
        (TimeInForce.GTC, "99", False, None),
        (TimeInForce.IOC, "100", True, FILLED),
        (TimeInForce.IOC, "99", False, EXPIRED),
        (TimeInForce.FOK, "100", True, FILLED),
        (TimeInForce.FOK, "99", False, EXPIRED),
        (TimeInForce.GTX, "100", False, EXPIRED),
        (TimeInForce.GTX, "99", False, None),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_time_in_force_is_judged_at_the_first_price(
    patience: TimeInForce, price: str, filled: bool, ended: Any, known: bool
) -> None:
    made = book()
    if known:
        made.tick(SYMBOL, D(100), 0)
    reports = made.place(limit(price, time_in_force=patience), 1)
    if not known:
        assert statuses(reports) == [OPEN]
        reports += made.tick(SYMBOL, D(100), 2)

    assert bool(fills(reports)) is filled
    assert statuses(reports) == ([OPEN] if ended is None else [OPEN, ended])


# ---------------------------------------------------------------- conditional orders


@pytest.mark.parametrize(
    ("asked", "path", "price"),
    [
        (stop("95"), ("95.01", "94"), "93.953"),
        (stop("95"), ("95",), "94.9525"),
        (stop("105", side=SHORT), ("104.99", "106"), "106.053"),
        (target("105"), ("104.99", "106"), "105.947"),
        (target("95", side=SHORT), ("95.01", "94"), "94.047"),
        (order(OrderKind.STOP_MARKET, trigger="105"), ("104.99", "106"), "106.053"),
        (order(OrderKind.TAKE_PROFIT_MARKET, trigger="95"), ("95.01", "94"), "94.047"),
        (order(OrderKind.STOP_MARKET, side=SHORT, trigger="95"), ("95.01", "94"), "93.953"),
    ],
)
def test_a_conditional_order_becomes_a_market_order_when_its_trigger_is_reached(
    asked: ApprovedOrder, path: tuple[str, ...], price: str
) -> None:
    made = book(slippage_bps=D(5))
    made.restore([], {(SYMBOL, LONG): D(1), (SYMBOL, SHORT): D(1)})
    made.tick(SYMBOL, D(100), 0)
    assert fills(made.place(asked, 1)) == []

    fill = only_fill(walk(made, *path))

    assert (fill.price, fill.maker) == (D(price), False)


def test_a_stop_that_the_price_has_passed_already_executes_at_once() -> None:
    assert prices(at("90").place(stop("95"), 1)) == [D(90)]


def test_the_limit_part_of_a_stop_limit_order_is_a_taker_when_it_can_be_executed() -> None:
    made = at("100")
    made.place(order(OrderKind.STOP, trigger="105", price="107"), 1)

    fill = only_fill(walk(made, "104", "106"))

    assert (fill.price, fill.maker) == (D(106), False)


def test_the_limit_part_of_a_stop_limit_order_is_a_maker_when_it_rested() -> None:
    made = at("100")
    made.place(order(OrderKind.STOP, trigger="105", price="104"), 1)

    assert walk(made, "103", "106") == []
    fill = only_fill(walk(made, "105", "103"))

    assert (fill.price, fill.maker) == (D(104), True)


def test_executions_come_by_kind_then_by_arrival() -> None:
    made = book()
    made.restore([], {(SYMBOL, LONG): D(9), (SYMBOL, SHORT): D(9)})
    asked = {
        "target": target("100", side=SHORT),
        "stop": stop("100"),
        "entry": order(OrderKind.TAKE_PROFIT_MARKET, trigger="100"),
        "limit": limit("100"),
        "market": market(),
        "later market": market(),
    }
    for each in asked.values():
        made.place(each, 0)
    names = {each.client_order_id: name for name, each in asked.items()}

    done = executed(made.tick(SYMBOL, D(100), 1))

    assert [names[order_id] for order_id, _ in done] == ["market", "later market", "limit", "entry", "stop", "target"]


# ---------------------------------------------------------------- partial fills


def test_a_large_market_order_fills_over_several_prices() -> None:
    made = at("100", max_fill_quantity=D(2))
    reports = made.place(market("5"), 1) + walk(made, "101", "102", "103")

    assert [(fill.quantity, fill.price) for fill in fills(reports)] == [
        (D(2), D(100)),
        (D(2), D(101)),
        (D(1), D(102)),
    ]
    assert statuses(reports) == [OPEN, FILLED]


def test_a_triggered_stop_goes_on_filling_although_the_price_comes_back() -> None:
    made = at("100", max_fill_quantity=D(2))
    made.place(stop("95", "3"), 1)

    assert [(fill.quantity, fill.price) for fill in fills(walk(made, "94", "99", "98"))] == [
        (D(2), D(94)),
        (D(1), D(99)),
    ]


def test_a_limit_order_takes_what_is_there_and_rests_with_the_remainder() -> None:
    made = at("100", max_fill_quantity=D(2))
    reports = made.place(limit("101", "5"), 1) + walk(made, "102", "100", "99")

    assert [(fill.quantity, fill.price, fill.maker) for fill in fills(reports)] == [
        (D(2), D(100), False),
        (D(2), D(101), True),
        (D(1), D(101), True),
    ]


def test_the_remainder_of_an_immediate_or_cancel_order_expires() -> None:
    made = at("100", max_fill_quantity=D(2))

    opened, fill, ended = made.place(limit("101", "5", time_in_force=TimeInForce.IOC), 1)

    assert only_fill([fill]).quantity == D(2)
    assert (statuses([opened, ended]), ended.executed) == ([OPEN, EXPIRED], D(2))  # type: ignore[union-attr]
    assert walk(made, "99", "98") == []


def test_fill_or_kill_is_killed_when_it_cannot_be_filled_whole() -> None:
    made = at("100", max_fill_quantity=D(2))

    assert statuses(made.place(limit("101", "3", time_in_force=TimeInForce.FOK), 1)) == [OPEN, EXPIRED]
    assert statuses(made.place(limit("101", "2", time_in_force=TimeInForce.FOK), 1)) == [OPEN, FILLED]


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity"])
def test_a_price_that_is_none_is_refused(price: str) -> None:
    with pytest.raises(ValueError, match="not above zero"):
        book().tick(SYMBOL, D(price), 0)
