"""Stream addresses of both forms, subscriptions, and readers that do not read."""

import asyncio
import select
import socket
from typing import Any

import aiohttp
import pytest

from tests.simulator.server.raw import DEADLINE_S, ORDER, Raw, Stream, form, signature
from tests.support.deadline import PATIENCE_S
from tradeengine.simulator.server import SimulatorServer
from tradeengine.simulator.streams import StreamAddress, parse_address


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/ws", StreamAddress("", False, ())),
        ("/ws/", StreamAddress("", False, ())),
        ("/ws/btcusdt@aggTrade", StreamAddress("", False, ("btcusdt@aggTrade",))),
        ("/ws/btcusdt@aggTrade/ethusdt@aggTrade", StreamAddress("", False, ("btcusdt@aggTrade", "ethusdt@aggTrade"))),
        ("/stream?streams=a@x/b@y", StreamAddress("", True, ("a@x", "b@y"))),
        ("/market/stream?streams=btcusdt@markPrice%401s", StreamAddress("market", True, ("btcusdt@markPrice@1s",))),
        (
            "/market/ws/btcusdt_perpetual@continuousKline_1m",
            StreamAddress("market", False, ("btcusdt_perpetual@continuousKline_1m",)),
        ),
        ("/public/stream?streams=btcusdt@bookTicker", StreamAddress("public", True, ("btcusdt@bookTicker",))),
        ("/private/ws?listenKey=abc", StreamAddress("private", False, ("abc",))),
        ("/ws/abc", StreamAddress("", False, ("abc",))),
        ("/fapi/v1/ping", None),
        ("/private", None),
    ],
)
def test_addresses(address: str, expected: StreamAddress | None) -> None:
    path, _, query = address.partition("?")
    assert parse_address(path, query) == expected


async def mark(raw: Raw, price: str, **more: str) -> None:
    answer = await raw.control("POST", "mark", {"symbol": "BTCUSDT", "price": price, **more})
    assert answer.status == 200, answer.text


@pytest.mark.parametrize("prefix", ["", "/market"])
@pytest.mark.parametrize("name", ["btcusdt@markPrice", "btcusdt@markPrice@1s"])
async def test_raw_and_combined_form(raw: Raw, prefix: str, name: str) -> None:
    plain = await raw.stream(f"{prefix}/ws/{name}")
    wrapped = await raw.stream(f"{prefix}/stream?streams={name}")
    await mark(raw, "51000")
    for price in ("50000.00000000", "51000.00000000"):
        event = await plain.next()
        assert (event["e"], event["s"], event["p"]) == ("markPriceUpdate", "BTCUSDT", price)
        assert await wrapped.next() == {"stream": name, "data": event}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/public/ws/btcusdt@bookTicker", "bookTicker"),
        ("/public/ws/btcusdt@depth10", "depthUpdate"),
        ("/public/ws/btcusdt@depth5@100ms", "depthUpdate"),
        ("/market/ws/btcusdt@kline_1m", "kline"),
        ("/market/ws/btcusdt_perpetual@continuousKline_1m", "continuous_kline"),
        ("/ws/btcusdt@bookTicker", "bookTicker"),
    ],
)
async def test_what_a_price_says(raw: Raw, path: str, kind: str) -> None:
    stream = await raw.stream(path)
    await mark(raw, "51000")
    event = await stream.next()
    assert event["e"] == kind
    if kind == "depthUpdate":
        assert len(event["b"]) == (10 if "depth10" in path else 5)


@pytest.mark.parametrize("name", ["btcusdt@markPrice@1s", "!markPrice@arr@1s"])
async def test_the_present_mark_comes_at_once_if_it_is_to(raw: Raw, name: str) -> None:
    subscribe = {"method": "SUBSCRIBE", "params": [name], "id": 1}
    stream = await raw.stream("/market/ws")
    assert await stream.say(subscribe) == {"result": None, "id": 1}
    told = await stream.next()
    rows = {row["s"]: (row["p"], row["E"]) for row in (told if isinstance(told, list) else [told])}
    assert rows["BTCUSDT"] == ("50000.00000000", raw.now_ms)
    assert ("ETHUSDT" in rows) is name.startswith("!")

    await raw.reset(options={"first_mark_at_once": False})
    patient = await raw.stream("/market/ws")
    assert await patient.say(subscribe) == {"result": None, "id": 1}
    listed = await patient.say({"method": "LIST_SUBSCRIPTIONS", "id": 2})
    assert listed == {"result": [name], "id": 2}, "nothing came before"


