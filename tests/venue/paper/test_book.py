"""What the book does whatever drives it: terms, refusals, cancels, queries, memory."""

from decimal import Context
from typing import Any

import pytest

from contracts.enums import OrderKind, OrderPurpose, OrderStatus
from shared.errors import ConfigError, Rejected
from tests.venue.paper.makers import (
    CANCELLED,
    EXPIRED,
    FILLED,
    LONG,
    OPEN,
    SELL,
    SHORT,
    SYMBOL,
    D,
    bar,
    book,
    close,
    fills,
    held,
    limit,
    market,
    only_fill,
    order,
    play,
    statuses,
    stop,
)
from tradeengine.domain.inputs import FundingSettled
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import LiveOrder
from tradeengine.venue.paper import ledger
from tradeengine.venue.paper.book import PaperBook


def test_fees_and_slippage_must_be_stated() -> None:
    with pytest.raises(TypeError, match="maker_fee"):
        PaperBook()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"taker_fee": D("-0.0001")}, "taker fee -0.0001"),
        ({"taker_fee": D(1)}, "taker fee 1"),
        ({"taker_fee": D("NaN")}, "taker fee NaN"),
        ({"maker_fee": D("1.5")}, "maker fee 1.5"),
        ({"maker_fee": D("Infinity")}, "maker fee Infinity"),
        ({"slippage_bps": D(-1)}, "slippage -1"),
        ({"slippage_bps": D(10_000)}, "slippage 10000"),
        ({"max_fill_quantity": D(0)}, "greatest fill 0"),
    ],
)
def test_terms_outside_their_range_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        book(**changes)


def test_a_fee_is_price_times_quantity_times_rate_unrounded() -> None:
    made = book(taker_fee=D("0.00045"), slippage_bps=D("1.5"))
    made.place(market("0.00123"), 0)

    fill = only_fill(made.tick(SYMBOL, D("45123.45"), 5))

    assert fill.price == D("45130.2185175")
    assert fill.fee == D("45130.2185175") * D("0.00123") * D("0.00045") == D("0.0249795759494362500")
    assert (fill.fee_asset, fill.maker, fill.time_ms) == ("USDT", False, 5)


def test_a_maker_rebate_is_a_negative_fee() -> None:
    made = book(maker_fee=D("-0.0001"))
    made.place(limit("100", "2"), 0)

    assert only_fill(play(made, bar(0, "101", "101", "99"))).fee == D("-0.02")


def test_fees_are_paid_in_the_asset_that_the_instrument_settles_in() -> None:
    made = book(instruments=[Instrument(SYMBOL, D("0.1"), D("0.001"), settle_asset="USDC")])
    made.tick(SYMBOL, D(100), 0)

    assert only_fill(made.place(market(), 0)).fee_asset == "USDC"


def test_arithmetic_does_not_depend_on_the_callers_decimal_context() -> None:
    quantity = "123456789012345.123456789012345678"
    exact = Context(prec=200)
    made = book()
    made.tick(SYMBOL, D("100000.01"), 0)
    opened = only_fill(made.place(market(quantity), 0))
    made.place(close("0.000000000000000001"), 0)

    assert opened.fee == exact.multiply(exact.multiply(D("100000.01"), D(quantity)), D("0.0005"))
    assert made.held(SYMBOL, LONG) == D("123456789012345.123456789012345677")


def test_trades_are_numbered_per_symbol() -> None:
    made = book()
    for symbol in (SYMBOL, "ETHUSDT"):
        made.tick(symbol, D(100), 0)

    ids = [only_fill(made.place(market(symbol=s), 0)).trade_id for s in (SYMBOL, "ETHUSDT", SYMBOL)]

    assert ids == ["1", "1", "2"]


def test_an_order_is_acknowledged_then_filled_then_ended() -> None:
    made = book()
    made.tick(SYMBOL, D(100), 0)
    asked = market("3", SHORT)

    opened, fill, ended = made.place(asked, 7)

    assert statuses([opened, ended]) == [OPEN, FILLED]
    assert ended.executed == D(3)  # type: ignore[union-attr]
    assert fills([fill])[0] == fill
    assert (fill.client_order_id, fill.side, fill.position_side) == (asked.client_order_id, SELL, SHORT)
    assert made.held(SYMBOL, SHORT) == D(3)
    assert made.held(SYMBOL, LONG) == 0


