"""python-binance as it is, connected by base addresses alone."""

import asyncio
import time
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.simulator.server.raw import KEY, SECRET, Raw
from tests.support.deadline import PATIENCE_S
from tradeengine.simulator.server import SimulatorServer

with warnings.catch_warnings():
    # the library imports names that the websockets package has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance import AsyncClient, BinanceSocketManager
    from binance.exceptions import BinanceAPIException
    from binance.ws.websocket_api import WebsocketAPI


def quick(socket: Any) -> Any:
    """Closing waits for a read to time out, which takes ten seconds unless told otherwise."""
    socket.TIMEOUT = 1
    return socket


@pytest.fixture
async def client(real_server: SimulatorServer) -> AsyncIterator[Any]:
    """A client against a simulator in real time."""
    client = AsyncClient(KEY, SECRET)
    client.API_URL = real_server.url + "/api"
    client.FUTURES_URL = real_server.url + "/fapi"
    client.FUTURES_DATA_URL = real_server.url + "/futures/data"
    client.ws_future = quick(WebsocketAPI(url=real_server.ws_url + "/ws-fapi/v1", tld="com"))
    client.timestamp_offset = (await client.futures_time())["serverTime"] - int(time.time() * 1000)
    yield client
    await client.ws_future.close()
    await client.close_connection()


def manager(client: Any, server: SimulatorServer) -> Any:
    sockets = BinanceSocketManager(client, user_timeout=300, max_queue_size=10_000)
    sockets.FSTREAM_URL = server.ws_url + "/"
    return sockets


async def until(socket: Any, name: str, **fields: Any) -> list[Any]:
    read: list[Any] = []
    async with asyncio.timeout(PATIENCE_S):
        while True:
            read.append(await socket.recv())
            body = read[-1] | read[-1].get("o", {})
            if read[-1].get("e") == name and all(body.get(field) == value for field, value in fields.items()):
                return read


async def test_create_makes_its_spot_calls(real_server: SimulatorServer) -> None:
    class Here(AsyncClient):  # type: ignore[misc]
        API_URL = real_server.url + "/api"
        FUTURES_URL = real_server.url + "/fapi"

    client = await Here.create(KEY, SECRET)
    try:
        assert abs(client.timestamp_offset) < 1_000 * PATIENCE_S
        assert await client.futures_ping() == {}
        assert (await client.futures_account_config())["dualSidePosition"] is True
    finally:
        await client.close_connection()


async def test_a_trade_from_order_to_stop_and_back(client: Any, real_server: SimulatorServer) -> None:
    socket = quick(manager(client, real_server).futures_user_socket())
    async with socket, Raw(real_server) as raw:
        order = await client.futures_create_order(
            symbol="BTCUSDT", side="BUY", positionSide="LONG", type="MARKET", quantity="0.010", newClientOrderId="e:1/a"
        )
        assert (order["status"], order["clientOrderId"]) == ("NEW", "e:1/a")
        await until(socket, "ORDER_TRADE_UPDATE", X="FILLED", c="e:1/a")
        stop = await client.futures_create_order(
            symbol="BTCUSDT",
            side="SELL",
            positionSide="LONG",
            type="STOP_MARKET",
            quantity="0.010",
            triggerPrice="49000",
            clientAlgoId="s1",
        )
        assert stop["algoStatus"] == "NEW"
        await raw.control("POST", "mark", {"symbol": "BTCUSDT", "price": "48900"})
        await until(socket, "ALGO_UPDATE", X="FINISHED", caid="s1")
    trades = await client.futures_account_trades(symbol="BTCUSDT")
    assert [trade["side"] for trade in trades] == ["BUY", "SELL"]
    assert not [row for row in await client.futures_position_information() if float(row["positionAmt"])]


async def test_lists_are_signed_over_the_encoded_text(client: Any) -> None:
    one = {"symbol": "BTCUSDT", "side": "BUY", "positionSide": "LONG", "type": "LIMIT", "timeInForce": "GTC"}
    one |= {"quantity": "0.010", "price": "49000"}
    placed = await client.futures_place_batch_order(batchOrders=[one, one | {"price": "48999"}])
    ids = [order["orderId"] for order in placed]
    gone = await client.futures_cancel_orders(symbol="BTCUSDT", orderidlist=ids)
    assert [order["status"] for order in gone] == ["CANCELED", "CANCELED"]


