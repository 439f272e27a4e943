"""Codes and texts of refusals that a client can provoke (Binance docs, error-code), and failures that are injected."""

import json
import re
import time
from collections.abc import Callable
from http.client import HTTPException

import pytest

from tests.simulator.conformance.documents import number
from tests.simulator.conformance.sim import BTC, KEY, SECRET, Sim
from tests.simulator.conformance.symbols import symbol
from tests.simulator.conformance.wire import Answer, Wire, ok, refused

Provoke = Callable[[Sim], Answer]


def limit(sim: Sim, **more: object) -> Answer:
    return sim.order("BUY", "LONG", "0.010", "49000", **more)


def algo(sim: Sim, **more: object) -> Answer:
    values: dict[str, object] = {"quantity": "0.010"}
    return sim.algo("BUY", "LONG", "STOP_MARKET", "51000", **(values | more))


def batch(sim: Sim, number: int) -> Answer:
    one = {"symbol": BTC, "side": "BUY", "positionSide": "LONG", "type": "MARKET", "quantity": "0.010"}
    return sim.wire.post("/fapi/v1/batchOrders", batchOrders=json.dumps([one] * number))


def with_key(sim: Sim, key: str) -> Answer:
    with Wire(sim.url, key, SECRET, lambda: sim.now_ms) as wire:
        return wire.get("/fapi/v1/accountConfig")


def second_close(sim: Sim) -> Answer:
    ok(sim.order("BUY", "LONG", "0.010"))
    ok(sim.algo("SELL", "LONG", "STOP_MARKET", "49000", closePosition="true"))
    return sim.algo("SELL", "LONG", "STOP_MARKET", "48000", closePosition="true")


def poor(sim: Sim) -> Answer:
    sim.reset(wallet="1")
    return limit(sim)


def dual_with(sim: Sim, *, position: bool) -> Answer:
    ok(sim.order("BUY", "LONG", "0.010") if position else limit(sim))
    return sim.wire.post("/fapi/v1/positionSide/dual", dualSidePosition="false")


def margin_type_with(sim: Sim, *, position: bool) -> Answer:
    ok(sim.order("BUY", "LONG", "0.010") if position else limit(sim))
    return sim.wire.post("/fapi/v1/marginType", symbol=BTC, marginType="ISOLATED")


def duplicate(sim: Sim) -> Answer:
    ok(limit(sim, newClientOrderId="same"))
    return limit(sim, newClientOrderId="same")


def full(sim: Sim) -> Answer:
    sim.reset(symbols=[symbol(BTC, filters={"MAX_NUM_ORDERS": {"limit": 1}})])
    ok(limit(sim))
    return limit(sim)


def unchanged(sim: Sim) -> Answer:
    order = ok(limit(sim))["orderId"]
    return sim.wire.put("/fapi/v1/order", symbol=BTC, side="BUY", orderId=order, quantity="0.010", price="49000")


def get(path: str, **more: object) -> Provoke:
    return lambda sim: sim.wire.get(path, **more)


