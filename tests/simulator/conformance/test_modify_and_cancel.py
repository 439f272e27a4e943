"""Modify Order and the ways to cancel (Binance docs, trade/rest-api)."""

import json
from typing import Any

import pytest

from tests.simulator.conformance.documents import ORDER_ACK, ORDER_MODIFIED, is_integer, one_of, shape
from tests.simulator.conformance.sim import BTC, Sim
from tests.simulator.conformance.wire import Answer, ok, refused

DONE = {"code": 200, "msg": "The operation of cancel all open order is done."}
UNKNOWN = {"code": -2011, "msg": "Unknown order sent."}


def resting(sim: Sim, **more: object) -> Any:
    return ok(sim.order("BUY", "LONG", "0.010", "49000", **more))


def modify(sim: Sim, **more: object) -> Answer:
    values: dict[str, object] = {"symbol": BTC, "side": "BUY", "quantity": "0.020", "price": "48000"}
    return sim.wire.put("/fapi/v1/order", **(values | more))


# ---------------------------------------------------------------- modify


def test_price_and_quantity_can_be_changed(sim: Sim) -> None:
    order = resting(sim, newClientOrderId="kept")
    changed = ok(modify(sim, orderId=order["orderId"]))
    shape(changed, ORDER_MODIFIED, {"modifyId": is_integer})
    assert (changed["orderId"], changed["clientOrderId"], changed["status"]) == (order["orderId"], "kept", "NEW")
    assert (float(changed["price"]), float(changed["origQty"]), changed["pair"]) == (48000, 0.02, BTC)
    assert float(sim.get_order(order["orderId"])["price"]) == 48000


def test_the_client_s_number_of_a_change_comes_back(sim: Sim) -> None:
    order = resting(sim)
    with sim.user_stream() as stream:
        changed = ok(modify(sim, orderId=order["orderId"], modifyId=77))
        plain = ok(modify(sim, orderId=order["orderId"], price="47000"))
        same = ok(modify(sim, orderId=order["orderId"], price="46000", modifyId=77))
        told = [event["o"] for event in stream.of("ORDER_TRADE_UPDATE")]
    assert [changed["modifyId"], plain.get("modifyId"), same["modifyId"]] == [77, None, 77]
    assert [(one["x"], one.get("M")) for one in told] == [("AMENDMENT", 77), ("AMENDMENT", None), ("AMENDMENT", 77)]


def test_a_number_that_is_none_is_refused(sim: Sim) -> None:
    order = resting(sim)
    refused(modify(sim, orderId=order["orderId"], modifyId="seven"), -1100)
    assert float(sim.get_order(order["orderId"])["price"]) == 49000


def test_the_number_comes_back_from_a_batch_too(sim: Sim) -> None:
    order = resting(sim)
    (changed,) = ok(
        sim.wire.put(
            "/fapi/v1/batchOrders",
            batchOrders=json.dumps(
                [
                    {
                        "symbol": BTC,
                        "side": "BUY",
                        "orderId": order["orderId"],
                        "quantity": "0.020",
                        "price": "48000",
                        "modifyId": 5,
                    }
                ]
            ),
        )
    )
    assert changed["modifyId"] == 5


def test_an_order_can_be_modified_so_often(sim: Sim) -> None:
    sim.reset(options={"max_modifications": 2})
    order = resting(sim)
    for price in ("48000", "48100"):
        ok(modify(sim, orderId=order["orderId"], price=price))
    refused(modify(sim, orderId=order["orderId"], price="48200"), -5026)
    assert float(sim.get_order(order["orderId"])["price"]) == 48100


def test_an_order_can_be_named_by_its_client_id(sim: Sim) -> None:
    order = resting(sim, newClientOrderId="kept")
    assert ok(modify(sim, origClientOrderId="kept"))["orderId"] == order["orderId"]


def test_order_id_wins_over_the_client_id(sim: Sim) -> None:
    order = resting(sim, newClientOrderId="one")
    resting(sim, newClientOrderId="two")
    assert ok(modify(sim, orderId=order["orderId"], origClientOrderId="two"))["clientOrderId"] == "one"


