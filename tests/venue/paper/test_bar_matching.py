"""Bars: what fills, when, at which price and in which order."""

from typing import Any

import pytest

from contracts.enums import OrderKind, OrderPurpose, PositionSide, TimeInForce
from tests.venue.paper.makers import (
    EXPIRED,
    FILLED,
    LONG,
    SHORT,
    SYMBOL,
    D,
    bar,
    book,
    close,
    executed,
    fills,
    held,
    limit,
    market,
    only_fill,
    order,
    play,
    prices,
    statuses,
    stop,
    target,
)
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.paper.book import PaperBook

CALM = bar(100, "100", "100", "100")


def entry(kind: OrderKind, trigger: str, side: PositionSide = LONG, **changes: Any) -> ApprovedOrder:
    return order(kind, side=side, trigger=trigger, **changes)


# ---------------------------------------------------------------- market orders


@pytest.mark.parametrize(("placed_ms", "filled_ms"), [(0, 100), (99, 100), (100, 100), (101, 200), (200, 200)])
def test_a_market_order_fills_at_the_open_of_the_first_bar_that_starts_at_or_after_it(
    placed_ms: int, filled_ms: int
) -> None:
    made = book()
    made.place(market(), placed_ms)

    fill = only_fill(play(made, bar(100, "101", "105", "95"), bar(200, "102", "105", "95"), bar(300, "9", "9", "9")))

    assert (fill.time_ms, fill.price) == (filled_ms, D("101") if filled_ms == 100 else D("102"))
    assert (fill.maker, fill.fee) == (False, fill.price * D("0.0005"))


@pytest.mark.parametrize(
    ("asked", "price"),
    [
        (market(), "100.025"),
        (market(side=SHORT), "99.975"),
        (close(), "99.975"),
        (close(side=SHORT), "100.025"),
    ],
)
def test_slippage_moves_a_market_order_against_itself(asked: ApprovedOrder, price: str) -> None:
    made = book(slippage_bps=D("2.5"))
    made.restore([], {(SYMBOL, LONG): D(1), (SYMBOL, SHORT): D(1)})
    made.place(asked, 0)

    assert prices(play(made, CALM)) == [D(price)]


def test_an_order_waits_for_bars_of_its_own_symbol() -> None:
    made = book()
    made.place(market(symbol="ETHUSDT"), 0)

    assert play(made, CALM) == []
    assert prices(play(made, bar(100, "7", "7", "7"), symbol="ETHUSDT")) == [D(7)]


# ---------------------------------------------------------------- limit orders


@pytest.mark.parametrize(
    ("asked", "seen", "price"),
    [
        (limit("95"), bar(0, "100", "101", "95"), "95"),
        (limit("95"), bar(0, "100", "101", "95.01"), None),
        (limit("95"), bar(0, "95", "101", "95"), "95"),
        (limit("95"), bar(0, "94", "101", "93"), "94"),
        (limit("105", side=SHORT), bar(0, "100", "105", "99"), "105"),
        (limit("105", side=SHORT), bar(0, "100", "104.99", "99"), None),
        (limit("105", side=SHORT), bar(0, "106", "107", "99"), "106"),
    ],
)
def test_a_limit_fills_at_its_price_or_a_better_open_as_maker(asked: Any, seen: Any, price: str | None) -> None:
    made = book(slippage_bps=D(10))
    made.place(asked, 0)

    done = fills(play(made, seen))

    assert [(fill.price, fill.maker) for fill in done] == ([] if price is None else [(D(price), True)])


def test_a_limit_fills_only_in_bars_that_start_at_or_after_its_placement() -> None:
    made = book()
    made.place(limit("95"), 101)

    assert fills(play(made, bar(100, "100", "100", "90"))) == []
    assert prices(play(made, bar(200, "100", "100", "90"))) == [D(95)]


@pytest.mark.parametrize(
    ("patience", "opened", "outcome"),
    [
        (TimeInForce.IOC, "94", [D(94)]),
        (TimeInForce.IOC, "96", None),
        (TimeInForce.FOK, "94", [D(94)]),
        (TimeInForce.FOK, "96", None),
        (TimeInForce.GTX, "95", None),
        (TimeInForce.GTX, "96", [D(95)]),
        (TimeInForce.GTC, "96", [D(95)]),
    ],
)
def test_time_in_force_is_judged_at_the_first_open(patience: TimeInForce, opened: str, outcome: Any) -> None:
    made = book()
    made.place(limit("95", time_in_force=patience), 0)

    reports = play(made, bar(0, opened, "97", "90"))

    assert prices(reports) == (outcome or [])
    assert statuses(reports) == [FILLED if outcome else EXPIRED]


