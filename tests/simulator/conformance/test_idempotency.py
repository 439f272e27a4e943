"""Ids, and what a client can find out after an answer was lost."""

from decimal import Decimal
from http.client import HTTPException

import pytest

from tests.simulator.conformance.documents import number
from tests.simulator.conformance.sim import BTC, ETH, Sim
from tests.simulator.conformance.wire import ok, refused


def test_a_client_id_is_unique_among_open_orders(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId="once"))
    refused(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId="once"), -4116)
    refused(sim.order("BUY", "LONG", "0.010", newClientOrderId="once"), -4116)
    assert len(ok(sim.wire.get("/fapi/v1/openOrders", symbol=BTC))) == 1


def test_resending_a_filled_market_order_doubles_the_position(sim: Sim) -> None:
    ids = [ok(sim.order("BUY", "LONG", "0.010", newClientOrderId="again"))["orderId"] for _ in range(2)]
    assert ids[0] < ids[1]
    assert number(sim.leg("LONG")["positionAmt"]) == Decimal("0.020")
    assert ok(sim.wire.get("/fapi/v1/order", symbol=BTC, origClientOrderId="again"))["orderId"] in ids


def test_a_client_id_is_free_again_after_a_cancel(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId="free"))
    ok(sim.wire.delete("/fapi/v1/order", symbol=BTC, origClientOrderId="free"))
    ok(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId="free"))


def test_cancelling_twice_is_harmless(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId="gone"))
    ok(sim.wire.delete("/fapi/v1/order", symbol=BTC, origClientOrderId="gone"))
    for _ in range(2):
        refused(sim.wire.delete("/fapi/v1/order", symbol=BTC, origClientOrderId="gone"), -2011)
    assert ok(sim.wire.get("/fapi/v1/order", symbol=BTC, origClientOrderId="gone"))["status"] == "CANCELED"


def test_ids_grow_per_symbol(sim: Sim) -> None:
    for symbol, price in ((BTC, "49000"), (ETH, "2900"), (BTC, "49000"), (ETH, "2900")):
        ok(sim.order("BUY", "LONG", "0.100", price, symbol=symbol))
    for symbol in (BTC, ETH):
        ids = [row["orderId"] for row in ok(sim.wire.get("/fapi/v1/allOrders", symbol=symbol))]
        assert ids == sorted(set(ids))


def lost(sim: Sim, when: str) -> None:
    fault = {
        "match": {"method": "POST", "path": "/fapi/v1/order"},
        "times": 1,
        "when": when,
        "effect": "drop_connection",
    }
    sim.faults(fault)
    with pytest.raises((HTTPException, OSError)):
        sim.order("BUY", "LONG", "0.010", newClientOrderId="lost")


def test_a_lost_answer_is_found_by_the_client_id(sim: Sim) -> None:
    lost(sim, "after")
    assert ok(sim.wire.get("/fapi/v1/order", symbol=BTC, origClientOrderId="lost"))["status"] == "FILLED"
    assert number(sim.leg("LONG")["positionAmt"]) == Decimal("0.010")


def test_a_lost_request_is_found_nowhere(sim: Sim) -> None:
    lost(sim, "before")
    refused(sim.wire.get("/fapi/v1/order", symbol=BTC, origClientOrderId="lost"), -2013)
    assert sim.trades() == []


def test_a_delayed_request_dies_with_its_window(virtual: Sim) -> None:
    signed_at = virtual.now_ms
    virtual.advance(5001)
    refused(virtual.order("BUY", "LONG", "0.010", timestamp=signed_at, recvWindow=5000), -1021)
    assert virtual.trades() == []
