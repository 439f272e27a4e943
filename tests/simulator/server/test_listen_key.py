"""The life of a listen key, and of the sockets that it opens."""

import asyncio

from tests.simulator.server.raw import Raw
from tests.support.deadline import PATIENCE_S
from tradeengine.simulator.server import SimulatorServer

MINUTE_MS = 60_000


async def advance(raw: Raw, ms: int) -> None:
    assert (await raw.control("POST", "clock", {"advance_ms": ms})).status == 200


async def ask(raw: Raw, method: str, body: str | None = None) -> tuple[int, object]:
    answer = await raw.send(method, "/fapi/v1/listenKey", body=body)
    return answer.status, answer.body


async def test_a_second_post_gives_the_same_key_and_extends_it(raw: Raw) -> None:
    key = await raw.open_key()
    await advance(raw, 59 * MINUTE_MS)
    assert await raw.open_key() == key
    await advance(raw, 59 * MINUTE_MS)
    assert await ask(raw, "PUT") == (200, {"listenKey": key})


async def test_put_extends_it_with_and_without_a_body(raw: Raw) -> None:
    key = await raw.open_key()
    for body in (None, f"listenKey={key}", "listenKey=whatever"):
        await advance(raw, 59 * MINUTE_MS)
        assert await ask(raw, "PUT", body) == (200, {"listenKey": key})


async def test_it_expires_with_an_event_and_silence(raw: Raw) -> None:
    key = await raw.open_key()
    stream = await raw.stream(f"/private/ws?listenKey={key}")
    await advance(raw, 60 * MINUTE_MS - 1)
    assert await ask(raw, "PUT") == (200, {"listenKey": key})
    expires_ms = raw.now_ms + 60 * MINUTE_MS
    await advance(raw, 90 * MINUTE_MS)
    assert await stream.next() == {"e": "listenKeyExpired", "E": expires_ms, "listenKey": key}
    status, body = await ask(raw, "PUT")
    assert (status, body["code"]) == (400, -1125)  # type: ignore[index]
    assert (await raw.order()).status == 200
    fresh = await raw.user_stream()
    assert (await raw.order()).status == 200
    await fresh.until("ORDER_TRADE_UPDATE", x="TRADE")
    # what is next on the old one is the answer to a command, not an event
    assert await stream.say({"method": "LIST_SUBSCRIPTIONS", "id": 1}) == {"result": [key], "id": 1}


async def test_delete_closes_the_stream(raw: Raw) -> None:
    stream = await raw.user_stream()
    key = await raw.open_key()
    assert await ask(raw, "DELETE", f"listenKey={key}") == (200, {})
    assert await stream.ended() == 1000
    assert (await ask(raw, "DELETE"))[0] == 400
    assert await raw.open_key() != key


async def test_it_asks_for_a_key_and_no_signature(raw: Raw) -> None:
    answer = await raw.send("POST", "/fapi/v1/listenKey", headers={})
    assert (answer.status, answer.code) == (401, -2014)


async def test_a_connection_ends_after_its_life(raw: Raw) -> None:
    await raw.reset(options={"connection_life_ms": 10_000})
    stream = await raw.user_stream()
    api = await raw.stream("/ws-fapi/v1")
    await advance(raw, 9_999)
    assert (await raw.order()).status == 200
    await stream.until("ORDER_TRADE_UPDATE", x="TRADE")
    await advance(raw, 1)
    assert await stream.ended() == 1001
    assert await api.ended() == 1001


async def test_a_day_is_the_life_unless_something_else_is_said(raw: Raw) -> None:
    stream = await raw.stream("/market/ws/btcusdt@aggTrade")
    await advance(raw, 24 * 60 * MINUTE_MS - 1)
    assert (await stream.say({"method": "LIST_SUBSCRIPTIONS", "id": 1}))["id"] == 1
    await advance(raw, 1)
    assert await stream.ended() == 1001


async def test_pings_come_every_three_minutes(raw: Raw) -> None:
    ws = await raw.session.ws_connect(raw.server.ws_url + "/ws/btcusdt@aggTrade", autoping=False)
    for _ in range(2):
        await advance(raw, 3 * MINUTE_MS)
        assert (await ws.receive(timeout=PATIENCE_S)).type.name == "PING"


async def test_who_answers_no_ping_is_closed_and_who_does_is_not(real_server: SimulatorServer) -> None:
    async with Raw(real_server) as raw:
        await raw.reset(options={"ping_interval_ms": 20, "pong_timeout_ms": 3_000})
        good = await raw.stream("/ws/btcusdt@aggTrade")
        bad = await raw.session.ws_connect(raw.server.ws_url + "/ws/btcusdt@aggTrade", autoping=False)
        reading = asyncio.create_task(good.next())
        async with asyncio.timeout(PATIENCE_S):
            while (await bad.receive()).type.name == "PING":
                pass
        assert bad.close_code == 1008
        await raw.order()
        assert (await reading)["e"] == "aggTrade"
