"""Request weights and order counts: 429, then 418 for who goes on (Binance docs, "General Info", LIMITS)."""

import json
from collections.abc import Callable

import pytest

from tests.simulator.conformance.sim import BTC, Sim
from tests.simulator.conformance.wire import Answer, ok, refused

INCOME_WEIGHT = 30
LIMIT_1M = 2400


def until_refused(ask: Callable[[], Answer], most: int, *, status: int = 429) -> tuple[int, Answer]:
    """Ask until an answer has that status: how often it went well, and that answer."""
    for number in range(most):
        answer = ask()
        if answer.status == status:
            return number, answer
    raise AssertionError(f"still not {status} after {most} requests")


def exhaust(sim: Sim) -> Answer:
    return until_refused(lambda: sim.wire.get("/fapi/v1/income"), LIMIT_1M // INCOME_WEIGHT + 1)[1]


def test_the_weight_of_a_minute_is_limited(virtual: Sim) -> None:
    answer = exhaust(virtual)
    refused(answer, -1003, status=429)
    assert 0 < int(answer.headers["retry-after"]) <= 60
    virtual.advance(60_000)
    ok(virtual.wire.get("/fapi/v1/income"))


def test_who_ignores_429_is_banned(virtual: Sim) -> None:
    exhaust(virtual)
    _, answer = until_refused(lambda: virtual.wire.public("/fapi/v1/ping"), 2000, status=418)
    message = refused(answer, -1003, status=418)
    wait = int(answer.headers["retry-after"])
    assert 120 <= wait <= 3 * 86400
    assert any(word.rstrip(".").isdigit() for word in message.split()), message
    virtual.advance(wait * 1000 + 60_000)
    ok(virtual.wire.public("/fapi/v1/ping"))


def test_orders_of_ten_seconds_are_limited(virtual: Sim) -> None:
    def place() -> Answer:
        answer = virtual.order("BUY", "LONG", "0.010", "49000")
        if answer.status == 200:
            ok(virtual.wire.delete("/fapi/v1/order", symbol=BTC, orderId=answer.body["orderId"]))
        return answer

    number, answer = until_refused(place, 301)
    assert number == 300
    refused(answer, -1015, status=429)
    assert 0 < int(answer.headers["retry-after"]) <= 10
    virtual.advance(10_000)
    ok(virtual.order("BUY", "LONG", "0.010", "49000"))


def test_a_batch_counts_each_order_in_ten_seconds_and_once_in_the_minute(sim: Sim) -> None:
    one = {"symbol": BTC, "side": "BUY", "positionSide": "LONG", "type": "LIMIT", "timeInForce": "GTC"}
    one |= {"quantity": "0.010", "price": "49000"}
    before = sim.order("BUY", "LONG", "0.010", "49000")
    after = sim.wire.post("/fapi/v1/batchOrders", batchOrders=json.dumps([one] * 5))
    ok(after)
    grown = {
        window: int(after.headers[f"x-mbx-order-count-{window}"]) - int(before.headers[f"x-mbx-order-count-{window}"])
        for window in ("10s", "1m")
    }
    assert grown == {"10s": 5, "1m": 1}


def test_order_limits_can_be_read(sim: Sim) -> None:
    rows = ok(sim.wire.get("/fapi/v1/rateLimit/order"))
    assert {(row["rateLimitType"], row["interval"], row["intervalNum"]): row["limit"] for row in rows} == {
        ("ORDERS", "SECOND", 10): 300,
        ("ORDERS", "MINUTE", 1): 1200,
    }


@pytest.mark.parametrize("path", ["/fapi/v1/fundingRate", "/fapi/v1/fundingInfo"])
def test_funding_history_has_a_pool_of_its_own(virtual: Sim, path: str) -> None:
    number, answer = until_refused(lambda: virtual.wire.public(path), 501)
    assert number == 500
    refused(answer, -1003, status=429)
    ok(virtual.wire.public("/fapi/v1/ping"))
    virtual.advance(300_000)
    ok(virtual.wire.public(path))