@pytest.mark.parametrize("missing", ["symbol", "side", "quantity", "price"])
def test_quantity_and_price_are_mandatory(sim: Sim, missing: str) -> None:
    order = resting(sim)
    refused(modify(sim, orderId=order["orderId"], **{missing: None}), -1102)


def test_modifying_needs_an_id(sim: Sim) -> None:
    refused(modify(sim), -1102)


def test_same_values_need_no_change(sim: Sim) -> None:
    order = resting(sim)
    refused(modify(sim, orderId=order["orderId"], quantity="0.010", price="49000"), -5027)


@pytest.mark.parametrize("gone", ["never", "cancelled"])
def test_what_is_not_open_cannot_be_modified(sim: Sim, gone: str) -> None:
    order = resting(sim)
    if gone == "cancelled":
        ok(sim.wire.delete("/fapi/v1/order", symbol=BTC, orderId=order["orderId"]))
    refused(modify(sim, orderId=order["orderId"] if gone == "cancelled" else 987654321), -2013, -2011)


def test_a_refused_change_leaves_the_order(sim: Sim) -> None:
    order = resting(sim)
    refused(modify(sim, orderId=order["orderId"], price="48000.05"), -4014)
    left = sim.get_order(order["orderId"])
    assert (left["status"], float(left["price"])) == ("NEW", 49000)


def test_a_closing_order_cannot_grow_beyond_its_leg(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010"))
    order = ok(sim.order("SELL", "LONG", "0.005", "51000"))
    closing = {"side": "SELL", "price": "51000", "orderId": order["orderId"]}
    refused(modify(sim, quantity="0.011", **closing), -2022, -4118)
    assert float(ok(modify(sim, quantity="0.010", **closing))["origQty"]) == 0.01


def test_an_opening_order_cannot_grow_beyond_the_margin(sim: Sim) -> None:
    sim.reset(wallet="100")
    order = resting(sim)
    refused(modify(sim, orderId=order["orderId"], quantity="1.000", price="49000"), -2019)
    assert float(sim.get_order(order["orderId"])["origQty"]) == 0.01


def test_a_partly_filled_order_is_cancelled_by_a_quantity_that_is_reached(sim: Sim) -> None:
    order = resting(sim)
    sim.fill(order["orderId"], "0.004", "49000")
    ok(modify(sim, orderId=order["orderId"], quantity="0.004", price="49000"))
    left = sim.get_order(order["orderId"])
    assert (left["status"], float(left["executedQty"])) == ("CANCELED", 0.004)


def test_a_post_only_order_is_cancelled_by_a_price_that_would_take(sim: Sim) -> None:
    order = resting(sim, timeInForce="GTX")
    modify(sim, orderId=order["orderId"], quantity="0.010", price="50000")
    assert sim.get_order(order["orderId"])["status"] == "CANCELED"
    assert sim.trades() == []


def test_a_change_may_fill_the_order(sim: Sim) -> None:
    order = resting(sim)
    ok(modify(sim, orderId=order["orderId"], quantity="0.010", price="50000"))
    assert sim.get_order(order["orderId"])["status"] == "FILLED"
    (trade,) = sim.trades()
    assert (float(trade["price"]), trade["maker"]) == (50000, False)


def test_conditional_orders_of_older_exchanges_cannot_be_modified(sim: Sim) -> None:
    sim.reset(options={"conditional_on_order_endpoint": True})
    order = ok(sim.order("BUY", "LONG", "0.010", type="STOP_MARKET", stopPrice="51000"))
    refused(modify(sim, orderId=order["orderId"]), -5025)


def test_a_change_is_streamed_as_an_amendment(sim: Sim) -> None:
    order = resting(sim)
    with sim.user_stream() as stream:
        ok(modify(sim, orderId=order["orderId"]))
        (event,) = stream.of("ORDER_TRADE_UPDATE")
    assert (event["o"]["x"], event["o"]["X"], event["o"]["i"]) == ("AMENDMENT", "NEW", order["orderId"])
    assert (float(event["o"]["p"]), float(event["o"]["q"])) == (48000, 0.02)


def test_several_orders_are_modified_at_once(sim: Sim) -> None:
    ids = [resting(sim)["orderId"] for _ in range(2)]
    changes = [{"symbol": BTC, "side": "BUY", "orderId": one, "quantity": "0.020", "price": "48000"} for one in ids]
    changes.append({**changes[0], "orderId": 987654321})
    rows = ok(sim.wire.put("/fapi/v1/batchOrders", batchOrders=json.dumps(changes)))
    for row in rows[:2]:
        shape(row, ORDER_MODIFIED, {"modifyId": is_integer})
    assert [row.get("orderId") for row in rows] == [*ids, None]
    assert rows[2]["code"] in (-2013, -2011)


# ---------------------------------------------------------------- cancel


def test_cancelling_answers_with_the_order(sim: Sim) -> None:
    order = resting(sim, newClientOrderId="gone")
    cancelled = ok(sim.wire.delete("/fapi/v1/order", symbol=BTC, orderId=order["orderId"]))
    shape(cancelled, ORDER_ACK, {"pair": one_of(BTC)})
    assert (cancelled["status"], cancelled["clientOrderId"]) == ("CANCELED", "gone")
    assert sim.get_order(order["orderId"])["status"] == "CANCELED"


def test_cancelling_by_client_id(sim: Sim) -> None:
    order = resting(sim, newClientOrderId="gone")
    answer = sim.wire.delete("/fapi/v1/order", symbol=BTC, origClientOrderId="gone")
    assert ok(answer)["orderId"] == order["orderId"]


@pytest.mark.parametrize("state", ["never", "cancelled", "filled", "algo"])
def test_what_is_not_open_cannot_be_cancelled(sim: Sim, state: str) -> None:
    if state == "algo":
        order_id = ok(sim.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity="0.010"))["algoId"]
    elif state == "filled":
        order_id = ok(sim.order("BUY", "LONG", "0.010"))["orderId"]
    elif state == "cancelled":
        order_id = resting(sim)["orderId"]
        ok(sim.wire.delete("/fapi/v1/order", symbol=BTC, orderId=order_id))
    else:
        order_id = 987654321
    assert refused(sim.wire.delete("/fapi/v1/order", symbol=BTC, orderId=order_id), -2011) == "Unknown order sent."


