"""New Order (Binance docs, trade/rest-api/New-Order): acknowledgement, results, parameters."""

import pytest

from tests.simulator.conformance.documents import ORDER_ACK, shape
from tests.simulator.conformance.sim import BTC, Sim
from tests.simulator.conformance.wire import ok, refused


def test_a_limit_order_is_acknowledged(sim: Sim) -> None:
    order = ok(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId="mine-1"))
    shape(order, ORDER_ACK)
    assert {name: order[name] for name in ("symbol", "status", "clientOrderId", "side", "positionSide", "type")} == {
        "symbol": BTC,
        "status": "NEW",
        "clientOrderId": "mine-1",
        "side": "BUY",
        "positionSide": "LONG",
        "type": "LIMIT",
    }
    assert (order["timeInForce"], order["origType"], order["closePosition"]) == ("GTC", "LIMIT", False)
    assert (float(order["price"]), float(order["origQty"]), float(order["executedQty"])) == (49000, 0.01, 0)
    assert order["goodTillDate"] == 0


def test_a_market_order_is_acknowledged_as_new_although_it_is_filled(sim: Sim) -> None:
    order = ok(sim.order("BUY", "LONG", "0.010"))
    shape(order, ORDER_ACK)
    assert (order["status"], float(order["executedQty"]), float(order["price"])) == ("NEW", 0, 0)
    assert sim.get_order(order["orderId"])["status"] == "FILLED"


def test_a_market_order_may_ask_for_its_result(sim: Sim) -> None:
    order = ok(sim.order("BUY", "LONG", "0.010", newOrderRespType="RESULT"))
    shape(order, ORDER_ACK)
    assert (order["status"], float(order["executedQty"]), float(order["cumQty"])) == ("FILLED", 0.01, 0.01)


@pytest.mark.parametrize(
    ("time_in_force", "price", "status"),
    [("IOC", "50000", "FILLED"), ("IOC", "49000", "EXPIRED"), ("FOK", "50000", "FILLED")],
)
def test_the_result_of_an_immediate_order_is_final(sim: Sim, time_in_force: str, price: str, status: str) -> None:
    answer = sim.order("BUY", "LONG", "0.010", price, timeInForce=time_in_force, newOrderRespType="RESULT")
    assert ok(answer)["status"] == status


def test_acknowledgements_of_old_carry_average_and_quote(sim: Sim) -> None:
    sim.reset(options={"ack_with_average": True})
    assert {"avgPrice", "cumQuote"} <= ok(sim.order("BUY", "LONG", "0.010")).keys()


def test_order_ids_are_integers_and_grow(sim: Sim) -> None:
    ids = [ok(sim.order("BUY", "LONG", "0.010", "49000"))["orderId"] for _ in range(3)]
    assert ids == sorted(set(ids))


def test_a_client_id_is_made_when_none_is_given(sim: Sim) -> None:
    ids = {ok(sim.order("BUY", "LONG", "0.010", "49000"))["clientOrderId"] for _ in range(2)}
    assert len(ids) == 2
    assert all(0 < len(one) <= 36 for one in ids)


@pytest.mark.parametrize("text", ["a", "A.b:c/d_e-9", "x" * 36])
def test_client_ids_of_the_documented_form_are_taken(sim: Sim, text: str) -> None:
    assert ok(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId=text))["clientOrderId"] == text