TEXTS: list[tuple[int, str, Provoke]] = [
    (
        -1021,
        "Timestamp for this request is outside of the recvWindow.",
        lambda s: limit(s, timestamp=s.now_ms - 60_000),
    ),
    (
        -1021,
        "Timestamp for this request was 1000ms ahead of the server's time.",
        lambda s: limit(s, timestamp=s.now_ms + 60_000),
    ),
    (
        -1022,
        "Signature for this request is not valid.",
        lambda s: s.wire.send("POST", "/fapi/v1/order", body=f"timestamp={s.now_ms}&signature=00"),
    ),
    (
        -1102,
        "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed.",
        lambda s: limit(s, quantity=None),
    ),
    (
        -1102,
        "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
        lambda s: limit(s, symbol=None),
    ),
    (
        -1102,
        "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
        get("/fapi/v1/order", symbol=BTC),
    ),
    (-1106, "Parameter 'reduceonly' sent when not required.", lambda s: limit(s, reduceOnly="false")),
    (-1111, "Precision is over the maximum defined for this asset.", lambda s: limit(s, quantity="0.0101")),
    (-1115, "Invalid timeInForce.", lambda s: limit(s, timeInForce="DAY")),
    (-1116, "Invalid orderType.", lambda s: limit(s, type="ICEBERG")),
    (-1117, "Invalid side.", lambda s: limit(s, side="HOLD")),
    (-1120, "Invalid interval.", lambda s: s.wire.public("/fapi/v1/klines", symbol=BTC, interval="7m")),
    (-1121, "Invalid symbol.", lambda s: limit(s, symbol="NONEUSDT")),
    (-1125, "This listenKey does not exist", lambda s: s.wire.send("PUT", "/fapi/v1/listenKey")),
    (-1136, "Invalid newOrderRespType.", lambda s: limit(s, newOrderRespType="FULL")),
    (-2011, "Unknown order sent.", lambda s: s.wire.delete("/fapi/v1/order", symbol=BTC, orderId=987654321)),
    (-2013, "Order does not exist.", get("/fapi/v1/order", symbol=BTC, orderId=987654321)),
    (-2019, "Margin is insufficient.", poor),
    (-2021, "Order would immediately trigger.", lambda s: algo(s, triggerPrice="49000")),
    (-2022, "ReduceOnly Order is rejected.", lambda s: s.order("SELL", "LONG", "0.010")),
    (-2025, "Reach max open order limit.", full),
    (-4002, "Price greater than max price.", lambda s: s.order("SELL", "SHORT", "0.010", "9000000")),
    (-4003, "Quantity less than", lambda s: limit(s, quantity="0")),
    (-4005, "Quantity greater than max quantity.", lambda s: limit(s, quantity="900000")),
    (-4014, "Price not increased by tick size.", lambda s: limit(s, price="49000.05")),
    (-4015, "Client order id", lambda s: limit(s, newClientOrderId="x" * 37)),
    (-4028, "Leverage 126 is not valid", lambda s: s.wire.post("/fapi/v1/leverage", symbol=BTC, leverage=126)),
    (
        -4046,
        "No need to change margin type.",
        lambda s: s.wire.post("/fapi/v1/marginType", symbol=BTC, marginType="CROSSED"),
    ),
    (
        -4047,
        "Margin type cannot be changed if there exists open orders.",
        lambda s: margin_type_with(s, position=False),
    ),
    (-4048, "Margin type cannot be changed if there exists position.", lambda s: margin_type_with(s, position=True)),
    (
        -4059,
        "No need to change position side.",
        lambda s: s.wire.post("/fapi/v1/positionSide/dual", dualSidePosition="true"),
    ),
    (-4061, "Order's position side does not match user's setting.", lambda s: limit(s, positionSide="BOTH")),
    (-4067, "Position side cannot be changed if there exists open orders.", lambda s: dual_with(s, position=False)),
    (-4068, "Position side cannot be changed if there exists position.", lambda s: dual_with(s, position=True)),
    (-4082, "Invalid number of batch place orders", lambda s: batch(s, 6)),
    (-4116, "ClientOrderId is duplicated.", duplicate),
    (
        -4120,
        "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
        lambda s: limit(s, type="STOP_MARKET"),
    ),
    (-4130, "An open stop or take profit order with GTE and closePosition in the direction is existing.", second_close),
    (-4164, "Order's notional must be no smaller than", lambda s: s.order("BUY", "LONG", "0.001", "1000")),
    (
        -4509,
        "GTE can only be used with open positions",
        lambda s: s.algo("SELL", "LONG", "STOP_MARKET", "49000", closePosition="true"),
    ),
    (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected",
        lambda s: limit(s, timeInForce="FOK"),
    ),
    (-5022, "could not be executed as maker", lambda s: limit(s, timeInForce="GTX", price="50000")),
    (-5027, "No need to modify the order.", unchanged),
]


@pytest.mark.parametrize(("code", "text", "provoke"), TEXTS, ids=[f"{code}-{i}" for i, (code, *_) in enumerate(TEXTS)])
def test_code_and_text(sim: Sim, code: int, text: str, provoke: Provoke) -> None:
    message = refused(provoke(sim), code)
    assert text.lower() in message.lower()


@pytest.mark.parametrize(("key", "codes"), [("somebody-else", (-2015, -2014)), ("", (-2014, -2015))])
def test_keys_are_refused_with_401(sim: Sim, key: str, codes: tuple[int, ...]) -> None:
    refused(with_key(sim, key), *codes, status=401)


def test_a_limit_price_of_a_stop_keeps_to_the_band(sim: Sim) -> None:
    refused(algo(sim, type="STOP", price="90000"), -4183, -4016)
    answer = sim.algo("SELL", "SHORT", "STOP", "49000", quantity="0.010", price="10000")
    refused(answer, -4184, -4024)


def test_liquidation_price_reached_means_no_position(sim: Sim) -> None:
    sim.reset(wallet="1000", positions=[{"symbol": BTC, "positionSide": "LONG", "qty": "0.2", "entryPrice": "50000"}])
    sim.mark(BTC, "45000")
    refused(sim.order("SELL", "LONG", "0.1"), -2022, -2023)


# ---------------------------------------------------------------- injected failures


