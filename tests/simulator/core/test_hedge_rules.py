"""Which orders an account may send: the acceptance table of hedge mode for both legs, and one-way mode."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.core.driver import CLOSING, OPENING, Driver, refused

legs = pytest.mark.parametrize("leg", ["LONG", "SHORT"])
SIGN = {"LONG": 1, "SHORT": -1}
BEYOND = {"LONG": 51000, "SHORT": 49000}


@legs
@pytest.mark.parametrize("price", [None, "50500"])
def test_the_opening_side_opens_and_increases(leg: str, price: str | None) -> None:
    exchange = Driver()
    exchange.mark(50000, bid="50500", ask="49500")
    for quantity in ("0.010", "0.005"):
        exchange.order(OPENING[leg], leg, quantity, price and {"LONG": "50500", "SHORT": "49500"}[leg])
    assert exchange.amount(leg) == SIGN[leg] * Decimal("0.015")
    assert exchange.amount("SHORT" if leg == "LONG" else "LONG") == 0


@legs
def test_opening_needs_margin_and_closing_needs_none(leg: str) -> None:
    exchange = Driver(
        positions=[{"symbol": "BTCUSDT", "positionSide": leg, "qty": "0.02", "entryPrice": "50000"}], wallet=51
    )
    with refused(-2019):
        exchange.order(OPENING[leg], leg, "0.010")
    exchange.order(CLOSING[leg], leg, "0.010", BEYOND[leg])
    exchange.order(CLOSING[leg], leg, "0.010")


@legs
def test_opening_keeps_to_the_bracket_of_the_leverage(leg: str) -> None:
    exchange = Driver(wallet=10_000_000, leverage={"BTCUSDT": 125})
    exchange.order(OPENING[leg], leg, "0.500", {"LONG": 49900, "SHORT": 50100}[leg])
    exchange.order(OPENING[leg], leg, "0.400")
    with refused(-2027):
        exchange.order(OPENING[leg], leg, "0.200")


@legs
@pytest.mark.parametrize("limited", [False, True])
def test_a_flat_leg_cannot_be_closed(leg: str, limited: bool) -> None:
    exchange = Driver()
    with refused(-2022):
        exchange.order(CLOSING[leg], leg, "0.010", BEYOND[leg] if limited else None)
    assert exchange.amount("LONG") == exchange.amount("SHORT") == 0


@legs
def test_resting_closing_orders_may_not_exceed_the_leg(leg: str) -> None:
    exchange = Driver()
    exchange.order(OPENING[leg], leg, "0.010")
    exchange.order(CLOSING[leg], leg, "0.006", BEYOND[leg])
    with refused(-2022):
        exchange.order(CLOSING[leg], leg, "0.005", BEYOND[leg])
    exchange.order(CLOSING[leg], leg, "0.004", BEYOND[leg])


@legs
def test_a_market_close_of_the_whole_leg_knocks_out_what_rests(leg: str) -> None:
    exchange = Driver()
    exchange.order(OPENING[leg], leg, "0.010")
    resting = exchange.order(CLOSING[leg], leg, "0.006", BEYOND[leg])["orderId"]
    exchange.events()
    exchange.order(CLOSING[leg], leg, "0.010")
    ended = [event["o"] for event in exchange.events("ORDER_TRADE_UPDATE") if event["o"]["x"] == "EXPIRED"]
    assert [(order["i"], order["er"]) for order in ended] == [(resting, "4")]
    assert exchange.amount(leg) == 0


@legs
def test_what_exceeds_the_leg_after_a_partial_close_expires_newest_first(leg: str) -> None:
    exchange = Driver()
    exchange.order(OPENING[leg], leg, "0.010")
    kept, gone = (exchange.order(CLOSING[leg], leg, "0.005", BEYOND[leg])["orderId"] for _ in range(2))
    exchange.order(CLOSING[leg], leg, "0.004")
    assert [exchange.get_order(one)["status"] for one in (kept, gone)] == ["NEW", "EXPIRED"]
    assert abs(exchange.amount(leg)) == Decimal("0.006")


@legs
@pytest.mark.parametrize("policy", ["reject", "cut"])
def test_a_market_close_beyond_the_leg_is_refused_or_cut(leg: str, policy: str) -> None:
    exchange = Driver({"closing_overflow": policy})
    exchange.order(OPENING[leg], leg, "0.010")
    if policy == "reject":
        with refused(-2022):
            exchange.order(CLOSING[leg], leg, "0.011")
        assert abs(exchange.amount(leg)) == Decimal("0.010")
        return
    order = exchange.order(CLOSING[leg], leg, "0.011", newOrderRespType="RESULT")
    assert (order["status"], order["executedQty"]) == ("FILLED", "0.010")
    assert exchange.amount(leg) == 0


@pytest.mark.parametrize("position_side", [None, "BOTH"])
def test_hedge_mode_has_no_both(position_side: str | None) -> None:
    with refused(-4061):
        Driver().order("BUY", position_side, "0.010")


def test_other_words_are_no_position_side() -> None:
    with refused(-4060):
        Driver().order("BUY", "UP", "0.010")


@legs
@pytest.mark.parametrize("value", ["true", "false"])
def test_reduce_only_does_not_go_with_hedge_mode(leg: str, value: str) -> None:
    exchange = Driver()
    exchange.order(OPENING[leg], leg, "0.010")
    with refused(-1106):
        exchange.order(CLOSING[leg], leg, "0.010", reduceOnly=value)
    with refused(-1106):
        exchange.algo(CLOSING[leg], leg, "STOP_MARKET", 100_000 - BEYOND[leg], quantity="0.01", reduceOnly=value)


def test_close_position_belongs_to_conditional_orders() -> None:
    exchange = Driver()
    exchange.order("BUY", "LONG", "0.010")
    with refused(-4120):
        exchange.order("SELL", "LONG", None, closePosition=True)


@legs
def test_close_position_orders(leg: str) -> None:
    exchange = Driver()
    closing: dict[str, Any] = {"side": CLOSING[leg], "position_side": leg, "closePosition": True}
    stop, target = 100_000 - BEYOND[leg], BEYOND[leg]
    with refused(-4509):
        exchange.algo(kind="STOP_MARKET", trigger=stop, **closing)
    exchange.order(OPENING[leg], leg, "0.010")
    with refused(-4137):
        exchange.algo(kind="STOP_MARKET", trigger=stop, quantity="0.010", **closing)
    with refused(-4062):
        exchange.algo(OPENING[leg], leg, "STOP_MARKET", target, closePosition=True)
    exchange.algo(kind="STOP_MARKET", trigger=stop, **closing)
    with refused(-4130):
        exchange.algo(kind="STOP_MARKET", trigger=stop, **closing)
    exchange.algo(kind="TAKE_PROFIT_MARKET", trigger=target, **closing)


@legs
def test_conditional_entries_are_allowed(leg: str) -> None:
    exchange = Driver()
    exchange.algo(OPENING[leg], leg, "STOP_MARKET", BEYOND[leg], quantity="0.010")
    exchange.mark(BEYOND[leg])
    assert abs(exchange.amount(leg)) == Decimal("0.010")


def test_legs_are_independent() -> None:
    exchange = Driver()
    exchange.order("BUY", "LONG", "0.010")
    exchange.mark(51000)
    exchange.order("SELL", "SHORT", "0.020")
    long, short = exchange.leg("LONG"), exchange.leg("SHORT")
    assert (long["positionAmt"], long["entryPrice"]) == ("0.010", "50000.1")
    assert (short["positionAmt"], short["entryPrice"]) == ("-0.020", "50999.9")
    exchange.order("SELL", "LONG", "0.010")
    # the one figure that both legs share
    assert exchange.leg("SHORT") | {"liquidationPrice": ""} == short | {"liquidationPrice": ""}


# ---------------------------------------------------------------- one-way mode


def one_way(**options: Any) -> Driver:
    return Driver(options, dualSidePosition=False)


@legs
def test_one_way_mode_has_no_legs(leg: str) -> None:
    with refused(-4061):
        one_way().order("BUY", leg, "0.010")


def test_one_way_orders_reduce_and_flip() -> None:
    exchange = one_way()
    exchange.order("BUY", None, "0.010")
    exchange.mark(51000)
    exchange.order("SELL", "BOTH", "0.030")
    row = exchange.leg("BOTH")
    assert (row["positionAmt"], row["entryPrice"]) == ("-0.020", "50999.9")
    assert dict(exchange.income())["REALIZED_PNL"] == Decimal("9.998")
    assert [row["positionSide"] for row in exchange.call("GET", "v3/positionRisk")] == ["BOTH"]


def test_one_way_reduce_only() -> None:
    exchange = one_way()
    with refused(-2022):
        exchange.order("SELL", None, "0.010", reduceOnly=True)
    exchange.order("BUY", None, "0.010")
    with refused(-2022):
        exchange.order("BUY", None, "0.010", reduceOnly=True)
    exchange.order("SELL", None, "0.004", reduceOnly=True)
    assert exchange.amount("BOTH") == Decimal("0.006")


def test_one_way_margin_is_asked_for_what_goes_beyond_the_position() -> None:
    exchange = Driver(dualSidePosition=False, wallet=60)
    exchange.order("BUY", None, "0.020")
    exchange.order("SELL", None, "0.040")
    assert exchange.amount("BOTH") == Decimal("-0.020")
    with refused(-2019):
        exchange.order("BUY", None, "0.100")