@pytest.mark.parametrize("text", ["x" * 37, "with blank", "ümlaut", "plus+", "hash#"])
def test_client_ids_of_another_form_are_refused(sim: Sim, text: str) -> None:
    refused(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId=text), -4015, -1100)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"symbol": None}, (-1102,)),
        ({"side": None}, (-1102,)),
        ({"type": None}, (-1102,)),
        ({"quantity": None}, (-1102,)),
        ({"price": None}, (-1102,)),
        ({"timeInForce": None}, (-1102,)),
        ({"symbol": ""}, (-1102, -1105, -1121)),
        ({"quantity": ""}, (-1102, -1105)),
        ({"quantity": "much"}, (-1102, -1100, -1130)),
        ({"quantity": "1e-2"}, (-1102, -1100, -1130)),
        ({"price": "1E+4"}, (-1102, -1100, -1130)),
        ({"quantity": "NaN"}, (-1102, -1100, -1130)),
        ({"symbol": "NONEUSDT"}, (-1121,)),
        ({"side": "HOLD"}, (-1117,)),
        ({"type": "ICEBERG"}, (-1116,)),
        ({"timeInForce": "DAY"}, (-1115,)),
        ({"newOrderRespType": "FULL"}, (-1136,)),
        ({"workingType": "LAST"}, (-4031,)),
        ({"priceMatch": "OPPONENT"}, (-5037, -5038, -5039, -1106, -1128)),
        ({"priceMatch": "BEST", "price": None}, (-5037, -1130)),
        ({"selfTradePreventionMode": "OFTEN"}, (-5038, -5039, -5037, -1130)),
        ({"timeInForce": "GTD"}, (-1102, -5040, -5039)),
        ({"newClientOrderId": ""}, (-1118, -4015, -1105)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_parameters_of_a_limit_order(sim: Sim, changes: dict[str, object], codes: tuple[int, ...]) -> None:
    refused(sim.order("BUY", "LONG", "0.010", "49000", **changes), *codes)
    assert ok(sim.wire.get("/fapi/v1/openOrders", symbol=BTC)) == []


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"price": "49000"}, (-1106,)),
        ({"timeInForce": "GTC"}, (-1106, -1114)),
        ({"timeInForce": "GTX"}, (-1106, -1114, -1014)),
        ({"quantity": None}, (-1102,)),
    ],
    ids=str,
)
def test_bad_parameters_of_a_market_order(sim: Sim, changes: dict[str, object], codes: tuple[int, ...]) -> None:
    refused(sim.order("BUY", "LONG", "0.010", type="MARKET", **changes), *codes)


@pytest.mark.parametrize("distance_s", [600, 0, -1])
def test_good_till_date_must_be_ten_minutes_ahead(virtual: Sim, distance_s: int) -> None:
    answer = virtual.order(
        "BUY", "LONG", "0.010", "49000", timeInForce="GTD", goodTillDate=virtual.now_ms + distance_s * 1000
    )
    refused(answer, -5040)


def test_good_till_date_ends_an_order(virtual: Sim) -> None:
    till = (virtual.now_ms // 1000 + 700) * 1000
    order = ok(virtual.order("BUY", "LONG", "0.010", "49000", timeInForce="GTD", goodTillDate=till))
    assert (order["timeInForce"], order["goodTillDate"]) == ("GTD", till)
    virtual.advance(till - virtual.now_ms - 1)
    assert virtual.get_order(order["orderId"])["status"] == "NEW"
    virtual.advance(1001)
    assert virtual.get_order(order["orderId"])["status"] == "EXPIRED"


@pytest.mark.parametrize(("match", "price"), [("OPPONENT", 50000), ("QUEUE", 49999.9)])
def test_price_match_takes_the_price_from_the_book(sim: Sim, match: str, price: float) -> None:
    order = ok(sim.order("BUY", "LONG", "0.010", priceMatch=match, type="LIMIT", timeInForce="GTC"))
    assert (order["priceMatch"], float(order["price"])) == (match, price)


@pytest.mark.parametrize("kind", ["STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"])
@pytest.mark.parametrize("closing", [False, True])
def test_conditional_types_belong_to_another_endpoint(sim: Sim, kind: str, closing: bool) -> None:
    extra: dict[str, object] = {"closePosition": "true"} if closing else {"quantity": "0.010"}
    message = refused(sim.order("SELL", "LONG", None, type=kind, stopPrice="49000", price="49000", **extra), -4120)
    assert message == "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."


def test_older_exchanges_take_conditional_orders_at_the_order_endpoint(sim: Sim) -> None:
    sim.reset(options={"conditional_on_order_endpoint": True})
    answer = sim.order("BUY", "LONG", "0.010", type="STOP_MARKET", stopPrice="51000")
    order = ok(answer)
    assert (order["type"], order["status"], float(order["stopPrice"])) == ("STOP_MARKET", "NEW", 51000)


def test_a_test_order_is_checked_and_not_placed(sim: Sim) -> None:
    values = {"symbol": BTC, "side": "BUY", "positionSide": "LONG", "type": "MARKET"}
    assert "orderId" in ok(sim.wire.post("/fapi/v1/order/test", quantity="0.010", **values))
    refused(sim.wire.post("/fapi/v1/order/test", quantity="0.0001", **values), -1111)
    assert ok(sim.wire.get("/fapi/v1/allOrders", symbol=BTC)) == []