def test_cancelling_needs_an_id(sim: Sim) -> None:
    refused(sim.wire.delete("/fapi/v1/order", symbol=BTC), -1102)
    refused(sim.wire.delete("/fapi/v1/order", symbol=BTC, origClientOrderId=""), -1102, -1105, -1119)


@pytest.mark.parametrize("names", [("orderIdList", "origClientOrderIdList"), ("orderidlist", "origclientorderidlist")])
def test_several_orders_are_cancelled_with_failures_inline(sim: Sim, names: tuple[str, str]) -> None:
    first, second = (resting(sim, newClientOrderId=one)["orderId"] for one in ("a", "b"))
    rows = ok(sim.wire.delete("/fapi/v1/batchOrders", symbol=BTC, **{names[0]: f"[{first},987654321]"}))
    shape(rows[0], ORDER_ACK, {"pair": one_of(BTC)})
    assert (rows[0]["status"], rows[1]) == ("CANCELED", UNKNOWN)
    (row,) = ok(sim.wire.delete("/fapi/v1/batchOrders", symbol=BTC, **{names[1]: '["b"]'}))
    assert row["orderId"] == second


def test_no_more_than_ten_orders_are_cancelled_at_once(sim: Sim) -> None:
    ids = json.dumps(list(range(1, 12)), separators=(",", ":"))
    refused(sim.wire.delete("/fapi/v1/batchOrders", symbol=BTC, orderIdList=ids), -4032)


def test_all_open_orders_of_a_symbol_are_cancelled(sim: Sim) -> None:
    ids = [resting(sim)["orderId"] for _ in range(2)]
    other = ok(sim.order("BUY", "LONG", "0.100", "2900", symbol="ETHUSDT"))["orderId"]
    algo = ok(sim.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity="0.010"))["algoId"]
    for _ in range(2):
        assert ok(sim.wire.delete("/fapi/v1/allOpenOrders", symbol=BTC)) == DONE
    assert [sim.get_order(one)["status"] for one in ids] == ["CANCELED", "CANCELED"]
    assert sim.get_order(other, "ETHUSDT")["status"] == "NEW"
    assert sim.get_algo(algo)["algoStatus"] == "NEW", "conditional orders are not touched"