# ---------------------------------------------------------------- refusals


def test_an_id_of_an_open_order_is_refused_and_one_of_an_ended_order_is_not() -> None:
    made = book()
    asked = limit("90")
    made.place(asked, 0)

    with pytest.raises(Rejected, match="open") as refused:
        made.place(asked, 1)
    made.cancel(asked.client_order_id, 2)

    assert refused.value.code == "-4116"
    assert statuses(made.place(asked, 3)) == [OPEN]


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_a_close_beyond_the_leg_is_refused(side: Any) -> None:
    made = held("2", side)

    for asked in (close("2.001", side), limit("1", "3", side, purpose=OrderPurpose.CLOSE)):
        with pytest.raises(Rejected, match="which holds 2") as refused:
            made.place(asked, 0)
        assert refused.value.code == "-2022"
        assert made.query(asked.client_order_id) is None
    assert statuses(made.place(close("2", side), 0)) == [OPEN]


def test_a_close_never_opens_the_other_leg() -> None:
    made = held("2", SHORT)

    with pytest.raises(Rejected, match="BTCUSDT LONG, which holds 0"):
        made.place(close("1", LONG), 0)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (order(OrderKind.LIMIT), "-1102"),
        (order(OrderKind.STOP_MARKET), "-1102"),
        (order(OrderKind.STOP, trigger="100"), "-1102"),
        (order(OrderKind.TAKE_PROFIT, price="100"), "-1102"),
        (order(OrderKind.LIMIT, price="0"), "-4001"),
        (order(OrderKind.STOP_MARKET, trigger="-1"), "-4001"),
        (order(OrderKind.MARKET, "0"), "-4003"),
    ],
)
def test_an_incomplete_order_is_refused_and_leaves_no_trace(asked: Any, code: str) -> None:
    made = book()

    with pytest.raises(Rejected, match=asked.client_order_id) as refused:
        made.place(asked, 0)

    assert refused.value.code == code
    assert made.query(asked.client_order_id) is None


# ---------------------------------------------------------------- cancel and query


def test_a_cancel_ends_the_order_and_says_what_it_had_executed() -> None:
    made = book(max_fill_quantity=D(1))
    made.tick(SYMBOL, D(100), 0)
    asked = limit("100", "3")
    made.place(asked, 1)

    (ended,) = made.cancel(asked.client_order_id, 2)

    assert (statuses([ended]), ended.executed, ended.time_ms) == ([CANCELLED], D(1), 2)  # type: ignore[union-attr]
    assert made.tick(SYMBOL, D(90), 3) == []


def test_cancelling_what_ended_or_never_arrived_is_no_error() -> None:
    made = book()
    asked = limit("100")
    made.place(asked, 0)
    made.cancel(asked.client_order_id, 1)

    assert made.cancel(asked.client_order_id, 2) == []
    assert made.cancel("never seen", 2) == []


def test_a_query_repeats_all_that_was_reported() -> None:
    made = book(max_fill_quantity=D(1))
    asked = limit("100", "2")
    told = made.place(asked, 0)
    for time_ms, price in enumerate(("101", "100", "99"), start=1):
        told += made.tick(SYMBOL, D(price), time_ms)

    assert list(made.query(asked.client_order_id) or ()) == told
    assert statuses(told) == [OPEN, FILLED]
    assert made.query("never seen") is None


def test_ended_orders_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "ENDED_KEPT", 2)
    made = book()
    made.tick(SYMBOL, D(100), 0)
    resting = limit("1")
    made.place(resting, 0)
    ended = [market() for _ in range(3)]
    for asked in ended:
        made.place(asked, 0)

    assert [made.query(asked.client_order_id) is not None for asked in ended] == [False, True, True]
    assert made.query(resting.client_order_id) is not None


def test_forgetting_an_ended_order_spares_a_younger_one_of_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "ENDED_KEPT", 1)
    made = book()
    asked = limit("1")
    made.place(asked, 0)
    made.cancel(asked.client_order_id, 0)
    made.place(asked, 1)
    made.tick(SYMBOL, D(100), 2)
    made.place(market(), 3)

    assert statuses(made.query(asked.client_order_id) or ()) == [OPEN]
    assert statuses(made.cancel(asked.client_order_id, 4)) == [CANCELLED]


# ---------------------------------------------------------------- memory over restarts


