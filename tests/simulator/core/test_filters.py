"""Each filter with the code of its violation, the order of checks, and the switch that turns them off."""

from typing import Any

import pytest

from tests.simulator.core.driver import Driver, refused
from tradeengine.simulator.listings import default_symbols


def driver(options: dict[str, Any] | None = None, **filters: dict[str, Any]) -> Driver:
    """BTCUSDT with some filters replaced, and a wallet for everything."""
    entry = default_symbols()[0]
    entry["filters"] = [{**row, **filters.get(row["filterType"], {})} for row in entry["filters"]]
    return Driver(options, symbols=[entry], wallet=10**12, leverage={"BTCUSDT": 1})


@pytest.mark.parametrize(
    ("price", "code"),
    [
        ("402", None),
        ("401.90", -4013),
        ("49000.05", -4014),
        ("49000.001", -1111),
        ("0", -4001),
        ("-1", -4001),
        ("1e4", -1100),
        ("", -1102),
        ("55000.0", None),
        ("55000.1", -4016),
    ],
)
def test_prices_of_buys(price: str, code: int | None) -> None:
    place(driver(), "BUY", "LONG", "0.100", price, code)


@pytest.mark.parametrize(
    ("price", "code"), [("1246396.60", None), ("1246396.70", -4002), ("27270.0", None), ("27269.90", -4024)]
)
def test_prices_of_sells(price: str, code: int | None) -> None:
    place(driver(), "SELL", "SHORT", "0.100", price, code)


LOTS = {
    "LOT_SIZE": {"minQty": "0.010", "maxQty": "500", "stepSize": "0.002"},
    "MARKET_LOT_SIZE": {"minQty": "0.020", "maxQty": "100", "stepSize": "0.005"},
}


@pytest.mark.parametrize(
    ("quantity", "price", "code"),
    [
        ("0.012", "49000", None),
        ("0.008", "49000", -4004),
        ("500.002", "49000", -4005),
        ("0.011", "49000", -4023),
        ("0.0101", "49000", -1111),
        ("0", "49000", -4003),
        ("-0.1", "49000", -4003),
        ("0.025", None, None),
        ("0.015", None, -4004),
        ("100.005", None, -4005),
        ("0.021", None, -4023),
        ("0.0201", None, -1111),
        ("0", None, -4003),
        (None, None, -1102),
    ],
)
def test_quantities(quantity: str | None, price: str | None, code: int | None) -> None:
    place(driver(**LOTS), "BUY", "LONG", quantity, price, code)


@pytest.mark.parametrize(
    ("quantity", "price", "code"), [("0.040", "50000", None), ("0.040", "49999.9", -4164), ("0.039", None, -4164)]
)
def test_notional_of_openings(quantity: str, price: str | None, code: int | None) -> None:
    place(driver(MIN_NOTIONAL={"notional": "2000"}), "BUY", "LONG", quantity, price, code)


def test_closing_sides_are_exempt_from_the_notional() -> None:
    exchange = driver(MIN_NOTIONAL={"notional": "2000"})
    exchange.order("BUY", "LONG", "0.040")
    exchange.order("SELL", "LONG", "0.001")


@pytest.mark.parametrize(
    ("side", "position_side", "book"), [("BUY", "LONG", {"ask": "55000.1"}), ("SELL", "SHORT", {"bid": "27269.9"})]
)
def test_the_counterparty_of_market_orders_keeps_to_the_band(side: str, position_side: str, book: Any) -> None:
    exchange = driver()
    exchange.mark(50000, **book)
    place(exchange, side, position_side, "0.100", None, -4131)


def test_an_empty_book_fills_nothing() -> None:
    exchange = driver()
    exchange.mark(50000, ask=0)
    place(exchange, "BUY", "LONG", "0.100", None, -1112)
    place(exchange, "SELL", "SHORT", "0.100", None, None)


@pytest.mark.parametrize("counts_algo", [False, True])
def test_open_orders_are_limited(counts_algo: bool) -> None:
    exchange = driver({"algo_in_max_orders": counts_algo}, MAX_NUM_ORDERS={"limit": 2})
    exchange.order("BUY", "LONG", "0.010", "49000")
    exchange.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity="0.010")
    if not counts_algo:
        exchange.order("BUY", "LONG", "0.010", "49000")
    with refused(-2025):
        exchange.order("BUY", "LONG", "0.010", "49000")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"triggerPrice": "0"}, -4006),
        ({"triggerPrice": "1246396.70"}, -4007),
        ({"triggerPrice": "51000.05"}, -4014),
        ({"triggerPrice": "51000.001"}, -1111),
        ({"triggerPrice": "55000.1"}, -4210),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "1001"}, -4005),
        ({"type": "STOP", "price": "51000.05"}, -4014),
        ({"type": "STOP", "price": "55000.1"}, -4183),
    ],
)
def test_conditional_orders(changes: dict[str, str], code: int) -> None:
    values: dict[str, Any] = {"kind": "STOP_MARKET", "trigger": "51000", "quantity": "0.010"}
    values |= {{"triggerPrice": "trigger", "type": "kind"}.get(name, name): value for name, value in changes.items()}
    with refused(code):
        driver().algo("BUY", "LONG", **values)