async def test_trades_are_public(raw: Raw) -> None:
    stream = await raw.stream("/market/stream?streams=btcusdt@aggTrade")
    assert (await raw.order()).status == 200
    message = await stream.next()
    assert (message["stream"], message["data"]["e"], message["data"]["q"]) == ("btcusdt@aggTrade", "aggTrade", "0.010")


async def test_all_mark_prices_come_by_the_second(raw: Raw) -> None:
    stream = await raw.stream("/market/stream?streams=!markPrice@arr@1s")
    slow = await raw.stream("/market/ws/btcusdt@markPrice")
    assert (await slow.next())["E"] == (await stream.next())["data"][0]["E"] == raw.now_ms
    for _ in range(3):
        await raw.control("POST", "clock", {"advance_ms": 1_000})
        message = await stream.next()
        assert message["stream"] == "!markPrice@arr@1s"
        assert {row["s"]: row["E"] for row in message["data"]} == {"BTCUSDT": raw.now_ms, "ETHUSDT": raw.now_ms}
    await mark(raw, "50001")
    assert (await slow.next())["E"] % 3000 < 1000
    assert (await slow.next())["p"] == "50001.00000000"


@pytest.mark.parametrize(
    ("wrong", "right", "name"),
    [("market", "public", "btcusdt@bookTicker"), ("public", "market", "btcusdt@markPrice")],
)
async def test_a_stream_is_silent_on_the_wrong_address(raw: Raw, wrong: str, right: str, name: str) -> None:
    silent, loud = await raw.stream(f"/{wrong}/ws/{name}"), await raw.stream(f"/{right}/ws/{name}")
    await mark(raw, "51000")
    await loud.next()
    assert (await silent.say({"method": "LIST_SUBSCRIPTIONS", "id": 9})) == {"result": [name], "id": 9}


@pytest.mark.parametrize("path", ["/private/ws?listenKey={}", "/ws/{}", "/private/stream?listenKey={}"])
async def test_the_user_stream_on_every_address(raw: Raw, path: str) -> None:
    stream = await raw.stream(path.format(await raw.open_key()))
    assert (await raw.order()).status == 200
    event = await stream.next()
    if "stream" in path:
        assert event["stream"] == await raw.open_key()
        event = event["data"]
    assert event["e"] == "ORDER_TRADE_UPDATE"


async def test_subscribing_and_unsubscribing(raw: Raw) -> None:
    stream = await raw.stream("/market/ws")
    assert await stream.say({"method": "SUBSCRIBE", "params": ["btcusdt@markPrice"], "id": 1}) == {
        "result": None,
        "id": 1,
    }
    await mark(raw, "51000")
    assert [(await stream.next())["p"] for _ in range(2)] == ["50000.00000000", "51000.00000000"]
    listed = await stream.say({"method": "LIST_SUBSCRIPTIONS", "id": "two"})
    assert listed == {"result": ["btcusdt@markPrice"], "id": "two"}
    assert (await stream.say({"method": "UNSUBSCRIBE", "params": ["btcusdt@markPrice"], "id": 3}))["id"] == 3
    await mark(raw, "52000")
    assert await stream.say({"method": "LIST_SUBSCRIPTIONS", "id": 4}) == {"result": [], "id": 4}


@pytest.mark.parametrize(
    "document",
    [{"method": "JUMP", "id": 1}, {"method": "SUBSCRIBE", "params": "a", "id": 1}, [], {"method": "SUBSCRIBE"}],
)
async def test_what_is_no_command_is_answered(raw: Raw, document: Any) -> None:
    stream = await raw.stream("/ws")
    answer = await stream.say(document)
    if document == {"method": "SUBSCRIBE"}:
        assert answer == {"result": None, "id": None}
    else:
        assert answer["error"]["msg"].startswith("Invalid request")