def live(asked: Any, status: OrderStatus = OPEN, filled: str = "0") -> LiveOrder:
    return LiveOrder(order=asked, status=status, venue_order_id="v-1", filled=D(filled))


def test_after_a_restart_open_orders_rest_and_planned_ones_never_arrived() -> None:
    resting, planned, ended = stop("90", "2"), market(), limit("100")
    made = book()
    made.restore(
        [live(resting), live(planned, OrderStatus.PLANNED), live(ended, OrderStatus.CANCELLED)],
        {(SYMBOL, LONG): D(2)},
        prefix="r2-",
    )

    assert made.query(planned.client_order_id) is None
    assert made.query(ended.client_order_id) is None
    (known,) = made.query(resting.client_order_id) or ()
    assert known.venue_order_id == "v-1"  # type: ignore[union-attr]
    fill = only_fill(made.tick(SYMBOL, D(89), 5))
    assert (fill.client_order_id, fill.quantity, fill.trade_id) == (resting.client_order_id, D(2), "r2-1")


def test_after_a_restart_only_what_was_left_of_an_order_fills() -> None:
    asked = limit("100", "3")
    made = book()
    made.restore([live(asked, filled="2")], {(SYMBOL, LONG): D(2)})

    fill = only_fill(made.tick(SYMBOL, D(95), 0))

    assert (fill.quantity, fill.price, fill.maker) == (D(1), D(100), True)
    assert made.held(SYMBOL, LONG) == D(3)


def test_after_a_restart_a_conditional_order_that_had_begun_to_fill_goes_on() -> None:
    begun, untouched = stop("90", "3"), stop("90", "1")
    made = book()
    made.restore([live(begun, filled="1"), live(untouched)], {(SYMBOL, LONG): D(5)})

    assert only_fill(made.tick(SYMBOL, D(95), 0)).client_order_id == begun.client_order_id


def test_after_a_restart_a_stop_limit_order_that_was_not_triggered_is_no_maker_yet() -> None:
    asked = order(OrderKind.STOP, trigger="105", price="106")
    made = book()
    made.restore([live(asked)], {})

    fill = only_fill(made.tick(SYMBOL, D("105.5"), 0))

    assert (fill.price, fill.maker) == (D("105.5"), False)


# ---------------------------------------------------------------- never more than the leg holds


def test_a_stop_is_cut_to_what_the_leg_holds() -> None:
    made = held("5")
    asked = stop("90", "5")
    made.place(asked, 0)
    made.tick(SYMBOL, D(100), 1)
    made.place(close("3"), 1)

    fill, ended = made.tick(SYMBOL, D(90), 2)

    assert fill.quantity == D(2)  # type: ignore[union-attr]
    assert (statuses([ended]), ended.executed) == ([EXPIRED], D(2))  # type: ignore[union-attr]
    assert made.held(SYMBOL, LONG) == 0


def test_a_stop_of_an_empty_leg_expires() -> None:
    made = book()
    made.place(stop("90"), 0)

    (ended,) = made.tick(SYMBOL, D(80), 1)

    assert (statuses([ended]), ended.executed) == ([EXPIRED], D(0))  # type: ignore[union-attr]


def test_closes_that_together_exceed_the_leg_take_no_more_than_it_holds() -> None:
    made = held("3")
    for _ in range(3):
        made.place(close("2"), 0)

    reports = play(made, bar(0, "100", "100", "100"))

    assert [fill.quantity for fill in fills(reports)] == [D(2), D(1)]
    assert statuses(reports) == [FILLED, EXPIRED, EXPIRED]


# ---------------------------------------------------------------- the rest


def test_funding_is_reported_as_it_was_given() -> None:
    settled = book().settle_funding(SYMBOL, D("0.0001"), D(45000), 8)

    assert settled == FundingSettled(time_ms=8, symbol=SYMBOL, rate=D("0.0001"), mark_price=D(45000))


def test_a_symbol_is_driven_in_one_way_only() -> None:
    made = book()
    made.tick(SYMBOL, D(100), 0)
    made.start_bar("ETHUSDT", bar(0, "1", "1", "1"))

    with pytest.raises(ValueError, match="BTCUSDT trades at single prices"):
        made.start_bar(SYMBOL, bar(0, "1", "1", "1"))
    with pytest.raises(ValueError, match="ETHUSDT trades in bars"):
        made.tick("ETHUSDT", D(1), 0)
