"""Every effect of a fault on a request or its answer."""

import time
from typing import Any

import aiohttp
import pytest

from tests.simulator.server.raw import RESTING, Raw, form, signature

LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)


async def open_orders(raw: Raw) -> list[Any]:
    return list((await raw.signed("GET", "/fapi/v1/openOrders", symbol="BTCUSDT")).body)


@pytest.mark.parametrize(("when", "executed"), [("before", 0), ("after", 1)])
async def test_drop_connection(raw: Raw, when: str, executed: int) -> None:
    await raw.fault("drop_connection", when=when)
    with pytest.raises(LOST):
        await raw.order(**RESTING)
    assert len(await open_orders(raw)) == executed
    first = (await raw.requests())[0]
    assert (first["faults"], first["status"]) == (["drop_connection"], 200 if executed else None)
    assert (await raw.order(**RESTING)).status == 200


@pytest.mark.parametrize(("when", "executed"), [("before", 0), ("after", 1)])
async def test_status_code_and_message(raw: Raw, when: str, executed: int) -> None:
    await raw.fault({"status": 408, "code": -1007, "msg": "Timeout waiting for response"}, when=when)
    answer = await raw.order(**RESTING)
    assert (answer.status, answer.body) == (408, {"code": -1007, "msg": "Timeout waiting for response"})
    assert len(await open_orders(raw)) == executed


async def test_retry_after(raw: Raw) -> None:
    await raw.fault({"status": 429, "code": -1003, "msg": "Too many requests", "retry_after": 7})
    assert (await raw.order()).headers["Retry-After"] == "7"


@pytest.mark.parametrize(("when", "executed"), [("before", 0), ("after", 1)])
async def test_html_503(raw: Raw, when: str, executed: int) -> None:
    await raw.fault("html_503", when=when)
    answer = await raw.order(**RESTING)
    assert (answer.status, answer.headers["Content-Type"]) == (503, "text/html")
    assert answer.text.startswith("<html>")
    assert len(await open_orders(raw)) == executed


async def test_truncate_executes_and_sends_half(raw: Raw) -> None:
    await raw.fault("truncate")
    with pytest.raises(LOST):
        await raw.order(**RESTING)
    assert len(await open_orders(raw)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_delay(raw: Raw, when: str) -> None:
    await raw.fault({"delay_ms": 150}, when=when)
    start = time.monotonic()
    assert (await raw.order(**RESTING)).status == 200
    assert time.monotonic() - start >= 0.15


async def test_a_delayed_answer_that_nobody_waits_for_was_executed(raw: Raw) -> None:
    await raw.fault({"delay_ms": 60_000}, when="after")
    short = aiohttp.ClientTimeout(total=3)
    text = form(RESTING | {"timestamp": raw.now_ms})
    with pytest.raises(TimeoutError):
        async with raw.session.post(
            f"{raw.server.url}/fapi/v1/order?{text}&signature={signature(text)}",
            headers={"X-MBX-APIKEY": raw.key},
            timeout=short,
        ):
            pass
    assert len(await open_orders(raw)) == 1


async def test_faults_happen_so_often_and_only_where_they_match(raw: Raw) -> None:
    match = {"method": "POST", "path": "/fapi/v1/*", "params": {"SYMBOL": "BTCUSDT", "side": "BUY"}}
    await raw.fault({"status": 500}, match=match, times=2)
    assert (await raw.order(side="SELL", positionSide="SHORT")).status == 200
    assert (await raw.signed("GET", "/fapi/v1/openOrders", symbol="BTCUSDT")).status == 200
    assert [(await raw.order()).status for _ in range(3)] == [500, 500, 200]


async def test_faults_without_end_last_until_they_are_deleted(raw: Raw) -> None:
    await raw.fault({"status": 503, "code": -1000, "msg": "Unknown error"}, times=None)
    assert [(await raw.order()).status for _ in range(5)] == [503] * 5
    listed = (await raw.control("GET", "faults")).body["faults"]
    assert [(fault["id"], fault["left"]) for fault in listed] == [(1, None)]
    await raw.control("DELETE", "faults")
    assert (await raw.order()).status == 200


async def test_several_faults_meet_one_request(raw: Raw) -> None:
    await raw.fault({"delay_ms": 100})
    await raw.fault({"status": 503, "code": -1001, "msg": "Internal error"}, when="after")
    start = time.monotonic()
    answer = await raw.order(**RESTING)
    assert (answer.status, len(await open_orders(raw))) == (503, 1)
    assert time.monotonic() - start >= 0.1
    assert (await raw.requests())[0]["faults"] == ["delay_ms", "status"]


async def test_a_ban_of_the_one_who_asks(raw: Raw) -> None:
    await raw.fault({"ban": 60})
    assert (await raw.order()).status == 418
    assert (await raw.public("/fapi/v1/ping")).status == 418


async def test_the_control_side_suffers_no_faults(raw: Raw) -> None:
    await raw.fault("drop_connection", match={}, times=None)
    assert (await raw.control("GET", "state")).status == 200