def test_a_post_only_order_that_rested_once_takes_a_better_open() -> None:
    made = book()
    made.place(limit("95", time_in_force=TimeInForce.GTX), 0)

    assert prices(play(made, bar(0, "96", "97", "96"), bar(1, "94", "95", "94"))) == [D(94)]


# ---------------------------------------------------------------- stops and targets


@pytest.mark.parametrize(
    ("asked", "seen", "price"),
    [
        (stop("95"), bar(0, "100", "101", "95"), "95"),
        (stop("95"), bar(0, "100", "101", "95.01"), None),
        (stop("95"), bar(0, "94", "101", "93"), "94"),
        (stop("105", side=SHORT), bar(0, "100", "105", "99"), "105"),
        (stop("105", side=SHORT), bar(0, "100", "104.99", "99"), None),
        (stop("105", side=SHORT), bar(0, "107", "108", "99"), "107"),
        (target("105"), bar(0, "100", "105", "99"), "105"),
        (target("105"), bar(0, "100", "104.99", "99"), None),
        (target("105"), bar(0, "107", "108", "99"), "107"),
        (target("95", side=SHORT), bar(0, "100", "101", "95"), "95"),
        (target("95", side=SHORT), bar(0, "100", "101", "95.01"), None),
        (target("95", side=SHORT), bar(0, "93", "101", "92"), "93"),
    ],
)
def test_a_stop_or_target_fills_at_its_trigger_or_at_an_open_beyond_it(
    asked: ApprovedOrder, seen: Any, price: str | None
) -> None:
    made = held("1", asked.position_side, slippage_bps=D(10))
    made.place(asked, 0)

    done = fills(play(made, seen))

    assert [(fill.price, fill.maker) for fill in done] == ([] if price is None else [(D(price), False)])


@pytest.mark.parametrize(
    ("side", "opened", "first"), [(LONG, "100", "95"), (LONG, "110", "95"), (SHORT, "100", "105"), (SHORT, "90", "105")]
)
def test_when_one_bar_reaches_both_the_stop_comes_first(side: PositionSide, opened: str, first: str) -> None:
    made = held("1", side)
    profit, loss = (target("105"), stop("95")) if side is LONG else (target("95", side=side), stop("105", side=side))
    made.place(profit, 0)
    made.place(loss, 0)

    made.start_bar(SYMBOL, bar(0, opened, "120", "80"))
    step = made.next_execution(SYMBOL)

    assert executed(step) == [(loss.client_order_id, D(first))]
    made.cancel(profit.client_order_id, 0)
    assert made.next_execution(SYMBOL) == []


def test_a_target_beyond_which_the_bar_opens_is_not_held_up_by_a_stop_of_another_strategy() -> None:
    made = held("2")
    profit, loss = target("105"), stop("95", strategy_id="beta")
    made.place(loss, 0)
    made.place(profit, 0)

    steps = play(made, bar(0, "110", "120", "80"))

    assert executed(steps) == [(profit.client_order_id, D(110)), (loss.client_order_id, D(95))]


# ---------------------------------------------------------------- conditional entries


@pytest.mark.parametrize(
    ("asked", "seen", "price"),
    [
        (entry(OrderKind.STOP_MARKET, "105"), bar(0, "100", "105", "99"), "105"),
        (entry(OrderKind.STOP_MARKET, "105"), bar(0, "106", "107", "99"), "106"),
        (entry(OrderKind.STOP_MARKET, "95", SHORT), bar(0, "100", "105", "95"), "95"),
        (entry(OrderKind.STOP_MARKET, "95", SHORT), bar(0, "94", "94", "90"), "94"),
        (entry(OrderKind.TAKE_PROFIT_MARKET, "95"), bar(0, "100", "105", "95"), "95"),
        (entry(OrderKind.TAKE_PROFIT_MARKET, "105", SHORT), bar(0, "100", "105", "95"), "105"),
        (entry(OrderKind.STOP_MARKET, "105"), bar(0, "100", "104.99", "90"), None),
    ],
)
def test_a_conditional_entry_fills_at_its_trigger_or_at_an_open_beyond_it(
    asked: ApprovedOrder, seen: Any, price: str | None
) -> None:
    made = book()
    made.place(asked, 0)

    done = fills(play(made, seen))

    assert [(fill.price, fill.maker) for fill in done] == ([] if price is None else [(D(price), False)])


