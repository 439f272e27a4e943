"""Conditional orders: placing, asking, cancelling (Binance docs, trade/rest-api/New-Algo-Order and its neighbours)."""

from typing import Any

import pytest

from tests.simulator.conformance.documents import ALGO, ALGO_CANCELED, ALGO_QUERY, ALGO_QUERY_OPTIONAL, shape
from tests.simulator.conformance.sim import BTC, ETH, Sim
from tests.simulator.conformance.wire import ok, refused

PATH = "/fapi/v1/algoOrder"
DONE = {"code": 200, "msg": "The operation of cancel all open order is done."}


def entry_stop(sim: Sim, **more: object) -> Any:
    """A stop that would open a LONG: allowed in hedge mode, and needs no position."""
    return ok(sim.algo("BUY", "LONG", "STOP_MARKET", "51000", **({"quantity": "0.010"} | more)))


def held(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010"))


# ---------------------------------------------------------------- placing


def test_a_conditional_order_is_acknowledged(sim: Sim) -> None:
    order = entry_stop(sim, clientAlgoId="mine", workingType="MARK_PRICE")
    shape(order, ALGO)
    for absent in ("orderId", "clientOrderId", "stopPrice", "status", "type"):
        assert absent not in order
    told = {name: order[name] for name in ("clientAlgoId", "algoType", "orderType", "symbol", "side", "positionSide")}
    assert told == {
        "clientAlgoId": "mine",
        "algoType": "CONDITIONAL",
        "orderType": "STOP_MARKET",
        "symbol": BTC,
        "side": "BUY",
        "positionSide": "LONG",
    }
    assert (order["algoStatus"], order["workingType"], order["triggerTime"]) == ("NEW", "MARK_PRICE", 0)
    assert (float(order["triggerPrice"]), float(order["quantity"])) == (51000, 0.01)


@pytest.mark.parametrize(
    ("side", "position_side", "kind", "more"),
    [
        ("BUY", "LONG", "STOP_MARKET", {"triggerPrice": "51000"}),
        ("SELL", "SHORT", "STOP_MARKET", {"triggerPrice": "49000"}),
        ("BUY", "LONG", "STOP", {"triggerPrice": "51000", "price": "51100", "timeInForce": "GTC"}),
        ("BUY", "LONG", "STOP", {"triggerPrice": "51000", "price": "51100"}),
        ("SELL", "SHORT", "TAKE_PROFIT_MARKET", {"triggerPrice": "51000"}),
        ("BUY", "LONG", "TAKE_PROFIT", {"triggerPrice": "49000", "price": "49100", "timeInForce": "IOC"}),
        ("BUY", "LONG", "TRAILING_STOP_MARKET", {"callbackRate": "1", "activatePrice": "49000"}),
        ("SELL", "SHORT", "TRAILING_STOP_MARKET", {"callbackRate": "0.1"}),
        ("BUY", "LONG", "TRAILING_STOP_MARKET", {"callbackRate": "10"}),
    ],
)
def test_each_type_is_taken(sim: Sim, side: str, position_side: str, kind: str, more: dict[str, object]) -> None:
    order = ok(sim.algo(side, position_side, kind, quantity="0.010", **more))
    shape(order, ALGO)
    assert (order["orderType"], order["algoStatus"]) == (kind, "NEW")
    if "activatePrice" in more:
        assert float(order["activatePrice"]) == 49000
        assert float(order["callbackRate"]) == 1


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"algoType": None}, (-1102,)),
        ({"algoType": "VP"}, (-1130, -1102, -1100, -1116)),
        ({"symbol": None}, (-1102,)),
        ({"symbol": "NONEUSDT"}, (-1121,)),
        ({"side": None}, (-1102,)),
        ({"side": "HOLD"}, (-1117,)),
        ({"type": None}, (-1102,)),
        ({"type": "LIMIT"}, (-1116, -4120, -1130)),
        ({"type": "ICEBERG"}, (-1116,)),
        ({"positionSide": None}, (-4061,)),
        ({"positionSide": "BOTH"}, (-4061,)),
        ({"positionSide": "UP"}, (-4060, -1130)),
        ({"quantity": None}, (-1102,)),
        ({"triggerPrice": None}, (-1102,)),
        ({"triggerPrice": None, "stopPrice": "51000"}, (-1102,)),
        ({"workingType": "LAST"}, (-4031,)),
        ({"reduceOnly": "true"}, (-1106,)),
        ({"reduceOnly": "false"}, (-1106,)),
        ({"clientAlgoId": "x" * 37}, (-4015, -1100)),
        ({"clientAlgoId": "with blank"}, (-4015, -1100)),
        ({"type": "STOP"}, (-1102,)),
        ({"type": "TAKE_PROFIT", "triggerPrice": "49000"}, (-1102,)),
        ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None}, (-1102, -4135, -2007)),
        ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None, "callbackRate": "0.05"}, (-2007, -1130, -4136)),
        ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None, "callbackRate": "20.1"}, (-2007, -1130, -4136)),
        (
            {"type": "TRAILING_STOP_MARKET", "triggerPrice": None, "callbackRate": "1", "activatePrice": "51000"},
            (-2021, -4135),
        ),
        (
            {"type": "TRAILING_STOP_MARKET", "triggerPrice": None, "callbackRate": "1", "closePosition": "true"},
            (-4137, -4139, -1106, -4138, -1128, -1130),
        ),
        ({"closePosition": "true"}, (-4137, -4062, -1106, -2022)),
        ({"price": "51000", "timeInForce": "DAY", "type": "STOP"}, (-1115,)),
    ],
    ids=lambda value: str(value)[:60],
)
def test_bad_parameters(sim: Sim, changes: dict[str, object], codes: tuple[int, ...]) -> None:
    values: dict[str, object] = {"algoType": "CONDITIONAL", "symbol": BTC, "side": "BUY", "positionSide": "LONG"}
    values |= {"type": "STOP_MARKET", "triggerPrice": "51000", "quantity": "0.010"}
    refused(sim.wire.post(PATH, **{**values, **changes}), *codes)
    assert ok(sim.wire.get("/fapi/v1/openAlgoOrders")) == []