async def test_put_and_delete_carry_bodies(client: Any) -> None:
    order = await client.futures_create_order(
        symbol="BTCUSDT",
        side="BUY",
        positionSide="LONG",
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.010",
        price="49000",
    )
    values = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
    changed = await client.futures_modify_order(**values, side="BUY", quantity="0.010", price="48000")
    assert float(changed["price"]) == 48000
    assert (await client.futures_cancel_order(**values))["status"] == "CANCELED"
    with pytest.raises(BinanceAPIException) as raised:
        await client.futures_cancel_order(**values)
    assert (raised.value.status_code, raised.value.code) == (400, -2011)


async def test_market_sockets(client: Any, real_server: SimulatorServer) -> None:
    sockets = manager(client, real_server)
    async with (
        Raw(real_server) as raw,
        quick(sockets.symbol_mark_price_socket("BTCUSDT")) as marks,
        quick(sockets.symbol_ticker_futures_socket("BTCUSDT")) as tickers,
        quick(sockets.kline_futures_socket("BTCUSDT")) as klines,
        quick(sockets.aggtrade_futures_socket("BTCUSDT")) as trades,
        quick(sockets.all_mark_price_socket()) as everything,
    ):
        await raw.control("POST", "mark", {"symbol": "BTCUSDT", "price": "50001"})
        await raw.order()
        async with asyncio.timeout(PATIENCE_S):
            assert (await marks.recv())["stream"] == "btcusdt@markPrice@1s"
            assert (await tickers.recv())["data"]["e"] == "bookTicker"
            assert (await klines.recv())["e"] == "continuous_kline"
            assert (await trades.recv())["data"]["e"] == "aggTrade"
            assert (await everything.recv())["data"][0]["e"] == "markPriceUpdate"


async def test_the_websocket_api(client: Any) -> None:
    order = await client.ws_futures_create_order(
        symbol="BTCUSDT", side="BUY", positionSide="LONG", type="MARKET", quantity="0.010"
    )
    assert order["status"] == "NEW"
    found = await client.ws_futures_get_order(symbol="BTCUSDT", orderId=order["orderId"])
    assert found["status"] == "FILLED"
    stop = await client.ws_futures_create_order(
        symbol="BTCUSDT",
        side="SELL",
        positionSide="LONG",
        type="STOP_MARKET",
        quantity="0.010",
        triggerPrice="49000",
        clientAlgoId="s1",
    )
    assert (await client.ws_futures_cancel_order(algoId=stop["algoId"]))["code"] == "200"
    with pytest.raises(BinanceAPIException) as raised:
        await client.ws_futures_cancel_order(symbol="BTCUSDT", orderId=1)
    assert raised.value.status_code == 400


async def test_the_listen_key_life(client: Any) -> None:
    key = await client.futures_stream_get_listen_key()
    assert await client.futures_stream_get_listen_key() == key
    await client.futures_stream_keepalive(key)
    await client.futures_stream_close(key)
    with pytest.raises(BinanceAPIException) as raised:
        await client.futures_stream_keepalive(key)
    assert raised.value.code == -1125


@pytest.mark.parametrize(
    ("effect", "status", "code"),
    [
        ("html_503", 503, 0),
        ({"status": 503, "code": -1000, "msg": "Unknown error"}, 503, -1000),
        ({"ban": 60}, 418, -1003),
    ],
)
async def test_faults_look_as_they_do_at_the_exchange(
    client: Any, real_server: SimulatorServer, effect: Any, status: int, code: int
) -> None:
    async with Raw(real_server) as raw:
        await raw.fault(effect)
    with pytest.raises(BinanceAPIException) as raised:
        await client.futures_create_order(
            symbol="BTCUSDT", side="BUY", positionSide="LONG", type="MARKET", quantity="0.010"
        )
    assert (raised.value.status_code, raised.value.code) == (status, code)
