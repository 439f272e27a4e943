"""Each filter rule with the code of its violation (Binance docs, common-definition, filters)."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.simulator.conformance.sim import BTC, Sim
from tests.simulator.conformance.symbols import loose, symbol
from tests.simulator.conformance.wire import ok, refused

LOTS = {
    "LOT_SIZE": {"minQty": "0.010", "maxQty": "500", "stepSize": "0.002"},
    "MARKET_LOT_SIZE": {"minQty": "0.020", "maxQty": "100", "stepSize": "0.005"},
}


def arrange(sim: Sim, filters: Mapping[str, dict[str, Any]] | None = None, **more: object) -> None:
    """Replace the state by one BTCUSDT at 50000 with these filters, and a wallet for everything."""
    sim.reset(symbols=[symbol(BTC, filters=filters)], marks={BTC: "50000"}, wallet="1000000000", **more)
    sim.mark(BTC, "50000", bid="49999.9", ask="50000")


@pytest.mark.parametrize(
    ("side", "position_side", "price", "codes"),
    [
        ("BUY", "LONG", "402", ()),
        ("BUY", "LONG", "401.9", (-4013,)),
        ("SELL", "SHORT", "1246396.60", ()),
        ("SELL", "SHORT", "1246396.70", (-4002,)),
        ("BUY", "LONG", "49000.1", ()),
        ("BUY", "LONG", "49000.10", ()),
        ("BUY", "LONG", "49000.05", (-4014,)),
        ("BUY", "LONG", "49000.001", (-1111,)),
        ("BUY", "LONG", "0", (-4001,)),
        ("BUY", "LONG", "-5", (-4001, -1100, -1130)),
    ],
)
def test_prices(sim: Sim, side: str, position_side: str, price: str, codes: tuple[int, ...]) -> None:
    arrange(sim)
    answer = sim.order(side, position_side, "0.100", price)
    if codes:
        refused(answer, *codes)
    else:
        ok(answer)


@pytest.mark.parametrize(
    ("kind", "quantity", "codes"),
    [
        ("LIMIT", "0.010", ()),
        ("LIMIT", "0.012", ()),
        ("LIMIT", "0.008", (-4004,)),
        ("LIMIT", "500", ()),
        ("LIMIT", "500.002", (-4005,)),
        ("LIMIT", "0.011", (-4023,)),
        ("LIMIT", "0.0101", (-1111,)),
        ("LIMIT", "0", (-4003,)),
        ("LIMIT", "-1", (-4003, -1100, -1130)),
        ("MARKET", "0.020", ()),
        ("MARKET", "0.015", (-4004,)),
        ("MARKET", "100", ()),
        ("MARKET", "100.005", (-4005,)),
        ("MARKET", "0.021", (-4023,)),
        ("MARKET", "0.0201", (-1111,)),
        ("MARKET", "0", (-4003,)),
    ],
)
def test_quantities(sim: Sim, kind: str, quantity: str, codes: tuple[int, ...]) -> None:
    arrange(sim, LOTS, leverage={BTC: 1})
    answer = sim.order("BUY", "LONG", quantity, "49000" if kind == "LIMIT" else None)
    if codes:
        refused(answer, *codes)
    else:
        ok(answer)


@pytest.mark.parametrize(
    ("side", "position_side", "price", "code"),
    [
        ("BUY", "LONG", "55000", None),
        ("BUY", "LONG", "55000.1", -4016),
        ("BUY", "LONG", "10000", None),
        ("SELL", "SHORT", "27270", None),
        ("SELL", "SHORT", "27269.9", -4024),
        ("SELL", "SHORT", "100000", None),
    ],
)
def test_limit_prices_keep_to_a_band_around_the_mark(
    sim: Sim, side: str, position_side: str, price: str, code: int | None
) -> None:
    arrange(sim)
    answer = sim.order(side, position_side, "0.100", price)
    if code is None:
        ok(answer)
    else:
        refused(answer, code)


def test_the_band_moves_with_the_mark(sim: Sim) -> None:
    arrange(sim)
    refused(sim.order("BUY", "LONG", "0.100", "55500"), -4016)
    sim.mark(BTC, "52000", bid="51999.9", ask="52000")
    ok(sim.order("BUY", "LONG", "0.100", "55500"))


@pytest.mark.parametrize(
    ("side", "position_side", "bid", "ask"),
    [("BUY", "LONG", "49999.9", "55000.1"), ("SELL", "SHORT", "27269.9", "50000")],
)
def test_market_orders_need_a_counterparty_inside_the_band(
    sim: Sim, side: str, position_side: str, bid: str, ask: str
) -> None:
    arrange(sim)
    sim.mark(BTC, "50000", bid=bid, ask=ask)
    refused(sim.order(side, position_side, "0.100"), -4131)


@pytest.mark.parametrize(
    ("kind", "quantity", "price", "small"),
    [
        ("LIMIT", "0.040", "50000", False),
        ("LIMIT", "0.039", "50000", True),
        ("LIMIT", "0.040", "49999.9", True),
        ("LIMIT", "0.050", "40000", False),
        ("MARKET", "0.040", None, False),
        ("MARKET", "0.039", None, True),
    ],
)
def test_notional_must_be_large_enough(sim: Sim, kind: str, quantity: str, price: str | None, small: bool) -> None:
    arrange(sim, {"MIN_NOTIONAL": {"notional": "2000"}})
    answer = sim.order("BUY", "LONG", quantity, price)
    if small:
        assert "2000" in refused(answer, -4164)
    else:
        ok(answer)


def test_reduce_only_orders_are_exempt_from_the_notional(sim: Sim) -> None:
    arrange(sim, {"MIN_NOTIONAL": {"notional": "2000"}}, dualSidePosition=False)
    ok(sim.order("BUY", None, "0.040"))
    ok(sim.order("SELL", None, "0.001", reduceOnly="true"))
    refused(sim.order("SELL", None, "0.001"), -4164)


def test_closing_a_leg_is_exempt_from_the_notional_or_not(sim: Sim) -> None:
    """Undocumented for hedge mode: an engine must be able to live with both."""
    arrange(sim, {"MIN_NOTIONAL": {"notional": "2000"}})
    ok(sim.order("BUY", "LONG", "0.040"))
    answer = sim.order("SELL", "LONG", "0.001")
    assert answer.status == 200 or answer.body["code"] == -4164


def test_open_orders_of_a_symbol_are_limited(sim: Sim) -> None:
    arrange(sim, {"MAX_NUM_ORDERS": {"limit": 3}})
    orders = [ok(sim.order("BUY", "LONG", "0.010", "49000")) for _ in range(3)]
    refused(sim.order("BUY", "LONG", "0.010", "49000"), -2025)
    ok(sim.wire.delete("/fapi/v1/order", symbol=BTC, orderId=orders[0]["orderId"]))
    ok(sim.order("BUY", "LONG", "0.010", "49000"))


def test_open_conditional_orders_are_limited_over_all_symbols(sim: Sim) -> None:
    for number in range(200):
        name, trigger = ("BTCUSDT", "51000") if number % 2 else ("ETHUSDT", "3100")
        ok(sim.algo("BUY", "LONG", "STOP_MARKET", trigger, symbol=name, quantity="0.100"))
        if number % 100 == 99 and sim.virtual:
            sim.advance(20_000)
    for name, trigger in (("BTCUSDT", "51000"), ("ETHUSDT", "3100")):
        refused(sim.algo("BUY", "LONG", "STOP_MARKET", trigger, symbol=name, quantity="0.100"), -4045)
    ok(sim.wire.delete("/fapi/v1/algoOpenOrders", symbol="ETHUSDT"))
    ok(sim.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity="0.100"))


@pytest.mark.parametrize(
    ("trigger", "codes"),
    [
        ("51000.05", (-4014,)),
        ("51000.001", (-1111,)),
        ("1246396.70", (-4002, -4007)),
        ("0", (-4006, -4001, -1102)),
        ("-1", (-4006, -4001, -1100, -1130)),
    ],
)
def test_trigger_prices_obey_the_price_filter(sim: Sim, trigger: str, codes: tuple[int, ...]) -> None:
    arrange(sim)
    refused(sim.algo("BUY", "LONG", "STOP_MARKET", trigger, quantity="0.100"), *codes)


@pytest.mark.parametrize(
    ("quantity", "code"), [("0.0001", -1111), ("0", -4003), ("0.015", -4004), ("0.021", -4023), ("100.005", -4005)]
)
def test_quantities_of_conditional_market_orders_obey_the_market_lot(sim: Sim, quantity: str, code: int) -> None:
    arrange(sim, LOTS)
    refused(sim.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity=quantity), code)


def test_filters_can_be_switched_off(sim: Sim) -> None:
    arrange(sim, {"MIN_NOTIONAL": {"notional": "2000"}}, options={"filters": "off"})
    assert float(ok(sim.order("BUY", "LONG", "0.00001", "49000.12345"))["price"]) == 49000.12345


def test_margin_can_be_switched_off(sim: Sim) -> None:
    sim.reset(wallet="1", options={"margin": "off"})
    ok(sim.order("BUY", "LONG", "1.000"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "NONEUSDT", "side": None}, -1102),
        ({"symbol": "NONEUSDT", "side": "HOLD"}, -1121),
        ({"side": "HOLD", "positionSide": None}, -1117),
        ({"positionSide": "BOTH", "price": "49000.001"}, -4061),
        ({"reduceOnly": "true", "price": "49000.001"}, -1106),
        ({"price": "49000.001", "quantity": "2000"}, -1111),
        ({"quantity": "2000"}, -4005),
    ],
    ids=["mandatory", "symbol", "enum", "position-side", "reduce-only", "precision", "filter"],
)
def test_the_first_of_two_violations_is_named(sim: Sim, changes: dict[str, object], code: int) -> None:
    """The order that reports from live show: mandatory, symbol, enums, mode, precision, filters, margin."""
    sim.reset(symbols=[symbol(BTC)], marks={BTC: "50000"}, wallet="100")
    values = {"symbol": BTC, "side": "BUY", "positionSide": "LONG", "type": "LIMIT", "timeInForce": "GTC"}
    values |= {"quantity": "0.010", "price": "49000"}
    refused(sim.wire.post("/fapi/v1/order", **{**values, **changes}), code)


@pytest.mark.parametrize(("status", "codes"), [("SETTLING", (-1122, -4140, -4141)), ("CLOSE", (-1122, -4140, -4141))])
def test_a_symbol_that_does_not_trade_takes_no_orders(sim: Sim, status: str, codes: tuple[int, ...]) -> None:
    sim.reset(symbols=[symbol(BTC), symbol("OLDUSDT", status=status)], marks={BTC: "50000", "OLDUSDT": "50000"})
    refused(sim.order("BUY", "LONG", "0.010", "49000", symbol="OLDUSDT"), *codes)


def test_a_market_order_needs_somebody_on_the_other_side(sim: Sim) -> None:
    """A mark of one tick leaves no price for a bid."""
    sim.reset(symbols=[loose("XUSDT", 0, 3)], marks={"XUSDT": "1"})
    refused(sim.order("SELL", "SHORT", "1.000", symbol="XUSDT"), -1112)


@pytest.mark.parametrize(("trigger", "codes"), [("56000", (-4210, -4016)), ("25000", (-4211, -4024))])
def test_trigger_prices_keep_to_a_band_or_are_free(sim: Sim, trigger: str, codes: tuple[int, ...]) -> None:
    """The codes are documented, the bounds are not: an engine must be able to live with both."""
    arrange(sim)
    side, leg = ("BUY", "LONG") if trigger == "56000" else ("SELL", "SHORT")
    answer = sim.algo(side, leg, "STOP_MARKET", trigger, quantity="0.100")
    assert answer.status == 200 or answer.body["code"] in codes
