"""The client on a wire: what it sends, and what it makes of answers, of silence and of broken connections."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from shared.errors import Fenced, OutcomeUnknown, Rejected, RetrySafe
from tests.support.deadline import PATIENCE_S
from tests.venue.binance.wire import Handler, Wire, answering, serving
from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.endpoints import (
    ACCOUNT_CONFIG,
    CANCEL,
    EXCHANGE_INFO,
    MARK_PRICE,
    ORDER,
    PLACE,
    PLACE_ALGO,
    START_USER_STREAM,
    CallKind,
    Endpoint,
)
from tradeengine.venue.binance.failures import AlreadySo, ClockSkewed, Throttled


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with serving() as made:
        yield made


NOBODYS_PORT = 9
ORDERED = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01", "newClientOrderId": "te-1"}


async def test_a_signed_request_carries_our_window_and_the_exchanges_time(wire: Wire) -> None:
    wire.handler = answering({"orderId": 1})
    wire.server_ahead_ms = 90_000
    rest = wire.rest()
    offset_ms = await rest.measure_clock()
    await rest.call(PLACE, Priority.OPEN, **ORDERED)
    method, path, params = wire.requests[-1]

    assert (method, path) == ("POST", "/fapi/v1/order")
    assert params.items() > ORDERED.items()
    assert params["recvWindow"] == "2000"
    assert abs(int(params["timestamp"]) - wire.clock.now_ms() - 90_000) < 1_000
    assert 89_000 <= offset_ms <= 90_100
    assert len(params["signature"]) == 64


async def test_nothing_is_asked_of_the_spot_market(wire: Wire) -> None:
    rest = wire.rest()
    await rest.measure_clock()
    await rest.call(EXCHANGE_INFO)

    assert all(path.startswith("/fapi/") for _, path, _ in wire.requests)


async def test_figures_keep_their_digits(wire: Wire) -> None:
    wire.handler = answering("{}")
    body = '{"rate": 0.10000000000000000001, "id": 8389765739703625592, "text": "1e-8"}'

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body, content_type="application/json")

    wire.handler = answer
    assert await wire.rest().call(MARK_PRICE, symbol="BTCUSDT") == {
        "rate": Decimal("0.10000000000000000001"),
        "id": 8389765739703625592,
        "text": "1e-8",
    }


async def test_the_exchanges_counts_are_adopted_from_answers_and_from_refusals(wire: Wire) -> None:
    counts = {"X_MBX_USED_WEIGHT_1M": "123", "X_MBX_ORDER_COUNT_10S": "4", "X_MBX_ORDER_COUNT_1M": "5"}
    wire.handler = answering({"code": -2019, "msg": "Margin is insufficient."}, 400, **counts)
    with pytest.raises(Rejected, match="Margin is insufficient"):
        await wire.rest().call(PLACE, Priority.OPEN, **ORDERED)
    usage = wire.budget.usage()

    assert (usage.weight_1m, usage.order_count_10s, usage.order_count_1m) == (123, 4, 5)


async def test_too_many_requests_stop_the_next_ones_before_they_leave(wire: Wire) -> None:
    wire.handler = answering({"code": -1003, "msg": "Too many requests"}, 429, Retry_After="100")
    rest = wire.rest()
    with pytest.raises(Throttled):
        await rest.call(ORDER, Priority.QUERY, symbol="BTCUSDT", orderId=1)
    count = len(wire.requests)
    for priority in (Priority.PROTECT, Priority.CLOSE, Priority.OPEN, Priority.READ):
        with pytest.raises(RetrySafe, match="asked for silence"):
            await rest.call(PLACE, priority, **ORDERED)

    assert len(wire.requests) == count


async def test_a_refused_time_is_measured_again_at_once(wire: Wire) -> None:
    wire.handler = answering({"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, 400)
    rest = wire.rest()
    wire.server_ahead_ms = 30_000
    with pytest.raises(ClockSkewed):
        await rest.call(PLACE, Priority.OPEN, **ORDERED)
    wire.handler = answering({"orderId": 1})
    await rest.call(PLACE, Priority.OPEN, **ORDERED)

    assert abs(int(wire.requests[-1][2]["timestamp"]) - wire.clock.now_ms() - 30_000) < 15_000


async def test_nothing_to_change_is_told_apart(wire: Wire) -> None:
    wire.handler = answering({"code": -4046, "msg": "No need to change margin type."}, 400)
    with pytest.raises(AlreadySo):
        await wire.rest().call(ACCOUNT_CONFIG)


# ---------------------------------------------------------------- answers that are none


async def never(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def drop(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def truncate(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b'{"orderId"')
    assert request.transport is not None
    request.transport.close()
    return response


ODD_ANSWERS: dict[str, Handler] = {
    "html": answering("<html>"),
    "html error": answering("<html>", 502),
    "empty error": answering("", 500),
    "list as error": answering([1], 500),
    "null as error": answering(None, 504),
    "text as code": answering({"code": "-1", "msg": None}, 500),
    "dropped": drop,
    "truncated": truncate,
    "silence": never,
}


@pytest.mark.parametrize("endpoint", [PLACE, PLACE_ALGO, CANCEL, ORDER, MARK_PRICE, START_USER_STREAM])
@pytest.mark.parametrize("odd", ODD_ANSWERS)
async def test_odd_answers_are_unknown_to_what_changes_and_harmless_to_what_asks(
    wire: Wire, odd: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    if odd == "silence":
        monkeypatch.setattr("tradeengine.venue.binance.rest._TIMEOUT_S", 2)
        monkeypatch.setattr("tradeengine.venue.binance.rest._TIMEOUTS_S", {})
    wire.handler = ODD_ANSWERS[odd]
    params = {} if endpoint is START_USER_STREAM else {"symbol": "BTCUSDT"}
    expected = OutcomeUnknown if endpoint.kind in (CallKind.PLACE, CallKind.CANCEL) else RetrySafe
    with pytest.raises(expected):
        await wire.rest().call(endpoint, Priority.CLOSE, **params)


async def test_a_listen_key_that_is_missing_in_the_answer_is_no_key(wire: Wire) -> None:
    documents: list[Any] = [{}, [], {"key": 1}]
    for document in documents:
        wire.handler = answering(document)
        with pytest.raises(RetrySafe):
            await wire.rest().call(START_USER_STREAM)


async def test_an_error_that_comes_with_success_is_an_error(wire: Wire) -> None:
    wire.handler = answering({"code": -2011, "msg": "Unknown order sent."})
    with pytest.raises(Rejected, match="Unknown order sent"):
        await wire.rest().call(CANCEL, Priority.CLOSE, symbol="BTCUSDT", orderId=1)


async def test_a_server_that_is_away_got_nothing(wire: Wire) -> None:
    rest = wire.rest(url=f"http://127.0.0.1:{NOBODYS_PORT}")
    with pytest.raises(RetrySafe, match="it was not sent"):
        await rest.call(PLACE, Priority.CLOSE, **ORDERED)


async def test_a_name_that_cannot_be_resolved_got_nothing(wire: Wire) -> None:
    rest = wire.rest(url="http://exchange.invalid")
    with pytest.raises(RetrySafe, match="it was not sent"):
        await rest.call(PLACE, Priority.CLOSE, **ORDERED)


async def test_a_fence_keeps_what_changes_here_and_lets_questions_through(wire: Wire) -> None:
    asked: list[tuple[int, int]] = []

    def fence(timestamp_ms: int, recv_window_ms: int) -> None:
        asked.append((timestamp_ms, recv_window_ms))
        raise Fenced("the lease ends too soon")

    rest = wire.rest(fence=fence)
    for endpoint in (PLACE, PLACE_ALGO, CANCEL):
        with pytest.raises(Fenced):
            await rest.call(endpoint, Priority.CLOSE, symbol="BTCUSDT", type="MARKET")
    await rest.call(ORDER, Priority.QUERY, symbol="BTCUSDT", orderId=1)

    assert [window for _, window in asked] == [2_000] * 3
    assert all(abs(time_ms - wire.clock.now_ms()) < 1_000 * PATIENCE_S for time_ms, _ in asked)
    assert [method for method, _, _ in wire.requests] == ["GET"]


async def test_requests_go_side_by_side(wire: Wire) -> None:
    everybody = asyncio.Event()
    waiting = 0

    async def gather(_: web.Request) -> web.StreamResponse:
        nonlocal waiting
        waiting += 1
        if waiting == 8:
            everybody.set()
        await everybody.wait()
        return web.json_response({"orderId": waiting})

    wire.handler = gather
    rest = wire.rest()
    answers = await asyncio.gather(*(rest.call(PLACE, Priority.CLOSE, **ORDERED) for _ in range(8)))

    assert len(answers) == 8