@pytest.mark.parametrize(
    ("status", "code", "msg", "when"),
    [
        (503, -1000, "Unknown error, please check your request or try again later.", "before"),
        (503, -1000, "Unknown error, please check your request or try again later.", "after"),
        (503, -1001, "Internal error; unable to process your request. Please try again.", "before"),
        (503, -1008, "Request throttled by system-level protection.", "before"),
        (408, -1007, "Timeout waiting for response from backend server.", "after"),
        (400, -1006, "An unexpected response was received from the message bus.", "after"),
        (400, -4112, "anything", "before"),
        (429, -1003, "Too many requests.", "before"),
    ],
)
def test_any_answer_can_be_injected_before_or_after(sim: Sim, status: int, code: int, msg: str, when: str) -> None:
    sim.faults(
        {
            "match": {"method": "POST", "path": "/fapi/v1/order"},
            "times": 1,
            "when": when,
            "effect": {"status": status, "code": code, "msg": msg},
        }
    )
    answer = limit(sim, newClientOrderId="injected")
    assert refused(answer, code, status=status) == msg
    query = sim.wire.get("/fapi/v1/order", symbol=BTC, origClientOrderId="injected")
    if when == "after":
        assert ok(query)["status"] == "NEW"
    else:
        refused(query, -2013)
    ok(limit(sim, newClientOrderId="next"))


def test_a_gateway_s_page_can_be_injected(sim: Sim) -> None:
    sim.faults({"match": {"path": "/fapi/v1/order"}, "times": 1, "effect": "html_503"})
    answer = limit(sim)
    assert (answer.status, answer.body) == (503, None)
    assert "<html" in answer.text.lower()


def test_faults_match_parameters_and_count(sim: Sim) -> None:
    match = {"method": "POST", "path": "/fapi/v1/order", "params": {"side": "SELL"}}
    sim.faults({"match": match, "times": 2, "effect": {"status": 503, "code": -1008, "msg": "no"}})
    ok(limit(sim))
    statuses = [sim.order("SELL", "SHORT", "0.010", "51000").status for _ in range(3)]
    assert statuses == [503, 503, 200]


def test_faults_can_be_taken_back(sim: Sim) -> None:
    sim.faults({"match": {"path": "/fapi/v1/*"}, "times": 1, "effect": "html_503"})
    ok(sim.control("DELETE", "/sim/faults"))
    ok(limit(sim))


def test_a_ban_names_its_end(virtual: Sim) -> None:
    virtual.faults({"match": {}, "times": 1, "effect": {"ban": 300}})
    answer = virtual.wire.public("/fapi/v1/ping")
    message = refused(answer, -1003, status=418)
    until = int(re.findall(r"\d{13}", message)[0])
    assert until == virtual.now_ms + 300_000
    assert int(answer.headers["retry-after"]) == 300
    virtual.advance(300_001)
    ok(virtual.wire.public("/fapi/v1/ping"))


@pytest.mark.parametrize(
    ("effect", "kinds"),
    [
        ("swallow_event", ["NEW"]),
        ("duplicate_event", ["NEW", "TRADE", "TRADE"]),
    ],
)
def test_events_can_be_lost_or_doubled(sim: Sim, effect: str, kinds: list[str]) -> None:
    sim.faults({"match": {"event": "ORDER_TRADE_UPDATE", "x": "TRADE"}, "times": 1, "effect": effect})
    with sim.user_stream() as stream:
        ok(sim.order("BUY", "LONG", "0.010"))
        assert [event["o"]["x"] for event in stream.of("ORDER_TRADE_UPDATE")] == kinds


def test_events_of_one_cause_can_change_their_order(sim: Sim) -> None:
    def told() -> list[str]:
        with sim.user_stream() as stream:
            ok(sim.order("BUY", "LONG", "0.010"))
            return [event["e"] for event in stream.events()]

    usual = told()
    sim.faults({"match": {"method": "POST", "path": "/fapi/v1/order"}, "times": 1, "effect": "reorder_events"})
    assert told() != usual
    assert told() == usual


def test_an_answer_can_be_late(sim: Sim) -> None:
    sim.faults({"match": {"path": "/fapi/v1/order"}, "times": 1, "effect": {"delay_ms": 300}})
    before = time.monotonic()
    ok(limit(sim))
    assert time.monotonic() - before >= 0.3


def test_an_answer_can_be_cut_off(sim: Sim) -> None:
    sim.faults({"match": {"method": "POST", "path": "/fapi/v1/order"}, "times": 1, "effect": "truncate"})
    with pytest.raises((HTTPException, OSError)):
        limit(sim, newClientOrderId="cut")
    assert ok(sim.wire.get("/fapi/v1/order", symbol=BTC, origClientOrderId="cut"))["status"] == "NEW"