def test_cancelling_all_needs_a_symbol(sim: Sim) -> None:
    refused(sim.wire.delete("/fapi/v1/allOpenOrders"), -1102)


def test_a_cancelled_order_is_streamed(sim: Sim) -> None:
    order = resting(sim)
    with sim.user_stream() as stream:
        ok(sim.wire.delete("/fapi/v1/allOpenOrders", symbol=BTC))
        events = stream.events()
    assert [event["e"] for event in events] == ["ORDER_TRADE_UPDATE"], "a cancel moves no balance"
    assert (events[0]["o"]["x"], events[0]["o"]["X"], events[0]["o"]["i"]) == ("CANCELED", "CANCELED", order["orderId"])


def test_the_countdown_cancels_when_it_is_not_renewed(virtual: Sim) -> None:
    order = resting(virtual)
    stop = ok(virtual.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity="0.010"))

    def countdown(milliseconds: int) -> Any:
        return ok(virtual.wire.post("/fapi/v1/countdownCancelAll", symbol=BTC, countdownTime=milliseconds))

    assert countdown(100_000) == {"symbol": BTC, "countdownTime": "100000"}
    virtual.advance(90_000)
    countdown(100_000)
    virtual.advance(90_000)
    assert virtual.get_order(order["orderId"])["status"] == "NEW"
    virtual.advance(11_000)
    assert virtual.get_order(order["orderId"])["status"] == "CANCELED"
    assert virtual.get_algo(stop["algoId"])["algoStatus"] == "NEW"


def test_the_countdown_can_be_switched_off(virtual: Sim) -> None:
    order = resting(virtual)
    for milliseconds in (10_000, 0):
        ok(virtual.wire.post("/fapi/v1/countdownCancelAll", symbol=BTC, countdownTime=milliseconds))
    virtual.advance(60_000)
    assert virtual.get_order(order["orderId"])["status"] == "NEW"


# ---------------------------------------------------------------- batches


def test_a_batch_answers_each_order_in_its_place(sim: Sim) -> None:
    good = {"symbol": BTC, "side": "BUY", "positionSide": "LONG", "type": "LIMIT", "timeInForce": "GTC"}
    good |= {"quantity": "0.010", "price": "49000"}
    stop = {"symbol": BTC, "side": "SELL", "positionSide": "LONG", "type": "STOP_MARKET", "stopPrice": "48000"}
    orders = [good, {**good, "price": "49000.05"}, {**stop, "quantity": "0.010"}, {**good, "newClientOrderId": "last"}]
    rows = ok(sim.wire.post("/fapi/v1/batchOrders", batchOrders=json.dumps(orders)))
    shape(rows[0], ORDER_ACK)
    assert [row.get("code") for row in rows] == [None, -4014, -4120, None]
    assert rows[3]["clientOrderId"] == "last"
    assert len(ok(sim.wire.get("/fapi/v1/openOrders", symbol=BTC))) == 2


@pytest.mark.parametrize(("number", "codes"), [(6, (-4082,)), (0, (-4082, -4083, -1102))])
def test_a_batch_holds_one_to_five_orders(sim: Sim, number: int, codes: tuple[int, ...]) -> None:
    one = {"symbol": BTC, "side": "BUY", "positionSide": "LONG", "type": "MARKET", "quantity": "0.010"}
    refused(sim.wire.post("/fapi/v1/batchOrders", batchOrders=json.dumps([one] * number)), *codes)
    assert sim.trades() == []


@pytest.mark.parametrize("text", ["[{'symbol': 'BTCUSDT'}]", "nonsense", "{}"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_batch_must_be_a_list_in_json(sim: Sim, method: str, text: str) -> None:
    refused(sim.wire.signed(method, "/fapi/v1/batchOrders", batchOrders=text), -1102, -1100, -1130, -4082, -4083)