@pytest.mark.parametrize(
    ("price", "seen", "expected"),
    [
        pytest.param("106", [bar(0, "100", "107", "99")], [(0, "105")], id="executable at its trigger"),
        pytest.param("106", [bar(0, "108", "109", "107")], [], id="gap over the limit: rests"),
        pytest.param("106", [bar(0, "108", "109", "105")], [(0, "106")], id="gap, then the bar comes back to it"),
        pytest.param("104", [bar(0, "100", "105", "99")], [], id="triggered within the bar: rests from then on"),
        pytest.param(
            "104", [bar(0, "100", "105", "99"), bar(1, "105", "106", "104")], [(1, "104")], id="fills in the next bar"
        ),
        pytest.param("106", [bar(0, "100", "104", "99")], [], id="not triggered"),
    ],
)
def test_a_stop_limit_order_rests_as_a_limit_once_triggered(price: str, seen: Any, expected: Any) -> None:
    made = book()
    made.place(order(OrderKind.STOP, trigger="105", price=price), 0)

    done = fills(play(made, *seen))

    assert [(fill.time_ms, fill.price, fill.maker) for fill in done] == [(t, D(p), True) for t, p in expected]


def test_a_take_profit_limit_order_waits_for_the_dip_then_rests() -> None:
    made = book()
    made.place(order(OrderKind.TAKE_PROFIT, trigger="95", price="94"), 0)

    assert prices(play(made, bar(0, "100", "101", "94"), bar(1, "96", "97", "93"))) == [D(94)]


@pytest.mark.parametrize(
    ("patience", "price", "filled"),
    [
        (TimeInForce.IOC, "104", False),
        (TimeInForce.IOC, "106", True),
        (TimeInForce.GTX, "106", False),
    ],
)
def test_time_in_force_of_a_stop_limit_order_is_judged_when_it_is_triggered(
    patience: TimeInForce, price: str, filled: bool
) -> None:
    made = book()
    made.place(order(OrderKind.STOP, trigger="105", price=price, time_in_force=patience), 0)

    reports = play(made, bar(0, "100", "110", "90"))

    assert statuses(reports) == [FILLED if filled else EXPIRED]


# ---------------------------------------------------------------- order of executions


def test_executions_come_by_kind_then_by_arrival() -> None:
    made = held("9")
    asked = {
        "target": target("106", strategy_id="a"),
        "stop": stop("96", strategy_id="b"),
        "entry": entry(OrderKind.STOP_MARKET, "105"),
        "later limit": limit("98"),
        "limit": limit("97"),
        "market": market(),
        "later market": market(),
    }
    for name in ("target", "stop", "entry", "limit", "later limit", "market", "later market"):
        made.place(asked[name], 0)
    names = {each.client_order_id: name for name, each in asked.items()}

    steps = play(made, bar(0, "100", "110", "90"))

    assert [names[fill.client_order_id] for fill in fills(steps)] == [
        "market", "later market", "limit", "later limit", "entry", "stop", "target",
    ]  # fmt: skip


def test_what_the_open_executes_comes_before_what_the_bar_reaches_later() -> None:
    made = held("1")
    gapped, later = stop("95"), limit("90")
    made.place(later, 0)
    made.place(gapped, 0)

    steps = play(made, bar(0, "94", "96", "89"))

    assert executed(steps) == [(gapped.client_order_id, D(94)), (later.client_order_id, D(90))]


def test_one_step_is_one_order() -> None:
    made = book()
    made.place(market(), 0)
    made.place(market(), 0)
    made.start_bar(SYMBOL, CALM)

    assert [len(fills(made.next_execution(SYMBOL))) for _ in range(3)] == [1, 1, 0]


# ---------------------------------------------------------------- answers of the engine within a bar


def answered(made: PaperBook, seen: Any, *answers: ApprovedOrder) -> list[Any]:
    """Play a bar to an engine that answers its first execution with orders; what executed after that."""
    made.start_bar(SYMBOL, seen)
    assert fills(made.next_execution(SYMBOL))
    for answer in answers:
        made.place(answer, seen.time_ms)
    rest: list[Any] = []
    while step := made.next_execution(SYMBOL):
        rest += executed(step)
    return rest


@pytest.mark.parametrize("first", [market(), limit("101"), entry(OrderKind.STOP_MARKET, "99")])
@pytest.mark.parametrize(("answer", "price"), [(stop("95"), "95"), (target("105"), "105"), (close(), "100")])
def test_what_answers_an_execution_at_the_open_sees_the_whole_bar(
    first: ApprovedOrder, answer: ApprovedOrder, price: str
) -> None:
    made = book()
    made.place(first, 0)

    assert answered(made, bar(0, "100", "106", "94"), answer) == [(answer.client_order_id, D(price))]