def test_events_can_be_late(virtual: Sim) -> None:
    virtual.faults(
        {"match": {"event": "ORDER_TRADE_UPDATE", "x": "NEW"}, "times": 1, "effect": {"delay_event_ms": 2000}}
    )
    with virtual.user_stream() as stream:
        ok(virtual.order("BUY", "LONG", "0.010"))
        assert [event["o"]["x"] for event in stream.of("ORDER_TRADE_UPDATE")] == ["TRADE"]
        virtual.advance(2000)
        assert [event["o"]["x"] for event in stream.of("ORDER_TRADE_UPDATE")] == ["NEW"]


def test_requests_are_remembered_with_what_they_caused(sim: Sim) -> None:
    before = sim.requests()["next"]
    order = ok(sim.order("BUY", "LONG", "0.010", newClientOrderId="noted"))
    (noted,) = [one for one in sim.requests(before)["requests"] if one["path"] == "/fapi/v1/order"]
    assert (noted["method"], noted["status"], noted["answer"]["orderId"]) == ("POST", 200, order["orderId"])
    assert {name.lower(): value for name, value in noted["parameters"].items()}["newclientorderid"] == "noted"
    assert {event["e"] for event in noted["caused"]} == {"ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE"}


def test_each_request_is_given_what_it_caused_itself(virtual: Sim) -> None:
    """What falls due by the clock or is done on the control side is nobody's request's, not the next one's."""
    virtual.reset(options={"latency_ms": 100})
    before = virtual.requests()["next"]
    first = ok(virtual.order("BUY", "LONG", "0.010"))["orderId"]
    virtual.advance(100)
    second = ok(virtual.order("BUY", "LONG", "0.020", "49000"))["orderId"]
    virtual.advance(100)
    virtual.fill(second, "0.020", "49000")
    ok(
        virtual.wire.delete(
            "/fapi/v1/order", symbol=BTC, orderId=ok(virtual.order("BUY", "LONG", "0.010", "48000"))["orderId"]
        )
    )
    refused(virtual.order("BUY", "LONG", "0"), -4003)
    noted = [one for one in virtual.requests(before)["requests"] if one["path"] == "/fapi/v1/order"]
    caused = [[(event["o"]["x"], event["o"]["i"]) for event in one["caused"]] for one in noted]
    assert caused[:2] == [[("NEW", first)], [("NEW", second)]]
    assert [[kind for kind, _ in one] for one in caused[2:]] == [["NEW"], ["CANCELED"], []]


def test_the_state_is_a_document(virtual: Sim) -> None:
    first = ok(virtual.wire.send("GET", "/sim/state"))
    assert isinstance(first, dict)
    assert ok(virtual.wire.send("GET", "/sim/state")) == first, "asking changes nothing"


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/sim/reset", {"walet": "5"}),
        ("/sim/mark", {"symbol": BTC}),
        ("/sim/mark", {"symbol": "NONEUSDT", "price": "5"}),
        ("/sim/fill", {"orderId": 987654321, "qty": "1", "price": "1", "maker": True}),
        ("/sim/funding", {"symbol": "NONEUSDT", "rate": "0.1"}),
        ("/sim/mark", {"symbol": BTC, "price": "5", "last": "0"}),
        ("/sim/clock", {"advance_ms": -5}),
        ("/sim/faults", [{"match": {}, "effect": "explode"}]),
    ],
)
def test_mistakes_on_the_control_side_are_refused(sim: Sim, path: str, document: object) -> None:
    answer = sim.control("POST", path, document)
    assert 400 <= answer.status < 500
    assert len(answer.text) > 10, "says what was wrong"


def test_a_fill_by_hand_is_bounded_by_the_order(sim: Sim) -> None:
    order = ok(limit(sim))["orderId"]
    document = {"orderId": order, "qty": "0.011", "price": "49000", "maker": True}
    assert 400 <= sim.control("POST", "/sim/fill", document).status < 500
    assert number(sim.get_order(order)["executedQty"]) == 0


def test_only_the_given_keys_are_known(sim: Sim) -> None:
    sim.reset(apiKeys={"new": "secret"})
    with Wire(sim.url, KEY, SECRET, lambda: sim.now_ms) as wire:
        refused(wire.get("/fapi/v1/accountConfig"), -2015, -2014, status=401)
    with Wire(sim.url, "new", "secret", lambda: sim.now_ms) as wire:
        ok(wire.get("/fapi/v1/accountConfig"))