def test_a_trigger_price_of_a_sell_has_a_floor() -> None:
    with refused(-4211):
        driver().algo("SELL", "SHORT", "STOP_MARKET", "27269.9", quantity="0.010")
    with refused(-4184):
        driver().algo("SELL", "SHORT", "STOP", "49000", quantity="0.010", price="27269.9")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": None, "symbol": "NONEUSDT"}, -1121),
        ({"side": None, "symbol": "NONEUSDT"}, -1102),
        ({"symbol": "NONEUSDT", "side": "HOLD"}, -1121),
        ({"side": "HOLD", "positionSide": "BOTH"}, -1117),
        ({"positionSide": "BOTH", "quantity": "0.00001"}, -4061),
        ({"reduceOnly": "true", "quantity": "0.00001"}, -1106),
        ({"quantity": "0.0001", "price": "1"}, -1111),
        ({"quantity": "2000", "price": "49000.05"}, -4005),
        ({"price": "49000.05", "side": "SELL"}, -4014),
        ({"price": "51000", "side": "SELL", "timeInForce": "GTX"}, -2022),
    ],
)
def test_the_first_of_two_violations_is_named(changes: dict[str, Any], code: int) -> None:
    values = {"symbol": "BTCUSDT", "side": "BUY", "positionSide": "LONG", "type": "LIMIT", "timeInForce": "GTC"}
    with refused(code):
        driver().call("POST", "v1/order", **{**values, "quantity": "0.010", "price": "49000", **changes})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "LIMIT", "price": None}, -1102),
        ({"type": "LIMIT", "timeInForce": None}, -1102),
        ({"type": "MARKET"}, -1106),
        ({"type": "MARKET", "price": None}, -1106),
        ({"type": "LIMIT_MAKER"}, -1116),
        ({"type": "LIMIT", "timeInForce": "DAY"}, -1115),
        ({"type": "LIMIT", "timeInForce": "GTE_GTC"}, -1115),
        ({"type": "STOP_MARKET"}, -4120),
        ({"type": "LIMIT", "newClientOrderId": "x" * 37}, -4015),
        ({"type": "LIMIT", "newClientOrderId": "a b"}, -4015),
        ({"type": "LIMIT", "newOrderRespType": "FULL"}, -1136),
        ({"type": "LIMIT", "workingType": "LAST"}, -4031),
        ({"type": "LIMIT", "priceMatch": "BEST"}, -5037),
        ({"type": "LIMIT", "priceMatch": "QUEUE"}, -1106),
        ({"type": "LIMIT", "selfTradePreventionMode": "OFTEN"}, -5039),
        ({"type": "LIMIT", "timeInForce": "GTD"}, -1102),
        ({"type": "LIMIT", "timeInForce": "GTD", "goodTillDate": 1}, -5040),
        ({"type": "LIMIT", "reduceOnly": "maybe"}, -1130),
    ],
)
def test_requests_that_make_no_sense(changes: dict[str, Any], code: int) -> None:
    values = {"symbol": "BTCUSDT", "side": "BUY", "positionSide": "LONG", "timeInForce": "GTC", "quantity": "0.010"}
    with refused(code):
        driver().call("POST", "v1/order", **{**values, "price": "49000", **changes})


def test_names_in_any_case_are_read() -> None:
    answer = driver().call(
        "POST", "v1/order", SYMBOL="BTCUSDT", Side="BUY", positionside="LONG", TYPE="MARKET", quantity="0.01"
    )
    assert answer["status"] == "NEW"


def test_filters_can_be_switched_off() -> None:
    exchange = driver({"filters": "off"})
    exchange.order("BUY", "LONG", "0.00001234", "123456.789")
    with refused(-4003):
        exchange.order("BUY", "LONG", "0")
    with refused(-2027):
        exchange.order("BUY", "LONG", "9" * 20, "9" * 20)
    with refused(-2019):
        driver({"filters": "off", "brackets": "off"}).order("BUY", "LONG", "9" * 20, "9" * 20)


def test_a_symbol_that_does_not_trade_is_refused() -> None:
    entry = default_symbols()[0] | {"status": "SETTLING"}
    with refused(-1122):
        Driver(symbols=[entry]).order("BUY", "LONG", "0.010")


def place(exchange: Driver, side: str, leg: str, quantity: str | None, price: str | None, code: int | None) -> None:
    limit = {} if price is None else {"type": "LIMIT", "timeInForce": "GTC", "price": price}
    values: dict[str, Any] = {"symbol": "BTCUSDT", "type": "MARKET", "side": side, "positionSide": leg}
    values |= {"quantity": quantity, **limit}
    if code is None:
        assert exchange.call("POST", "v1/order", **values)["status"] == "NEW"
        return
    with refused(code):
        exchange.call("POST", "v1/order", **values)