@pytest.mark.parametrize("first", [limit("98"), entry(OrderKind.STOP_MARKET, "102")])
def test_a_stop_that_answers_a_later_execution_can_still_be_hit_in_the_same_bar(first: ApprovedOrder) -> None:
    made = book()
    made.place(first, 0)
    armed = stop("95")

    assert answered(made, bar(0, "100", "106", "94"), armed) == [(armed.client_order_id, D(95))]


def test_a_stop_armed_within_the_bar_fills_at_its_trigger_because_it_missed_the_open() -> None:
    made = book()
    made.place(entry(OrderKind.STOP_MARKET, "110"), 0)
    armed = stop("105")

    assert answered(made, bar(0, "100", "111", "99"), armed) == [(armed.client_order_id, D(105))]


@pytest.mark.parametrize("trigger", ["104", "108"])
def test_a_stop_that_is_beyond_its_trigger_when_it_comes_fills_at_the_price_it_met(trigger: str) -> None:
    made = book()
    made.place(entry(OrderKind.STOP_MARKET, "102"), 0)
    armed = stop(trigger)

    assert answered(made, bar(0, "100", "106", "94"), armed) == [(armed.client_order_id, D(102))]


@pytest.mark.parametrize("first", [limit("98"), entry(OrderKind.STOP_MARKET, "102")])
@pytest.mark.parametrize(
    ("answer", "price"),
    [
        (target("105"), "105"),
        (limit("97"), "97"),
        (entry(OrderKind.STOP_MARKET, "105"), "105"),
        (market(), "100"),
        (close(), "100"),
    ],
)
def test_everything_else_that_answers_a_later_execution_waits_for_the_next_bar(
    first: ApprovedOrder, answer: ApprovedOrder, price: str
) -> None:
    made = book()
    made.place(first, 0)

    assert answered(made, bar(0, "100", "106", "94"), answer) == []
    assert executed(play(made, bar(1, "100", "106", "94"))) == [(answer.client_order_id, D(price))]


def test_an_order_that_arrives_within_the_bar_has_missed_its_open() -> None:
    made = book()
    made.start_bar(SYMBOL, bar(100, "100", "110", "90"))
    made.place(market(), 101)

    assert made.next_execution(SYMBOL) == []
    assert prices(play(made, bar(200, "102", "102", "102"))) == [D(102)]


def test_a_replaced_stop_executes_once_and_at_the_new_trigger() -> None:
    made = book()
    made.place(market("2"), 0)
    old, new = stop("90"), stop("95", "2")
    made.start_bar(SYMBOL, bar(0, "100", "101", "80"))
    made.next_execution(SYMBOL)
    made.place(old, 0)
    made.place(new, 0)
    made.cancel(old.client_order_id, 0)

    assert executed(made.next_execution(SYMBOL)) == [(new.client_order_id, D(95))]
    assert made.next_execution(SYMBOL) == []
    assert made.held(SYMBOL, LONG) == 0


def test_a_closing_limit_order_takes_profit_as_maker() -> None:
    made = held("1")
    made.place(limit("105", purpose=OrderPurpose.CLOSE), 0)

    fill = only_fill(play(made, bar(0, "100", "105", "99")))

    assert (fill.price, fill.maker) == (D(105), True)


# ---------------------------------------------------------------- last price and misuse


def test_the_last_price_follows_the_bar() -> None:
    made = book(slippage_bps=D(100))
    assert made.last_price(SYMBOL) is None
    made.place(market(), 0)
    made.place(limit("98"), 0)
    made.start_bar(SYMBOL, bar(0, "100", "106", "94", "103"))
    seen = [made.last_price(SYMBOL)]
    while made.next_execution(SYMBOL):
        seen.append(made.last_price(SYMBOL))
    seen.append(made.last_price(SYMBOL))

    assert seen == [D(100), D(100), D(98), D(103)]


def test_bars_come_one_after_the_other() -> None:
    made = book()
    with pytest.raises(ValueError, match="no bar is under way"):
        made.next_execution(SYMBOL)
    made.start_bar(SYMBOL, CALM)
    with pytest.raises(ValueError, match="100 ms is not finished"):
        made.start_bar(SYMBOL, bar(200, "1", "1", "1"))
    made.next_execution(SYMBOL)
    with pytest.raises(ValueError, match="cannot follow one of 100 ms"):
        made.start_bar(SYMBOL, CALM)