def test_close_position_excludes_a_quantity(sim: Sim) -> None:
    held(sim)
    refused(sim.algo("SELL", "LONG", "STOP_MARKET", "49000", closePosition="true", quantity="0.010"), -4137)


def test_client_ids_are_unique_among_open_conditional_orders_only(sim: Sim) -> None:
    first = entry_stop(sim, clientAlgoId="again")
    refused(sim.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity="0.010", clientAlgoId="again"), -4116)
    ok(sim.wire.delete(PATH, algoId=first["algoId"]))
    second = entry_stop(sim, clientAlgoId="again")
    assert second["algoId"] > first["algoId"]


def test_a_conditional_order_may_ask_for_its_result(sim: Sim) -> None:
    shape(entry_stop(sim, newOrderRespType="RESULT"), ALGO)


def test_good_till_date_ends_a_conditional_order(virtual: Sim) -> None:
    till = (virtual.now_ms // 1000 + 700) * 1000
    values = {"quantity": "0.010", "price": "51100", "timeInForce": "GTD", "goodTillDate": till}
    order = ok(virtual.algo("BUY", "LONG", "STOP", "51000", **values))
    assert order["goodTillDate"] == till
    virtual.advance(till - virtual.now_ms + 1000)
    assert virtual.get_algo(order["algoId"])["algoStatus"] == "EXPIRED"


def test_orders_and_conditional_orders_have_separate_client_ids(sim: Sim) -> None:
    entry_stop(sim, clientAlgoId="same")
    ok(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId="same"))


def test_ids_grow(sim: Sim) -> None:
    ids = [entry_stop(sim)["algoId"] for _ in range(3)]
    assert ids == sorted(set(ids))
    assert all(type(one) is int for one in ids)


def test_no_margin_is_asked_for_before_the_trigger(sim: Sim) -> None:
    entry_stop(sim, quantity="900")
    assert sim.asset()["availableBalance"] == sim.asset()["walletBalance"]


def test_older_exchanges_do_not_know_the_endpoint(sim: Sim) -> None:
    sim.reset(options={"algo_endpoints": False})
    assert sim.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity="0.010").status == 404


# ---------------------------------------------------------------- asking


def test_one_conditional_order(sim: Sim) -> None:
    placed = entry_stop(sim, clientAlgoId="asked")
    by_id = sim.get_algo(placed["algoId"])
    shape(by_id, ALGO_QUERY, ALGO_QUERY_OPTIONAL)
    assert by_id == ok(sim.wire.get(PATH, clientAlgoId="asked"))
    assert {name: by_id[name] for name in placed} == placed
    assert (by_id["actualOrderId"], float(by_id["actualPrice"])) == ("", 0)


@pytest.mark.parametrize("by", [{"algoId": 987654321}, {"clientAlgoId": "never"}], ids=["id", "client-id"])
def test_an_unknown_conditional_order(sim: Sim, by: dict[str, object]) -> None:
    refused(sim.wire.get(PATH, **by), -2013)
    refused(sim.wire.delete(PATH, **by), -2011)


