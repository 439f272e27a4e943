"""Conditional orders: when they fire, what becomes of them, and what they tell."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.core.driver import BTC, CLOSING, ETH, OPENING, Driver, refused

FIRES = [
    ("BUY", "STOP_MARKET", "51000", "50999.9"),
    ("SELL", "STOP_MARKET", "49000", "49000.1"),
    ("BUY", "TAKE_PROFIT_MARKET", "49000", "49000.1"),
    ("SELL", "TAKE_PROFIT_MARKET", "51000", "50999.9"),
]
LEG = {"BUY": "LONG", "SELL": "SHORT"}


@pytest.mark.parametrize("working_type", ["MARK_PRICE", "CONTRACT_PRICE"])
@pytest.mark.parametrize(("side", "kind", "trigger", "waits"), FIRES)
def test_it_fires_when_its_price_is_reached(side: str, kind: str, trigger: str, waits: str, working_type: str) -> None:
    exchange = Driver()
    algo = exchange.algo(side, LEG[side], kind, trigger, quantity="0.010", workingType=working_type)["algoId"]
    exchange.mark(waits)
    assert exchange.get_algo(algo)["algoStatus"] == "NEW"
    exchange.mark(trigger)
    assert exchange.get_algo(algo)["algoStatus"] == "FINISHED"
    assert abs(exchange.amount(LEG[side])) == Decimal("0.010")


@pytest.mark.parametrize(("side", "kind", "trigger", "waits"), FIRES)
def test_it_is_refused_when_it_would_fire_at_once(side: str, kind: str, trigger: str, waits: str) -> None:
    exchange = Driver()
    exchange.mark(trigger)
    with refused(-2021):
        exchange.algo(side, LEG[side], kind, trigger, quantity="0.010")
    exchange.mark(waits)
    exchange.algo(side, LEG[side], kind, trigger, quantity="0.010")


def test_mark_and_last_price_are_two() -> None:
    exchange = Driver()
    by_mark = exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, quantity="0.010", workingType="MARK_PRICE")
    by_last = exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, quantity="0.010")
    exchange.mark(51000, last=50500)
    states = [exchange.get_algo(one["algoId"])["algoStatus"] for one in (by_mark, by_last)]
    assert states == ["FINISHED", "NEW"]


def test_the_way_of_an_order_that_fires() -> None:
    exchange = Driver()
    placed = exchange.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity="0.010", clientAlgoId="a1")
    exchange.mark(51000)
    events = exchange.events()
    algo = [event["o"] for event in events if event["e"] == "ALGO_UPDATE"]
    assert [event["X"] for event in algo] == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
    row = exchange.get_algo(placed["algoId"])
    order_id = row["actualOrderId"]
    assert [event["ai"] for event in algo] == ["", "", order_id, order_id]
    assert [(event.get("ap"), event.get("aq"), event.get("act")) for event in algo] == [
        (None, None, None),
        (None, None, None),
        ("0", "0", "MARKET"),
        ("51000.1", "0.010", "MARKET"),
    ]
    order = exchange.get_order(order_id)
    assert (order["type"], order["origType"], order["stopPrice"], order["status"]) == (
        "MARKET",
        "STOP_MARKET",
        "51000",
        "FILLED",
    )
    assert order["clientOrderId"] == "a1"
    kinds = [(event["e"], event["o"]["X"]) for event in events if "o" in event][2:]
    assert kinds == [
        ("ALGO_UPDATE", "TRIGGERED"),
        ("ORDER_TRADE_UPDATE", "NEW"),
        ("ORDER_TRADE_UPDATE", "FILLED"),
        ("ALGO_UPDATE", "FINISHED"),
    ]


def test_a_stop_with_a_limit_rests_and_finishes_when_its_order_ends() -> None:
    exchange = Driver()
    algo = exchange.algo("BUY", "LONG", "STOP", "51000", quantity="0.010", price="50500")["algoId"]
    exchange.mark(51000)
    row = exchange.get_algo(algo)
    assert (row["algoStatus"], row["actualType"]) == ("TRIGGERED", "LIMIT")
    with refused(-2011):
        exchange.call("DELETE", "v1/algoOrder", algoId=algo)
    exchange.events()
    exchange.call("DELETE", "v1/order", symbol=BTC, orderId=row["actualOrderId"])
    assert exchange.told() == [("ORDER", "CANCELED", "CANCELED"), ("ALGO", "FINISHED")]
    assert exchange.get_algo(algo)["actualQty"] == "0.000"


@pytest.mark.parametrize(
    ("position", "order", "message"),
    [
        ({}, {"side": "BUY", "quantity": "100"}, "Margin is insufficient."),
        ({}, {"side": "SELL", "quantity": "0.010"}, "Reduce Only reject"),
        ({"qty": "0.005"}, {"side": "SELL", "quantity": "0.010"}, "Reduce Only reject"),
    ],
)
def test_it_is_rejected_when_it_fires_in_vain(position: dict[str, str], order: dict[str, str], message: str) -> None:
    held = [{"symbol": BTC, "positionSide": "LONG", "entryPrice": "50000", **position}] if position else []
    exchange = Driver(positions=held)
    trigger = {"BUY": 51000, "SELL": 49000}[order["side"]]
    algo = exchange.algo(order["side"], "LONG", "STOP_MARKET", trigger, quantity=order["quantity"])["algoId"]
    exchange.events()
    exchange.mark(trigger)
    rejected = exchange.events("ALGO_UPDATE")
    assert [(event["o"]["X"], event["o"]["rm"]) for event in rejected] == [("TRIGGERING", ""), ("REJECTED", message)]
    assert exchange.get_algo(algo)["algoStatus"] == "REJECTED"
    assert exchange.call("GET", "v1/userTrades", symbol=BTC) == []


@pytest.mark.parametrize("how", [{"closePosition": True}, {"quantity": "0.010", "timeInForce": "GTE_GTC"}])
@pytest.mark.parametrize("leg", ["LONG", "SHORT"])
def test_orders_that_live_with_their_leg_expire_with_it(leg: str, how: dict[str, Any]) -> None:
    exchange = Driver()
    exchange.order(OPENING[leg], leg, "0.010")
    trigger = {"LONG": 49000, "SHORT": 51000}[leg]
    bound = exchange.algo(CLOSING[leg], leg, "STOP_MARKET", trigger, **how)
    free = exchange.algo(CLOSING[leg], leg, "STOP_MARKET", trigger, quantity="0.010")
    assert bound["timeInForce"] == "GTE_GTC"
    exchange.order(CLOSING[leg], leg, "0.004")
    assert exchange.get_algo(bound["algoId"])["algoStatus"] == "NEW"
    exchange.events()
    exchange.order(CLOSING[leg], leg, "0.006")
    assert exchange.told()[-1] == ("ALGO", "EXPIRED")
    states = [exchange.get_algo(one["algoId"])["algoStatus"] for one in (bound, free)]
    assert states == ["EXPIRED", "NEW"]


def test_close_position_takes_the_leg_as_it_is_then() -> None:
    exchange = Driver()
    exchange.order("BUY", "LONG", "0.010")
    exchange.algo("SELL", "LONG", "STOP_MARKET", 49000, closePosition=True)
    target = exchange.algo("SELL", "LONG", "TAKE_PROFIT_MARKET", 51000, closePosition=True)["algoId"]
    exchange.order("BUY", "LONG", "0.020")
    exchange.mark(49000)
    assert exchange.amount("LONG") == 0
    assert exchange.call("GET", "v1/userTrades", symbol=BTC)[-1]["qty"] == "0.030"
    assert exchange.get_algo(target)["algoStatus"] == "EXPIRED"


def test_gte_can_be_asked_for() -> None:
    exchange = Driver({"gte_required": True})
    exchange.order("BUY", "LONG", "0.010")
    with refused(-4509):
        exchange.algo("SELL", "LONG", "STOP_MARKET", 49000, closePosition=True)
    exchange.algo("SELL", "LONG", "STOP_MARKET", 49000, closePosition=True, timeInForce="GTE_GTC")


def test_a_stop_with_quantity_knocks_out_resting_closes() -> None:
    exchange = Driver()
    exchange.order("BUY", "LONG", "0.010")
    resting = exchange.order("SELL", "LONG", "0.010", "51000")["orderId"]
    exchange.algo("SELL", "LONG", "STOP_MARKET", 49000, quantity="0.010")
    exchange.mark(49000)
    assert (exchange.get_order(resting)["status"], exchange.amount("LONG")) == ("EXPIRED", Decimal(0))


# ---------------------------------------------------------------- trailing


@pytest.mark.parametrize(
    ("side", "activate", "path", "fires"),
    [
        ("SELL", "51000", ["50999.9", "51000", "52000", "51480.1"], "51480"),
        ("SELL", "51000", ["50900", "40000"], None),
        ("SELL", None, ["50500", "49995.1"], "49995"),
        ("BUY", "49000", ["49500", "49000", "48000", "48479.9"], "48480"),
        ("BUY", None, ["49500", "49994.9"], "49995"),
    ],
)
def test_a_trailing_stop(side: str, activate: str | None, path: list[str], fires: str | None) -> None:
    exchange = Driver()
    algo = exchange.algo(
        side, LEG[side], "TRAILING_STOP_MARKET", quantity="0.010", callbackRate="1", activatePrice=activate
    )["algoId"]
    for price in path:
        exchange.mark(price)
        assert exchange.get_algo(algo)["algoStatus"] == "NEW", price
    if fires is not None:
        exchange.mark(fires)
        assert exchange.get_algo(algo)["algoStatus"] == "FINISHED"


def test_a_trailing_stop_tells_when_it_becomes_active() -> None:
    exchange = Driver()
    exchange.algo("SELL", "SHORT", "TRAILING_STOP_MARKET", quantity="0.01", callbackRate="1", activatePrice="51000")
    exchange.mark(51000)
    exchange.mark(51100)
    events = [event["o"] for event in exchange.events("ALGO_UPDATE")]
    assert [(event["X"], event["ia"]) for event in events] == [("NEW", False), ("NEW", True)]
    exchange.algo("SELL", "SHORT", "TRAILING_STOP_MARKET", quantity="0.01", callbackRate="1")
    assert [event["o"]["ia"] for event in exchange.events("ALGO_UPDATE")] == [True]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"activatePrice": "50000"}, -2021),
        ({"activatePrice": "-1"}, -4135),
        ({"callbackRate": "0.09"}, -1130),
        ({"callbackRate": "10.1"}, -1130),
        ({"callbackRate": None}, -1102),
        ({"closePosition": True, "quantity": None}, -1128),
    ],
)
def test_trailing_stops_that_make_no_sense(values: dict[str, Any], code: int) -> None:
    with refused(code):
        Driver().algo("SELL", "SHORT", "TRAILING_STOP_MARKET", **{"quantity": "0.010", "callbackRate": "1", **values})


# ---------------------------------------------------------------- protection, dates, limits


@pytest.mark.parametrize(("policy", "status"), [("waits", "NEW"), ("expires", "EXPIRED")])
def test_a_protected_order_does_not_fire_while_prices_are_apart(policy: str, status: str) -> None:
    exchange = Driver({"price_protect": policy})
    values = {"quantity": "0.010", "workingType": "MARK_PRICE"}
    protected = exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, priceProtect="TRUE", **values)["algoId"]
    other = exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, **values)["algoId"]
    exchange.mark(51000, last="48449.9")
    assert exchange.get_algo(protected)["algoStatus"] == status
    assert exchange.get_algo(other)["algoStatus"] == "FINISHED"
    exchange.mark(51000, last="48450")
    assert exchange.get_algo(protected)["algoStatus"] == ("FINISHED" if policy == "waits" else "EXPIRED")


def test_a_good_till_date_ends_it() -> None:
    exchange = Driver()
    until = exchange.exchange.now_ms + 700_000
    values = {"quantity": "0.010", "price": "51000", "timeInForce": "GTD", "goodTillDate": until}
    algo = exchange.algo("BUY", "LONG", "STOP", 51000, **values)["algoId"]
    exchange.advance(700_000)
    assert exchange.get_algo(algo)["algoStatus"] == "EXPIRED"


def test_open_ones_are_limited_over_all_symbols() -> None:
    exchange = Driver({"max_conditional_orders": 3})
    exchange.algo("BUY", "LONG", "STOP_MARKET", 3100, symbol=ETH, quantity="0.010")
    first = exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, quantity="0.010")["algoId"]
    exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, quantity="0.010")
    with refused(-4045):
        exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, quantity="0.010")
    exchange.call("DELETE", "v1/algoOrder", algoId=first)
    exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, quantity="0.010")


def test_client_ids_are_unique_among_waiting_ones_only() -> None:
    exchange = Driver()
    exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, quantity="0.010", clientAlgoId="mine")
    with refused(-4116):
        exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, quantity="0.010", clientAlgoId="mine")
    answer = exchange.call("DELETE", "v1/algoOrder", clientAlgoId="mine")
    assert (answer["code"], answer["msg"]) == ("200", "success")
    again = exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, quantity="0.010", clientAlgoId="mine")
    assert exchange.call("GET", "v1/algoOrder", clientAlgoId="mine")["algoId"] == again["algoId"]


def test_cancelling_and_asking_for_what_is_not_there() -> None:
    exchange = Driver()
    algo = exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, quantity="0.010")["algoId"]
    exchange.call("DELETE", "v1/algoOpenOrders", symbol=BTC)
    for refused_algo in (algo, 1):
        with refused(-2011):
            exchange.call("DELETE", "v1/algoOrder", algoId=refused_algo)
    with refused(-2013):
        exchange.get_algo(1)
    assert exchange.get_algo(algo)["algoStatus"] == "CANCELED"
    assert exchange.call("GET", "v1/openAlgoOrders") == []
    assert [row["algoId"] for row in exchange.call("GET", "v1/allAlgoOrders", symbol=BTC)] == [algo]


def test_older_networks_have_no_such_paths() -> None:
    exchange = Driver({"algo_endpoints": False})
    with refused(-5000):
        exchange.call("GET", "v1/openAlgoOrders")


# ---------------------------------------------------------------- the old endpoint


def test_close_position_orders_of_the_old_endpoint_expire_with_the_leg() -> None:
    exchange = Driver({"conditional_on_order_endpoint": True})
    stop = {"symbol": BTC, "side": "SELL", "positionSide": "LONG", "type": "STOP_MARKET", "stopPrice": 49000}
    with refused(-4509):
        exchange.call("POST", "v1/order", **stop, closePosition=True)
    exchange.order("BUY", "LONG", "0.010")
    order = exchange.call("POST", "v1/order", **stop, closePosition=True)["orderId"]
    exchange.order("SELL", "LONG", "0.010")
    assert exchange.get_order(order)["status"] == "EXPIRED"
    assert exchange.events("ORDER_TRADE_UPDATE")[-1]["o"]["er"] == "6"


def test_the_old_endpoint_takes_them_if_asked_to() -> None:
    exchange = Driver({"conditional_on_order_endpoint": True})
    exchange.order("BUY", "LONG", "0.010")
    stop = exchange.order("SELL", "LONG", "0.010", type="STOP_MARKET", stopPrice=49000)["orderId"]
    entry = exchange.order("BUY", "LONG", "0.010", 50500, type="STOP", stopPrice=51000)
    row = exchange.get_order(stop)
    assert (row["status"], row["type"], row["stopPrice"]) == ("NEW", "STOP_MARKET", "49000")
    with refused(-2021):
        exchange.order("SELL", "LONG", "0.010", type="STOP_MARKET", stopPrice=50000)
    exchange.mark(49000)
    row = exchange.get_order(stop)
    assert (row["status"], row["type"], row["origType"]) == ("FILLED", "MARKET", "STOP_MARKET")
    exchange.mark(51000)
    assert exchange.get_order(entry["orderId"])["type"] == "LIMIT"
    exchange.mark(50500)
    assert exchange.get_order(entry["orderId"])["status"] == "FILLED"
