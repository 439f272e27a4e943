"""How orders meet the book: levels, remainders, time in force, self-trades, amendment, good-till dates, latency."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.core.driver import BTC, Driver, refused


def fills(exchange: Driver) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(row["price"]), Decimal(row["qty"])) for row in exchange.call("GET", "v1/userTrades", symbol=BTC)]


def test_an_acknowledgement_shows_the_order_before_it_is_matched() -> None:
    exchange = Driver()
    acknowledged = exchange.order("BUY", "LONG", "0.010")
    assert (acknowledged["status"], acknowledged["executedQty"]) == ("NEW", "0")
    assert not {"avgPrice", "cumQuote"} & acknowledged.keys()
    result = exchange.order("BUY", "LONG", "0.010", newOrderRespType="RESULT")
    assert (result["status"], result["executedQty"]) == ("FILLED", "0.010")
    asked = exchange.get_order(acknowledged["orderId"])
    assert (asked["status"], asked["avgPrice"], asked["cumQuote"]) == ("FILLED", "50000.1", "500.001")


def test_acknowledgements_of_old_have_an_average() -> None:
    answer = Driver({"ack_with_average": True}).order("BUY", "LONG", "0.010", newOrderRespType="RESULT")
    assert (answer["avgPrice"], answer["cumQuote"]) == ("50000.1", "500.001")


def test_a_market_order_fills_level_by_level() -> None:
    exchange = Driver({"depth": "0.006", "slippage_ticks": 2})
    exchange.mark(50000, bid="49999.9", ask="50000")
    exchange.order("BUY", "LONG", "0.010")
    assert fills(exchange) == [(Decimal("50000.2"), Decimal("0.006")), (Decimal("50000.3"), Decimal("0.004"))]
    trades = exchange.call("GET", "v1/userTrades", symbol=BTC)
    assert trades[1]["id"] == trades[0]["id"] + 1


def test_what_the_book_cannot_fill_expires() -> None:
    exchange = Driver({"depth": "0.002", "levels": 3})
    order = exchange.order("BUY", "LONG", "0.010", newOrderRespType="RESULT")
    assert (order["status"], order["executedQty"]) == ("EXPIRED", "0.006")
    assert exchange.events("ORDER_TRADE_UPDATE")[-1]["o"]["er"] == "9"
    order = exchange.order("BUY", "LONG", "0.010", "50000.2", timeInForce="IOC", newOrderRespType="RESULT")
    assert (order["status"], order["executedQty"]) == ("EXPIRED", "0.004")
    assert exchange.events("ORDER_TRADE_UPDATE")[-1]["o"]["er"] == "2"


def test_a_market_order_trades_no_further_than_its_bound() -> None:
    exchange = Driver({"filters": "off", "margin": "off"})
    exchange.mark(50000, ask="65000.1")
    order = exchange.order("BUY", "LONG", "0.010", newOrderRespType="RESULT")
    assert (order["status"], order["executedQty"]) == ("EXPIRED", "0")
    exchange.mark(50000, ask=65000)
    assert exchange.order("BUY", "LONG", "0.010", newOrderRespType="RESULT")["status"] == "FILLED"


@pytest.mark.parametrize(("time_in_force", "code"), [("FOK", -5021), ("GTX", -5022)])
def test_what_cannot_be_is_refused_and_not_recorded(time_in_force: str, code: int) -> None:
    exchange = Driver({"depth": "0.006", "levels": 1})
    with refused(code):
        exchange.order("BUY", "LONG", "0.010", "50000.1", timeInForce=time_in_force)
    assert exchange.call("GET", "v1/allOrders", symbol=BTC) == []
    assert exchange.events() == []


def test_fok_and_gtx_that_can_be() -> None:
    exchange = Driver()
    filled = exchange.order("BUY", "LONG", "0.010", "50000.1", timeInForce="FOK", newOrderRespType="RESULT")
    resting = exchange.order("BUY", "LONG", "0.010", "50000", timeInForce="GTX", newOrderRespType="RESULT")
    assert (filled["status"], resting["status"]) == ("FILLED", "NEW")


def test_a_crossing_limit_takes_at_the_book_and_a_resting_one_makes_at_its_price() -> None:
    exchange = Driver()
    exchange.order("BUY", "LONG", "0.010", "50500")
    exchange.order("BUY", "LONG", "0.010", "49000")
    exchange.mark(48900)
    taker, maker = exchange.call("GET", "v1/userTrades", symbol=BTC)
    assert (taker["price"], taker["maker"], taker["commission"]) == ("50000.10", False, "0.25000050")
    assert (maker["price"], maker["maker"], maker["commission"]) == ("49000", True, "0.09800000")


@pytest.mark.parametrize(("side", "leg", "price", "waits", "fills_at"), [
    ("BUY", "LONG", "49000", "49000.1", "49000"), ("SELL", "SHORT", "51000", "50999.9", "51000"),
])  # fmt: skip
def test_a_resting_order_fills_when_the_last_price_reaches_it(
    side: str, leg: str, price: str, waits: str, fills_at: str
) -> None:
    exchange = Driver()
    order = exchange.order(side, leg, "0.010", price)["orderId"]
    exchange.mark(waits)
    assert exchange.get_order(order)["status"] == "NEW"
    exchange.mark(fills_at)
    assert exchange.get_order(order)["status"] == "FILLED"


def test_a_resting_order_fills_in_parts_by_depth() -> None:
    exchange = Driver({"depth": "0.004"})
    order = exchange.order("BUY", "LONG", "0.010", "49000")["orderId"]
    states = []
    for _ in range(3):
        exchange.mark(49000)
        states.append((exchange.get_order(order)["status"], exchange.get_order(order)["executedQty"]))
    assert states == [("PARTIALLY_FILLED", "0.004"), ("PARTIALLY_FILLED", "0.008"), ("FILLED", "0.010")]


def test_filling_by_hand() -> None:
    exchange = Driver()
    order = exchange.order("BUY", "LONG", "0.010", "49000")["orderId"]
    exchange.exchange.fill(order, Decimal("0.004"), Decimal(48000), maker=False)
    row = exchange.get_order(order)
    assert (row["status"], row["avgPrice"]) == ("PARTIALLY_FILLED", "48000")
    with refused(-1130):
        exchange.exchange.fill(order, Decimal("0.007"), Decimal(48000), maker=True)
    exchange.exchange.fill(order, Decimal("0.006"), Decimal(49000), maker=True)
    with refused(-2013):
        exchange.exchange.fill(order, Decimal("0.001"), Decimal(49000), maker=True)
    assert exchange.amount("LONG") == Decimal("0.010")


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        ("EXPIRE_TAKER", "EXPIRED_IN_MATCH", "NEW"),
        ("EXPIRE_MAKER", "FILLED", "EXPIRED_IN_MATCH"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
        ("NONE", "FILLED", "FILLED"),
    ],
)
def test_orders_of_one_account_do_not_trade_with_each_other(mode: str, taker: str, maker: str) -> None:
    exchange = Driver()
    exchange.mark(50000, bid=49900, ask=50100)
    resting = exchange.order("SELL", "SHORT", "0.010", "50050")["orderId"]
    exchange.events()
    order = exchange.order("BUY", "LONG", "0.010", selfTradePreventionMode=mode, newOrderRespType="RESULT")
    assert (order["status"], exchange.get_order(resting)["status"]) == (taker, maker)
    expired = [event["o"]["er"] for event in exchange.events("ORDER_TRADE_UPDATE") if event["o"]["x"] == "EXPIRED"]
    assert set(expired) <= {"1"}
    if mode == "NONE":
        assert {price for price, _ in fills(exchange)} == {Decimal(50050)}


@pytest.mark.parametrize(
    ("match", "price"),
    [("OPPONENT", "50000.1"), ("QUEUE", "49999.9"), ("OPPONENT_5", "50000.5"), ("QUEUE_20", "49998.0")],
)
def test_price_match(match: str, price: str) -> None:
    order = Driver().call(
        "POST", "v1/order", symbol=BTC, side="BUY", positionSide="LONG", type="LIMIT", timeInForce="GTC",
        quantity="0.010", priceMatch=match,
    )  # fmt: skip
    assert (Decimal(order["price"]), order["priceMatch"]) == (Decimal(price), match)


# ---------------------------------------------------------------- amendment


def modify(exchange: Driver, order: Any, quantity: str, price: str) -> Any:
    return exchange.call(
        "PUT", "v1/order", symbol=BTC, side=order["side"], orderId=order["orderId"], quantity=quantity, price=price
    )


def test_an_order_is_changed() -> None:
    exchange = Driver()
    order = exchange.order("BUY", "LONG", "0.010", "49000", newClientOrderId="kept")
    exchange.events()
    changed = modify(exchange, order, "0.020", "48000")
    assert (changed["price"], changed["origQty"], changed["clientOrderId"]) == ("48000", "0.020", "kept")
    assert changed["orderId"] == order["orderId"]
    assert exchange.told() == [("ORDER", "AMENDMENT", "NEW")]
    with refused(-5027):
        modify(exchange, order, "0.020", "48000")
    modify(exchange, order, "0.020", "50500")
    assert exchange.get_order(order["orderId"])["status"] == "FILLED"


def test_a_change_that_a_rule_forbids_leaves_the_order() -> None:
    exchange = Driver()
    order = exchange.order("BUY", "LONG", "0.010", "49000")
    for quantity, price, code in (("0.010", "49000.05", -4014), ("0.0001", "49000", -1111), ("100", "49000", -2019)):
        with refused(code):
            modify(exchange, order, quantity, price)
    row = exchange.get_order(order["orderId"])
    assert (row["status"], row["price"], row["origQty"]) == ("NEW", "49000", "0.010")


def test_a_closing_order_is_changed_within_its_leg() -> None:
    exchange = Driver()
    exchange.order("BUY", "LONG", "0.010")
    order = exchange.order("SELL", "LONG", "0.006", "51000")
    modify(exchange, order, "0.010", "51000")
    with refused(-2022):
        modify(exchange, order, "0.011", "51000")


def test_a_change_may_cancel() -> None:
    exchange = Driver()
    order = exchange.order("BUY", "LONG", "0.010", "49000")
    exchange.exchange.fill(order["orderId"], Decimal("0.004"), Decimal(49000), maker=True)
    assert modify(exchange, order, "0.004", "49000")["status"] == "CANCELED"
    post_only = exchange.order("BUY", "LONG", "0.010", "49000", timeInForce="GTX")
    assert modify(exchange, post_only, "0.010", "50500")["status"] == "CANCELED"
    assert exchange.amount("LONG") == Decimal("0.004")


def test_only_open_limit_orders_are_changed() -> None:
    exchange = Driver()
    with refused(-5025):
        modify(exchange, exchange.order("BUY", "LONG", "0.010"), "0.010", "49000")
    order = exchange.order("BUY", "LONG", "0.010", "49000")
    exchange.call("DELETE", "v1/order", symbol=BTC, orderId=order["orderId"])
    with refused(-2013):
        modify(exchange, order, "0.020", "49000")


# ---------------------------------------------------------------- time


def test_a_good_till_date_order_expires() -> None:
    exchange = Driver()
    until = exchange.exchange.now_ms + 700_000
    order = exchange.order("BUY", "LONG", "0.010", "49000", timeInForce="GTD", goodTillDate=until)["orderId"]
    exchange.advance(699_999)
    assert exchange.get_order(order)["status"] == "NEW"
    exchange.advance(1)
    row = exchange.get_order(order)
    assert (row["status"], row["updateTime"]) == ("EXPIRED", until)


def test_latency_delays_the_match() -> None:
    exchange = Driver({"latency_ms": 50})
    order = exchange.order("BUY", "LONG", "0.010", newOrderRespType="RESULT")
    assert order["status"] == "NEW"
    exchange.advance(49)
    assert exchange.told() == [("ORDER", "NEW", "NEW")]
    exchange.mark(51000)
    exchange.advance(1)
    assert fills(exchange) == [(Decimal("51000.1"), Decimal("0.010"))]


def test_a_post_only_order_that_would_take_after_the_latency_expires() -> None:
    exchange = Driver({"latency_ms": 50})
    order = exchange.order("BUY", "LONG", "0.010", "49000", timeInForce="GTX")["orderId"]
    exchange.mark(48000)
    exchange.advance(50)
    assert exchange.get_order(order)["status"] == "EXPIRED"
    assert fills(exchange) == []


def test_a_young_order_may_be_unfindable() -> None:
    exchange = Driver({"not_found_lag_ms": 500})
    order = exchange.order("BUY", "LONG", "0.010")["orderId"]
    with refused(-2013):
        exchange.get_order(order)
    exchange.advance(500)
    assert exchange.get_order(order)["status"] == "FILLED"


def test_a_countdown_cancels_unless_it_is_renewed() -> None:
    exchange = Driver()
    order = exchange.order("BUY", "LONG", "0.010", "49000")["orderId"]
    for _ in range(3):
        exchange.call("POST", "v1/countdownCancelAll", symbol=BTC, countdownTime=1000)
        exchange.advance(999)
    assert exchange.get_order(order)["status"] == "NEW"
    exchange.advance(1)
    assert exchange.get_order(order)["status"] == "CANCELED"
    order = exchange.order("BUY", "LONG", "0.010", "49000")["orderId"]
    exchange.call("POST", "v1/countdownCancelAll", symbol=BTC, countdownTime=1000)
    exchange.call("POST", "v1/countdownCancelAll", symbol=BTC, countdownTime=0)
    exchange.advance(5000)
    assert exchange.get_order(order)["status"] == "NEW"


def test_unfilled_orders_vanish_after_three_days_and_all_after_ninety() -> None:
    exchange = Driver({"funding": "off"})
    filled = exchange.order("BUY", "LONG", "0.010")["orderId"]
    cancelled = exchange.order("BUY", "LONG", "0.010", "49000")["orderId"]
    resting = exchange.order("BUY", "LONG", "0.010", "48000")["orderId"]
    exchange.call("DELETE", "v1/order", symbol=BTC, orderId=cancelled)
    exchange.advance(3 * 86_400_000 + 1)
    with refused(-2013):
        exchange.get_order(cancelled)
    rows = exchange.call("GET", "v1/allOrders", symbol=BTC)
    assert [row["orderId"] for row in rows] == [filled, resting]
    exchange.advance(87 * 86_400_000)
    with refused(-2013):
        exchange.get_order(filled)
    assert exchange.get_order(resting)["status"] == "NEW"


# ---------------------------------------------------------------- identity


def test_client_ids_are_unique_among_open_orders_only() -> None:
    exchange = Driver()
    first = exchange.order("BUY", "LONG", "0.010", "49000", newClientOrderId="mine")
    with refused(-4116):
        exchange.order("BUY", "LONG", "0.010", newClientOrderId="mine")
    exchange.call("DELETE", "v1/order", symbol=BTC, origClientOrderId="mine")
    second = exchange.order("BUY", "LONG", "0.010", newClientOrderId="mine")
    third = exchange.order("BUY", "LONG", "0.010", newClientOrderId="mine")
    assert first["orderId"] < second["orderId"] < third["orderId"]
    latest = exchange.call("GET", "v1/order", symbol=BTC, origClientOrderId="mine")
    assert latest["orderId"] == third["orderId"]


def test_cancelling_what_is_not_open() -> None:
    exchange = Driver()
    filled = exchange.order("BUY", "LONG", "0.010")["orderId"]
    for params in ({"orderId": filled}, {"orderId": 1}, {"origClientOrderId": "never"}):
        with refused(-2011):
            exchange.call("DELETE", "v1/order", symbol=BTC, **params)
    with refused(-1102):
        exchange.call("DELETE", "v1/order", symbol=BTC)


def test_an_order_can_be_tried() -> None:
    exchange = Driver()
    params = {"symbol": BTC, "side": "BUY", "positionSide": "LONG", "type": "MARKET"}
    assert exchange.call("POST", "v1/order/test", **params, quantity="0.010")["status"] == "NEW"
    with refused(-1111):
        exchange.call("POST", "v1/order/test", **params, quantity="0.0001")
    assert exchange.call("GET", "v1/allOrders", symbol=BTC) == []
    assert exchange.events() == []