def test_asking_needs_an_id(sim: Sim) -> None:
    refused(sim.wire.get(PATH), -1102)
    refused(sim.wire.delete(PATH), -1102)
    refused(sim.wire.get(PATH, orderId=1), -1102)


def test_conditional_orders_do_not_appear_among_orders(sim: Sim) -> None:
    placed = entry_stop(sim, clientAlgoId="apart")
    assert ok(sim.wire.get("/fapi/v1/openOrders")) == []
    assert ok(sim.wire.get("/fapi/v1/allOrders", symbol=BTC)) == []
    refused(sim.wire.get("/fapi/v1/order", symbol=BTC, orderId=placed["algoId"]), -2013)
    refused(sim.wire.get("/fapi/v1/order", symbol=BTC, origClientOrderId="apart"), -2013)


def test_open_conditional_orders_are_listed(sim: Sim) -> None:
    first, second = entry_stop(sim), entry_stop(sim)
    other = ok(sim.algo("BUY", "LONG", "STOP_MARKET", "3100", symbol=ETH, quantity="0.100"))
    ok(sim.wire.delete(PATH, algoId=first["algoId"]))

    def listed(**more: object) -> list[int]:
        rows = ok(sim.wire.get("/fapi/v1/openAlgoOrders", **more))
        for row in rows:
            shape(row, ALGO_QUERY, ALGO_QUERY_OPTIONAL)
        return sorted(row["algoId"] for row in rows)

    assert listed() == sorted([second["algoId"], other["algoId"]])
    assert listed(symbol=BTC) == [second["algoId"]]
    assert listed(algoType="CONDITIONAL", symbol=ETH) == [other["algoId"]]
    assert listed(algoId=second["algoId"]) == [second["algoId"]]


def test_all_conditional_orders_are_listed_with_the_ended(virtual: Sim) -> None:
    ids = []
    for _ in range(4):
        ids.append(entry_stop(virtual)["algoId"])
        virtual.advance(1000)
    ok(virtual.wire.delete(PATH, algoId=ids[1]))

    def listed(**more: object) -> list[int]:
        return [row["algoId"] for row in ok(virtual.wire.get("/fapi/v1/allAlgoOrders", symbol=BTC, **more))]

    assert listed() == ids
    assert listed(algoId=ids[2]) == ids[2:]
    assert listed(algoId=ids[0], limit=2) == ids[:2]
    start = virtual.now_ms - 2000
    assert listed(startTime=start, endTime=virtual.now_ms) == ids[2:]
    refused(virtual.wire.get("/fapi/v1/allAlgoOrders"), -1102)


def test_ended_conditional_orders_vanish_after_three_days(virtual: Sim) -> None:
    order = entry_stop(virtual)
    ok(virtual.wire.delete(PATH, algoId=order["algoId"]))
    assert virtual.get_algo(order["algoId"])["algoStatus"] == "CANCELED"
    virtual.advance(3 * 86_400_000 + 1000)
    refused(virtual.wire.get(PATH, algoId=order["algoId"]), -2013)


# ---------------------------------------------------------------- cancelling


@pytest.mark.parametrize("by", ["algoId", "clientAlgoId"])
def test_one_is_cancelled(sim: Sim, by: str) -> None:
    order = entry_stop(sim, clientAlgoId="gone")
    answer = ok(sim.wire.delete(PATH, **{by: order[by]}))
    shape(answer, ALGO_CANCELED)
    assert (answer["algoId"], answer["clientAlgoId"]) == (order["algoId"], "gone")
    refused(sim.wire.delete(PATH, **{by: order[by]}), -2011)
    assert sim.get_algo(order["algoId"])["algoStatus"] == "CANCELED"


def test_a_triggered_one_cannot_be_cancelled(sim: Sim) -> None:
    order = entry_stop(sim)
    sim.mark(BTC, "51000")
    assert refused(sim.wire.delete(PATH, algoId=order["algoId"]), -2011) == "Unknown order sent."


def test_all_of_a_symbol_are_cancelled(sim: Sim) -> None:
    ids = [entry_stop(sim)["algoId"] for _ in range(2)]
    other = ok(sim.algo("BUY", "LONG", "STOP_MARKET", "3100", symbol=ETH, quantity="0.100"))["algoId"]
    resting = ok(sim.order("BUY", "LONG", "0.010", "49000"))["orderId"]
    for _ in range(2):
        assert ok(sim.wire.delete("/fapi/v1/algoOpenOrders", symbol=BTC)) == DONE
    assert [sim.get_algo(one)["algoStatus"] for one in [*ids, other]] == ["CANCELED", "CANCELED", "NEW"]
    assert sim.get_order(resting)["status"] == "NEW"
    refused(sim.wire.delete("/fapi/v1/algoOpenOrders"), -1102)