@pytest.mark.parametrize("letters", [1, 60, 20_000, 100_000])
async def test_messages_of_every_length_arrive_whole(raw: Raw, letters: int) -> None:
    stream = await raw.stream("/ws")
    name = "x" * letters
    assert (await stream.say({"method": "SUBSCRIBE", "params": [name], "id": 1}))["result"] is None
    assert await stream.say({"method": "LIST_SUBSCRIPTIONS", "id": 2}) == {"result": [name], "id": 2}


async def test_too_many_streams_are_refused(raw: Raw) -> None:
    stream = await raw.stream("/ws")
    answer = await stream.say({"method": "SUBSCRIBE", "params": [f"s{n}@x" for n in range(1025)], "id": 1})
    assert "1024" in answer["error"]["msg"]


async def test_who_says_too_much_is_cut_off(raw: Raw) -> None:
    stream = await raw.stream("/ws")
    for number in range(40):
        await stream.ws.send_str(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')
    assert await stream.ended() == 1008


async def test_who_does_not_read_is_cut_off_and_holds_nobody(raw: Raw) -> None:
    await raw.reset(options={"stream_buffer": 50, "rate_limits": "off", "events_before_answer": True})
    key = await raw.open_key()
    # A reader whose socket takes nothing more after a few kilobytes.
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", raw.server.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
    writer.write(
        f"GET /private/ws?listenKey={key} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    good = Stream((await raw.stream(f"/private/ws?listenKey={key}")).ws)
    async with asyncio.timeout(60):
        placed = 0
        while len(list(raw.server.world.hub)) > 1:
            assert (await raw.order()).status == 200
            await good.until("ORDER_TRADE_UPDATE", x="TRADE")
            placed += 1
    assert placed > 50
    writer.close()


async def test_the_end_of_the_server_ends_streams(raw: Raw) -> None:
    stream = await raw.user_stream()
    await raw.server.stop()
    message = await stream.ws.receive(timeout=DEADLINE_S)
    assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR)


async def test_mark_prices_come_by_the_clock_of_the_machine(real_server: SimulatorServer) -> None:
    async with Raw(real_server) as raw:
        stream = await raw.stream("/market/ws/btcusdt@markPrice@1s")
        first, second = await stream.next(), await stream.next()
    assert second["E"] // 1000 > first["E"] // 1000


def exchange_messages(host: str, port: int, head: str, order: str) -> bool:
    """Whether an event has arrived by the time that the answer has; by plain sockets, without a loop of their own."""
    with (
        socket.create_connection((host, port), PATIENCE_S) as ws,
        socket.create_connection((host, port), PATIENCE_S) as http,
    ):
        ws.sendall(head.encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += ws.recv(4096)
        http.sendall(order.encode())
        assert http.recv(65536).startswith(b"HTTP/1.1 200")
        return bool(select.select([ws], [], [], 0)[0])


async def test_events_before_the_answer(raw: Raw) -> None:
    await raw.reset(options={"events_before_answer": True})
    head = (
        f"GET /private/ws?listenKey={await raw.open_key()} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    for _ in range(20):
        text = form(ORDER | {"timestamp": raw.now_ms})
        text += f"&signature={signature(text)}"
        order = (
            f"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: {raw.key}\r\nContent-Length: {len(text)}\r\n\r\n"
        )
        assert await asyncio.to_thread(exchange_messages, "127.0.0.1", raw.server.port, head, order + text)


async def test_events_of_many_requests_keep_their_order(raw: Raw) -> None:
    stream = await raw.user_stream()
    document = {"symbol": "BTCUSDT", "price": "50000"}
    await asyncio.gather(*(raw.order() if n % 3 else raw.control("POST", "mark", document) for n in range(60)))
    trades: list[int] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(trades) < 40:
            event = await stream.next()
            if event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["x"] == "TRADE":
                trades.append(event["o"]["t"])
    assert trades == sorted(trades)
