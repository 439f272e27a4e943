"""The server asks its WebSocket clients for signs of life (Binance docs, WebSocket Market Streams)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from tests.simulator.conformance.sim import BTC, Sim
from tests.simulator.conformance.streams import DEADLINE_S
from tests.simulator.conformance.wire import ok

INTERVAL_MS = 50


class Watched(ClientConnection):
    """A connection that answers pings, as every client does, and counts them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.pinged = threading.Semaphore(0)
        super().__init__(*args, **kwargs)

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pinged.release()
        super().process_event(event)


@contextmanager
def watched(sim: Sim, path: str) -> Iterator[Watched]:
    with connect(
        sim.ws_url + path, ping_interval=None, close_timeout=1, proxy=None, create_connection=Watched
    ) as connection:
        assert isinstance(connection, Watched)
        yield connection


@pytest.mark.parametrize("path", ["/ws/btcusdt@aggTrade", "/private/ws?listenKey={}", "/ws-fapi/v1"])
def test_pings_come_again_and_again_and_who_answers_stays(sim: Sim, path: str) -> None:
    sim.reset(options={"ping_interval_ms": INTERVAL_MS, "pong_timeout_ms": 10_000})
    key = ok(sim.wire.send("POST", "/fapi/v1/listenKey"))["listenKey"]
    with watched(sim, path.format(key)) as connection:
        for _ in range(3):
            if sim.virtual:
                sim.advance(INTERVAL_MS)
            assert connection.pinged.acquire(timeout=DEADLINE_S), "no ping came"
        if path.endswith("v1"):
            connection.send('{"id": 1, "method": "time", "params": {}}')
        else:
            ok(sim.order("BUY", "LONG", "0.010", symbol=BTC))
        assert connection.recv(timeout=DEADLINE_S)


def test_pings_come_no_more_often_than_asked_for(virtual: Sim) -> None:
    virtual.reset(options={"ping_interval_ms": 1_000})
    with watched(virtual, "/ws/btcusdt@aggTrade") as connection:
        virtual.advance(999)
        ok(virtual.order("BUY", "LONG", "0.010"))
        assert connection.recv(timeout=DEADLINE_S)
        assert not connection.pinged.acquire(blocking=False)
        virtual.advance(1)
        assert connection.pinged.acquire(timeout=DEADLINE_S)