def test_they_cannot_be_modified(sim: Sim) -> None:
    order = entry_stop(sim)
    answer = sim.wire.put(
        "/fapi/v1/order", symbol=BTC, side="BUY", orderId=order["algoId"], quantity="0.020", price="52000"
    )
    refused(answer, -2013, -2011)


# ---------------------------------------------------------------- closing whole positions


@pytest.mark.parametrize("kind", ["STOP_MARKET", "TAKE_PROFIT_MARKET"])
def test_close_position_orders(sim: Sim, kind: str) -> None:
    trigger = "49000" if kind == "STOP_MARKET" else "51000"
    refused(sim.algo("SELL", "LONG", kind, trigger, closePosition="true"), -4509)
    held(sim)
    order = ok(sim.algo("SELL", "LONG", kind, trigger, closePosition="true"))
    shape(order, ALGO)
    assert order["closePosition"] is True
    assert float(order["quantity"]) == 0
    refused(sim.algo("SELL", "LONG", kind, trigger, closePosition="true"), -4130)


@pytest.mark.parametrize("time_in_force", ["GTE_GTC", None])
def test_the_time_in_force_of_a_close_position_order_may_be_sent(sim: Sim, time_in_force: str | None) -> None:
    sim.reset(options={"gte_required": True} if time_in_force else {})
    values = {"closePosition": "true", "timeInForce": time_in_force}
    refused(sim.algo("SELL", "LONG", "STOP_MARKET", "49000", **values), -4509)
    held(sim)
    assert ok(sim.algo("SELL", "LONG", "STOP_MARKET", "49000", **values))["closePosition"] is True


def test_a_stop_and_a_target_may_both_close_the_position(sim: Sim) -> None:
    held(sim)
    ok(sim.algo("SELL", "LONG", "STOP_MARKET", "49000", closePosition="true"))
    ok(sim.algo("SELL", "LONG", "TAKE_PROFIT_MARKET", "51000", closePosition="true"))


def test_several_stops_with_quantity_may_rest_on_one_leg(sim: Sim) -> None:
    held(sim)
    for trigger in ("49000", "48900", "48800"):
        ok(sim.algo("SELL", "LONG", "STOP_MARKET", trigger, quantity="0.010"))
    assert len(ok(sim.wire.get("/fapi/v1/openAlgoOrders", symbol=BTC))) == 3


@pytest.mark.parametrize(("side", "position_side"), [("BUY", "LONG"), ("SELL", "SHORT")])
def test_close_position_cannot_open(sim: Sim, side: str, position_side: str) -> None:
    ok(sim.order(side, position_side, "0.010"))
    trigger = "51000" if side == "BUY" else "49000"
    refused(sim.algo(side, position_side, "STOP_MARKET", trigger, closePosition="true"), -4062, -1106, -2022)


def test_close_position_orders_expire_with_the_position(sim: Sim) -> None:
    held(sim)
    closing = ok(sim.algo("SELL", "LONG", "STOP_MARKET", "49000", closePosition="true"))["algoId"]
    entry = entry_stop(sim)["algoId"]
    with sim.user_stream() as stream:
        ok(sim.order("SELL", "LONG", "0.010"))
        (event,) = stream.of("ALGO_UPDATE")
    assert (event["o"]["aid"], event["o"]["X"]) == (closing, "EXPIRED")
    assert [sim.get_algo(one)["algoStatus"] for one in (closing, entry)] == ["EXPIRED", "NEW"]


def test_close_position_orders_follow_the_size_of_the_leg(sim: Sim) -> None:
    held(sim)
    order = ok(sim.algo("SELL", "LONG", "STOP_MARKET", "49000", closePosition="true", workingType="MARK_PRICE"))
    ok(sim.order("BUY", "LONG", "0.030"))
    ok(sim.order("SELL", "SHORT", "0.005"))
    sim.mark(BTC, "49000")
    assert sim.get_algo(order["algoId"])["algoStatus"] == "FINISHED"
    assert [float(sim.leg(one)["positionAmt"]) for one in ("LONG", "SHORT")] == [0, -0.005]
    assert float(sim.trades()[-1]["qty"]) == 0.04
