"""Every effect of a fault on the events of the user stream."""

from collections import Counter
from typing import Any

import aiohttp
import pytest

from tests.simulator.server.raw import Raw, Stream
from tests.support.deadline import PATIENCE_S

EVENT = {"event": "ORDER_TRADE_UPDATE", "x": "TRADE"}


async def marked(raw: Raw, stream: Stream, leverage: int = 21) -> list[Any]:
    """Events up to now; a change of leverage, which has an event of its own, marks where now is."""
    assert (await raw.signed("POST", "/fapi/v1/leverage", symbol="ETHUSDT", leverage=leverage)).status == 200
    return (await stream.until("ACCOUNT_CONFIG_UPDATE"))[:-1]


def kinds(events: list[Any]) -> Counter[str]:
    return Counter(f"{event['e']} {event.get('o', {}).get('x', '')}".strip() for event in events)


async def events_with(raw: Raw, effect: Any, match: Any, **more: Any) -> list[Any]:
    stream = await raw.user_stream()
    await raw.fault(effect, match=match, **more)
    assert (await raw.order()).status == 200
    return await marked(raw, stream)


async def plain_events(raw: Raw) -> list[Any]:
    stream = await raw.user_stream()
    assert (await raw.order()).status == 200
    return await marked(raw, stream)


async def test_without_faults_each_comes_once(raw: Raw) -> None:
    assert kinds(await plain_events(raw)) == {
        "ORDER_TRADE_UPDATE NEW": 1,
        "ORDER_TRADE_UPDATE TRADE": 1,
        "ACCOUNT_UPDATE": 1,
        "TRADE_LITE": 1,
    }


async def test_swallow_event(raw: Raw) -> None:
    found = kinds(await events_with(raw, "swallow_event", EVENT))
    assert "ORDER_TRADE_UPDATE TRADE" not in found
    assert found["ACCOUNT_UPDATE"] == 1


async def test_duplicate_event(raw: Raw) -> None:
    found = await events_with(raw, "duplicate_event", EVENT)
    trades = [event for event in found if event.get("o", {}).get("x") == "TRADE"]
    assert len(trades) == 2
    assert trades[0] == trades[1]


async def test_reorder_events(raw: Raw) -> None:
    usual = await plain_events(raw)
    await raw.reset()
    turned = await events_with(raw, "reorder_events", {"method": "POST", "path": "/fapi/v1/order"})
    assert [event["e"] for event in turned] == [event["e"] for event in reversed(usual)]
    assert len(usual) == 4


async def test_delay_event(raw: Raw) -> None:
    stream = await raw.user_stream()
    await raw.fault({"delay_event_ms": 5_000}, match=EVENT)
    assert (await raw.order()).status == 200
    assert "ORDER_TRADE_UPDATE TRADE" not in kinds(await marked(raw, stream))
    await raw.control("POST", "clock", {"advance_ms": 4_999})
    assert kinds(await marked(raw, stream, 22)) == {}
    await raw.control("POST", "clock", {"advance_ms": 1})
    assert kinds(await marked(raw, stream, 23)) == {"ORDER_TRADE_UPDATE TRADE": 1}


async def test_the_stream_is_cut_before_or_after_an_event(raw: Raw) -> None:
    for when, got in (("before", 0), ("after", 1)):
        await raw.reset()
        stream = await raw.user_stream()
        await raw.fault("drop_connection", match={"event": "ACCOUNT_UPDATE"}, when=when)
        assert (await raw.order()).status == 200
        read = []
        while (message := await stream.ws.receive(timeout=PATIENCE_S)).type.name == "TEXT":
            read.append(message.json())
        assert kinds(read)["ACCOUNT_UPDATE"] == got
        assert stream.ws.close_code == 1006


async def test_expire_listen_key_at_once_and_with_a_request(raw: Raw) -> None:
    for match in ({}, {"method": "PUT", "path": "/fapi/v1/listenKey"}):
        stream = await raw.user_stream()
        key = await raw.open_key()
        await raw.fault("expire_listen_key", match=match)
        if match:
            assert (await raw.send("PUT", "/fapi/v1/listenKey")).code == -1125
        assert (await stream.next())["listenKey"] == key
        assert await raw.open_key() != key


async def test_drop_streams_cuts_all_sockets(raw: Raw) -> None:
    streams = [await raw.user_stream(), await raw.stream("/market/ws/btcusdt@markPrice")]
    await raw.fault("drop_streams", match={})
    assert [await stream.ended() for stream in streams] == [1006, 1006]


async def test_a_handshake_can_fail(raw: Raw) -> None:
    # twice: aiohttp repeats a GET whose connection dies
    await raw.fault("drop_connection", match={"path": "/private/ws"}, times=2)
    with pytest.raises(aiohttp.ClientError):
        await raw.user_stream()
    await raw.fault({"status": 503}, match={"path": "/private/ws"})
    with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
        await raw.user_stream()
    assert raised.value.status == 503
    await (await raw.user_stream()).close()
