"""Position mode, leverage, margin type, and what shows them."""

from typing import Any

import pytest

from tests.simulator.core.driver import BTC, ETH, Driver, refused


def dual(exchange: Driver, wanted: str) -> Any:
    return exchange.call("POST", "v1/positionSide/dual", dualSidePosition=wanted)


def test_the_position_mode_is_switched_when_nothing_is_open() -> None:
    exchange = Driver()
    with refused(-4059):
        dual(exchange, "true")
    exchange.order("BUY", "LONG", "0.010", "49000")
    with refused(-4067):
        dual(exchange, "false")
    exchange.call("DELETE", "v1/allOpenOrders", symbol=BTC)
    exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, quantity="0.010")
    with refused(-4067):
        dual(exchange, "false")
    exchange.call("DELETE", "v1/algoOpenOrders", symbol=BTC)
    exchange.order("BUY", "LONG", "0.010", symbol=ETH)
    with refused(-4068):
        dual(exchange, "false")
    exchange.order("SELL", "LONG", "0.010", symbol=ETH)
    assert dual(exchange, "false") == {"code": 200, "msg": "success"}
    assert exchange.call("GET", "v1/positionSide/dual") == {"dualSidePosition": False}
    assert exchange.call("GET", "v1/accountConfig")["dualSidePosition"] is False
    exchange.order("BUY", None, "0.010")


def test_leverage() -> None:
    exchange = Driver(wallet=1_000_000)
    answer = exchange.call("POST", "v1/leverage", symbol=BTC, leverage=25)
    assert answer == {"leverage": 25, "maxNotionalValue": "70000000", "symbol": BTC}
    assert exchange.events("ACCOUNT_CONFIG_UPDATE")[0]["ac"] == {"s": BTC, "l": 25}
    exchange.call("POST", "v1/leverage", symbol=BTC, leverage=25)
    assert exchange.events() == []
    for leverage in ("0", "126", "-1"):
        with refused(-4028):
            exchange.call("POST", "v1/leverage", symbol=BTC, leverage=leverage)
    exchange.order("BUY", "LONG", "2")
    with refused(-2027):
        exchange.call("POST", "v1/leverage", symbol=BTC, leverage=125)
    assert exchange.call("GET", "v1/symbolConfig", symbol=BTC)[0]["leverage"] == 25


def test_leverage_needs_margin_and_isolated_positions_keep_theirs() -> None:
    exchange = Driver(wallet=600)
    exchange.order("BUY", "LONG", "0.200")
    with refused(-2028):
        exchange.call("POST", "v1/leverage", symbol=BTC, leverage=10)
    assert exchange.leg("LONG")["leverage"] == "20"
    isolated = Driver(marginType={BTC: "ISOLATED"})
    isolated.order("BUY", "LONG", "0.200")
    with refused(-4161):
        isolated.call("POST", "v1/leverage", symbol=BTC, leverage=10)
    isolated.call("POST", "v1/leverage", symbol=BTC, leverage=30)


def margin_type(exchange: Driver, wanted: str) -> Any:
    return exchange.call("POST", "v1/marginType", symbol=BTC, marginType=wanted)


def test_margin_type() -> None:
    exchange = Driver()
    with refused(-4046):
        margin_type(exchange, "CROSSED")
    with refused(-1130):
        margin_type(exchange, "cross")
    exchange.order("BUY", "LONG", "0.010", "49000")
    with refused(-4047):
        margin_type(exchange, "ISOLATED")
    exchange.mark(49000)
    with refused(-4048):
        margin_type(exchange, "ISOLATED")
    exchange.order("SELL", "LONG", "0.010")
    exchange.events()
    assert margin_type(exchange, "ISOLATED") == {"code": 200, "msg": "success"}
    assert exchange.told() == [("ACCOUNT", "MARGIN_TYPE_CHANGE")]
    assert exchange.leg("LONG")["marginType"] == "isolated"
    with refused(-4168):
        margin_type(Driver(multiAssetsMargin=True), "ISOLATED")


def test_what_shows_the_settings() -> None:
    exchange = Driver(makerRate="0.0001", leverage={BTC: 7}, multiAssetsMargin=True)
    assert exchange.call("GET", "v1/commissionRate", symbol=BTC) == {
        "symbol": BTC,
        "makerCommissionRate": "0.0001",
        "takerCommissionRate": "0.0005",
        "rpiCommissionRate": "0.00005",
    }
    assert exchange.call("GET", "v1/symbolConfig", symbol=BTC) == [
        {
            "symbol": BTC,
            "marginType": "CROSSED",
            "isAutoAddMargin": False,
            "leverage": 7,
            "maxNotionalValue": "230000000",
        }
    ]
    assert exchange.call("GET", "v1/multiAssetsMargin") == {"multiAssetsMargin": True}
    brackets = exchange.call("GET", "v1/leverageBracket", symbol=BTC)[0]["brackets"]
    assert brackets[1] == {
        "bracket": 2,
        "initialLeverage": 100,
        "notionalCap": 600000,
        "notionalFloor": 50000,
        "maintMarginRatio": 0.005,
        "cum": 50.0,
    }
    assert len(exchange.call("GET", "v1/leverageBracket")) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("marks", {"NONEUSDT": "1"}),
        ("leverage", {BTC: 126}),
        ("positions", [{"symbol": BTC, "positionSide": "BOTH", "qty": "1", "entryPrice": "1"}]),
        ("positions", [{"symbol": BTC, "positionSide": "SHORT", "qty": "-1", "entryPrice": "1"}]),
        ("symbols", [{"symbol": BTC}]),
        ("options", {"filters": "perhaps"}),
        ("surplus", 1),
    ],
)
def test_a_setup_that_contradicts_itself_is_refused_and_changes_nothing(field: str, value: Any) -> None:
    from tradeengine.simulator.setup import Setup

    exchange = Driver()
    exchange.order("BUY", "LONG", "0.010")
    with pytest.raises(ValueError, match=field.removesuffix("s")):
        exchange.exchange.reset(Setup.model_validate({field: value}))
    assert exchange.amount("LONG") != 0
