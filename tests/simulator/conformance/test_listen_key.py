"""Listen keys of the user data stream (Binance docs, user-data-streams)."""

import pytest

from tests.simulator.conformance.sim import BTC, Sim
from tests.simulator.conformance.streams import Stream
from tests.simulator.conformance.wire import ok, refused

PATH = "/fapi/v1/listenKey"
MINUTE_MS = 60_000


def create(sim: Sim) -> str:
    body = ok(sim.wire.send("POST", PATH))
    assert set(body) == {"listenKey"}
    return str(body["listenKey"])


def test_posting_again_returns_the_same_key(sim: Sim) -> None:
    assert create(sim) == create(sim)


@pytest.mark.parametrize("body", [None, "", "listenKey=anything"])
def test_put_extends_with_or_without_a_body(sim: Sim, body: str | None) -> None:
    key = create(sim)
    assert ok(sim.wire.send("PUT", PATH, body=body)) == {"listenKey": key}


@pytest.mark.parametrize("body", [None, "", "listenKey=anything"])
def test_delete_ends_the_key(sim: Sim, body: str | None) -> None:
    create(sim)
    assert ok(sim.wire.send("DELETE", PATH, body=body)) == {}
    refused(sim.wire.send("PUT", PATH), -1125)


def test_there_is_no_key_before_one_is_made(sim: Sim) -> None:
    assert "does not exist" in refused(sim.wire.send("PUT", PATH), -1125)


def test_a_key_lives_sixty_minutes_from_its_last_extension(virtual: Sim) -> None:
    key = create(virtual)
    virtual.advance(50 * MINUTE_MS)
    ok(virtual.wire.send("PUT", PATH))
    virtual.advance(50 * MINUTE_MS)
    assert create(virtual) == key, "posting extends too"
    virtual.advance(61 * MINUTE_MS)
    refused(virtual.wire.send("PUT", PATH), -1125)
    assert create(virtual) != key


@pytest.mark.parametrize("address", ["/private/ws?listenKey={}", "/ws/{}", "/stream?streams={}", "/private/ws/{}"])
def test_the_stream_is_served_at_each_address(sim: Sim, address: str) -> None:
    with Stream(sim.ws_url + address.format(create(sim))) as stream:
        ok(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId="seen"))
        message = stream.next()
        event = message["data"] if "/stream?" in address else message
        assert (event["e"], event["o"]["c"]) == ("ORDER_TRADE_UPDATE", "seen")


def test_every_connection_of_the_key_gets_every_event(sim: Sim) -> None:
    with sim.user_stream() as first, sim.user_stream() as second:
        ok(sim.order("BUY", "LONG", "0.010"))
        seen = [event["e"] for event in first.events()]
        for kind in seen:
            assert second.next()["e"] == kind


def test_expiry_is_the_last_event(virtual: Sim) -> None:
    key = create(virtual)
    with Stream(f"{virtual.ws_url}/private/ws?listenKey={key}") as stream:
        virtual.advance(61 * MINUTE_MS)
        event = stream.until(lambda one: one["e"] == "listenKeyExpired")[-1]
        assert event["listenKey"] == key
        assert int(event["E"]) <= virtual.now_ms
        ok(virtual.order("BUY", "LONG", "0.010"))
        ok(virtual.wire.get("/fapi/v1/openOrders", symbol=BTC))
        with pytest.raises((TimeoutError, OSError)):
            stream.next(0.2)


def test_expiry_can_be_provoked(sim: Sim) -> None:
    with Stream(f"{sim.ws_url}/private/ws?listenKey={create(sim)}") as stream:
        sim.faults({"match": {}, "times": 1, "effect": "expire_listen_key"})
        assert stream.next()["e"] == "listenKeyExpired"
    refused(sim.wire.send("PUT", PATH), -1125)
