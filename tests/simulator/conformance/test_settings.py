"""Position mode, leverage, margin type and other settings (Binance docs, account/rest-api and trade/rest-api)."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.conformance.documents import (
    either,
    is_decimal,
    is_flag,
    is_integer,
    is_number,
    is_text,
    listed,
    number,
    one_of,
    shape,
)
from tests.simulator.conformance.sim import BTC, ETH, Sim
from tests.simulator.conformance.wire import ok, refused

SUCCESS = {"code": 200, "msg": "success"}


# ---------------------------------------------------------------- mode


def dual(sim: Sim, value: str) -> Any:
    return sim.wire.post("/fapi/v1/positionSide/dual", dualSidePosition=value)


def test_the_position_mode_can_be_changed_when_flat(sim: Sim) -> None:
    assert ok(sim.wire.get("/fapi/v1/positionSide/dual")) == {"dualSidePosition": True}
    assert ok(dual(sim, "false")) == SUCCESS
    assert ok(sim.wire.get("/fapi/v1/positionSide/dual")) == {"dualSidePosition": False}
    assert ok(sim.wire.get("/fapi/v1/accountConfig"))["dualSidePosition"] is False
    assert ok(dual(sim, "true")) == SUCCESS


def test_the_same_position_mode_needs_no_change(sim: Sim) -> None:
    refused(dual(sim, "true"), -4059)


def test_the_position_mode_stays_while_orders_or_positions_are_there(sim: Sim) -> None:
    order = ok(sim.order("BUY", "LONG", "0.010", "49000"))
    refused(dual(sim, "false"), -4067)
    ok(sim.wire.delete("/fapi/v1/order", symbol=BTC, orderId=order["orderId"]))
    ok(sim.order("BUY", "LONG", "0.010"))
    refused(dual(sim, "false"), -4068)


def test_a_conditional_order_is_an_open_order_too(sim: Sim) -> None:
    ok(sim.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity="0.010"))
    refused(dual(sim, "false"), -4067)


@pytest.mark.parametrize("value", ["maybe", "", None])
def test_the_position_mode_is_a_flag(sim: Sim, value: str | None) -> None:
    refused(sim.wire.post("/fapi/v1/positionSide/dual", dualSidePosition=value), -1102, -1105, -1130, -1100)


# ---------------------------------------------------------------- leverage and margin type


def leverage(sim: Sim, value: object, symbol: str = BTC) -> Any:
    return sim.wire.post("/fapi/v1/leverage", symbol=symbol, leverage=value)


def test_leverage_is_set_for_both_legs(sim: Sim) -> None:
    body = ok(leverage(sim, 21))
    shape(body, {"leverage": one_of(21), "maxNotionalValue": is_decimal, "symbol": one_of(BTC)})
    assert ok(leverage(sim, 21))["leverage"] == 21, "the same value is fine"
    assert [row["leverage"] for row in ok(sim.wire.get("/fapi/v2/positionRisk", symbol=BTC))] == ["21", "21"]


def test_leverage_is_streamed(sim: Sim) -> None:
    with sim.user_stream() as stream:
        ok(leverage(sim, 33))
        (event,) = stream.events()
    shape(
        event, {"e": is_text, "E": is_integer, "T": is_integer, "ac": one_of({"s": BTC, "l": 33})}, {"st": is_integer}
    )


@pytest.mark.parametrize("value", [0, 126, -1])
def test_leverage_has_bounds(sim: Sim, value: int) -> None:
    refused(leverage(sim, value), -4028, -1100)


def test_leverage_cannot_be_lowered_with_an_isolated_position(sim: Sim) -> None:
    ok(sim.wire.post("/fapi/v1/marginType", symbol=BTC, marginType="ISOLATED"))
    ok(sim.order("BUY", "LONG", "0.010"))
    refused(leverage(sim, 10), -4161)
    ok(leverage(sim, 25))


def test_leverage_must_fit_the_position(sim: Sim) -> None:
    sim.reset(
        wallet="10000000", positions=[{"symbol": BTC, "positionSide": "LONG", "qty": "100", "entryPrice": "50000"}]
    )
    refused(leverage(sim, 125), -2027, -2028)


def test_a_position_above_the_bracket_of_its_leverage_is_refused(sim: Sim) -> None:
    sim.reset(wallet="10000000", leverage={BTC: 125})
    sim.mark(BTC, "50000", bid="49999.9", ask="50000")
    ok(sim.order("BUY", "LONG", "0.500"))
    refused(sim.order("BUY", "LONG", "1.000"), -2027)


def test_margin_type_can_be_changed_when_flat(sim: Sim) -> None:
    def set_to(kind: str) -> Any:
        return sim.wire.post("/fapi/v1/marginType", symbol=BTC, marginType=kind)

    refused(set_to("CROSSED"), -4046)
    assert ok(set_to("ISOLATED")) == SUCCESS
    assert sim.leg("LONG")["marginType"] == "isolated"
    (row,) = ok(sim.wire.get("/fapi/v1/symbolConfig", symbol=BTC))
    assert row["marginType"] == "ISOLATED"
    order = ok(sim.order("BUY", "LONG", "0.010", "49000"))
    refused(set_to("CROSSED"), -4047)
    ok(sim.wire.delete("/fapi/v1/order", symbol=BTC, orderId=order["orderId"]))
    ok(sim.order("BUY", "LONG", "0.010"))
    refused(set_to("CROSSED"), -4048)


def test_margin_stays_crossed_in_multi_assets_mode(sim: Sim) -> None:
    sim.reset(multiAssetsMargin=True)
    refused(sim.wire.post("/fapi/v1/marginType", symbol=BTC, marginType="ISOLATED"), -4168)


def test_position_margin_moves_between_wallet_and_leg(sim: Sim) -> None:
    ok(sim.wire.post("/fapi/v1/marginType", symbol=BTC, marginType="ISOLATED"))
    ok(sim.order("BUY", "LONG", "0.010"))
    before = number(sim.leg("LONG")["isolatedWallet"])
    assert before == 25

    def margin(**more: object) -> Any:
        return sim.wire.post("/fapi/v1/positionMargin", symbol=BTC, **more)

    body = ok(margin(positionSide="LONG", amount="10", type=1))
    shape(body, {"amount": is_number, "code": one_of(200), "msg": is_text, "type": one_of(1)})
    assert number(sim.leg("LONG")["isolatedWallet"]) == before + 10
    ok(margin(positionSide="LONG", amount="4", type=2))
    assert number(sim.leg("LONG")["isolatedWallet"]) == before + 6
    refused(margin(amount="10", type=1), -4060, -4061, -1102)
    refused(margin(positionSide="SHORT", amount="10", type=1), -4054, -4049, -4050, -4053)
    refused(margin(positionSide="LONG", amount="10000000", type=1), -4050, -4051, -4052)
    refused(margin(positionSide="LONG", amount="1000", type=2), -4051, -4050, -4052)


def test_position_margin_needs_isolated_margin(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010"))
    answer = sim.wire.post("/fapi/v1/positionMargin", symbol=BTC, positionSide="LONG", amount="10", type=1)
    refused(answer, -4046, -4049, -4050, -4053, -4054)


# ---------------------------------------------------------------- configuration


def test_symbol_config(sim: Sim) -> None:
    rows = ok(sim.wire.get("/fapi/v1/symbolConfig"))
    for row in rows:
        shape(
            row,
            {
                "symbol": is_text,
                "marginType": one_of("CROSSED", "ISOLATED"),
                "isAutoAddMargin": either(is_flag, one_of("false")),
                "leverage": is_integer,
                "maxNotionalValue": is_decimal,
            },
        )
    assert {row["symbol"] for row in rows} == {BTC, ETH}
    (row,) = ok(sim.wire.get("/fapi/v1/symbolConfig", symbol=BTC))
    assert (row["leverage"], row["marginType"]) == (20, "CROSSED")


def test_account_config(sim: Sim) -> None:
    flags = ("canTrade", "canDeposit", "canWithdraw", "dualSidePosition", "multiAssetsMargin")
    body = ok(sim.wire.get("/fapi/v1/accountConfig"))
    shape(
        body,
        {
            **dict.fromkeys(flags, is_flag),
            "feeTier": is_integer,
            "updateTime": is_integer,
            "tradeGroupId": is_integer,
        },
    )


def test_leverage_brackets_are_numbers(sim: Sim) -> None:
    rows = ok(sim.wire.get("/fapi/v1/leverageBracket"))
    assert {row["symbol"] for row in rows} == {BTC, ETH}
    for row in rows:
        shape(
            row, {"symbol": is_text, "brackets": listed(lambda one: isinstance(one, dict))}, {"notionalCoef": is_number}
        )
        for one in row["brackets"]:
            numbers = ("bracket", "initialLeverage", "notionalCap", "notionalFloor")
            shape(one, {**dict.fromkeys(numbers, is_integer), "maintMarginRatio": is_number, "cum": is_number})
        floors = [one["notionalFloor"] for one in row["brackets"]]
        caps = [one["notionalCap"] for one in row["brackets"]]
        assert floors == [0, *caps[:-1]]
        for lower, upper in zip(row["brackets"], row["brackets"][1:], strict=False):
            step = number(upper["maintMarginRatio"]) - number(lower["maintMarginRatio"])
            assert number(upper["cum"]) == upper["notionalFloor"] * step + number(lower["cum"])


def test_leverage_bracket_of_one_symbol(sim: Sim) -> None:
    body = ok(sim.wire.get("/fapi/v1/leverageBracket", symbol=BTC))
    (row,) = body if isinstance(body, list) else [body]
    first = row["brackets"][0]
    assert (row["symbol"], first["notionalFloor"], first["initialLeverage"]) == (BTC, 0, 125)


def test_commission_rate(sim: Sim) -> None:
    body = ok(sim.wire.get("/fapi/v1/commissionRate", symbol=BTC))
    shape(
        body,
        {
            "symbol": one_of(BTC),
            "makerCommissionRate": is_decimal,
            "takerCommissionRate": is_decimal,
            "rpiCommissionRate": is_decimal,
        },
    )
    assert (number(body["makerCommissionRate"]), number(body["takerCommissionRate"])) == (
        Decimal("0.0002"),
        Decimal("0.0005"),
    )


def test_adl_quantile(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010"))
    row = next(one for one in ok(sim.wire.get("/fapi/v1/adlQuantile")) if one["symbol"] == BTC)
    shape(row, {"symbol": is_text, "adlQuantile": lambda value: isinstance(value, dict)})
    shape(row["adlQuantile"], {"LONG": is_integer, "SHORT": is_integer}, {"HEDGE": is_integer, "BOTH": is_integer})
