"""The real client: every method of python-binance's AsyncClient that a trading engine uses, once and unmodified."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.simulator.conformance.client import BinanceAPIException, Client
from tests.simulator.conformance.documents import (
    ALGO,
    ALGO_CANCELED,
    ALGO_QUERY,
    ALGO_QUERY_OPTIONAL,
    ORDER,
    ORDER_ACK,
    ORDER_MODIFIED,
    ORDER_OPTIONAL,
    POSITION_V2,
    POSITION_V2_OPTIONAL,
    POSITION_V3,
    TRADE,
    TRADE_OPTIONAL,
    is_integer,
    number,
    one_of,
    shape,
)
from tests.simulator.conformance.sim import BTC, ETH, Sim
from tests.simulator.conformance.wire import ok
from tests.support.deadline import PATIENCE_S

Ids = Mapping[str, int]
Arguments = Callable[[Ids], dict[str, Any]]
Check = Callable[[Any], None]
LIMIT = {"symbol": BTC, "side": "BUY", "positionSide": "LONG", "type": "LIMIT", "timeInForce": "GTC"}
LIMIT |= {"quantity": "0.010", "price": "48000"}
STOP = {"symbol": BTC, "side": "SELL", "positionSide": "LONG", "type": "STOP_MARKET", "quantity": "0.010"}
DONE = {"code": 200, "msg": "The operation of cancel all open order is done."}
SUCCESS = {"code": 200, "msg": "success"}


def just(**arguments: Any) -> Arguments:
    return lambda ids: arguments


def equals(expected: Any) -> Check:
    def check(answer: Any) -> None:
        assert answer == expected

    return check


def is_like(required: Any, optional: Any = None) -> Check:
    return lambda answer: shape(answer, required, optional)


def rows_like(required: Any, optional: Any = None) -> Check:
    def check(answer: Any) -> None:
        assert answer, "there is something to list"
        for row in answer:
            shape(row, required, optional)

    return check


def has(*keys: str) -> Check:
    def check(answer: Any) -> None:
        assert set(keys) <= answer.keys()

    return check


def rows_have(*keys: str) -> Check:
    def check(answer: Any) -> None:
        assert answer, "there is something to list"
        assert all(set(keys) <= row.keys() for row in answer)

    return check


def inline(answer: Any) -> None:
    assert [row.get("code") for row in answer] == [None, -2011]


def is_list(answer: Any) -> None:
    assert isinstance(answer, list)


CALLS: list[tuple[str, Arguments, Check]] = [
    ("futures_ping", just(), equals({})),
    ("futures_time", just(), has("serverTime")),
    ("futures_exchange_info", just(), has("symbols", "rateLimits", "assets")),
    ("futures_create_order", just(**LIMIT, newClientOrderId="new"), is_like(ORDER_ACK)),
    ("futures_create_order", just(**STOP, stopPrice="48000", clientAlgoId="routed"), is_like(ALGO)),
    ("futures_create_test_order", just(**LIMIT), has("orderId")),
    (
        "futures_modify_order",
        lambda ids: {"symbol": BTC, "side": "BUY", "orderId": ids["order"], "quantity": "0.020", "price": "48500"},
        is_like(ORDER_MODIFIED, {"modifyId": is_integer}),
    ),
    (
        "futures_cancel_order",
        lambda ids: {"symbol": BTC, "orderId": ids["order"]},
        is_like(ORDER_ACK, {"pair": one_of(BTC)}),
    ),
    ("futures_cancel_order", just(symbol=BTC, origClientOrderId="rests"), is_like(ORDER_ACK, {"pair": one_of(BTC)})),
    ("futures_cancel_order", just(clientAlgoId="stops"), is_like(ALGO_CANCELED)),
    ("futures_get_order", lambda ids: {"symbol": BTC, "orderId": ids["order"]}, is_like(ORDER, ORDER_OPTIONAL)),
    ("futures_get_order", just(clientAlgoId="stops"), is_like(ALGO_QUERY, ALGO_QUERY_OPTIONAL)),
    ("futures_v1_get_open_order", lambda ids: {"symbol": BTC, "orderId": ids["order"]}, is_like(ORDER, ORDER_OPTIONAL)),
    ("futures_get_open_orders", just(symbol=BTC), rows_like(ORDER, ORDER_OPTIONAL)),
    ("futures_get_open_orders", just(), rows_like(ORDER, ORDER_OPTIONAL)),
    ("futures_get_open_orders", just(conditional=True), rows_like(ALGO_QUERY, ALGO_QUERY_OPTIONAL)),
    ("futures_get_all_orders", just(symbol=BTC), rows_like(ORDER, ORDER_OPTIONAL)),
    ("futures_get_all_orders", just(symbol=BTC, conditional=True), rows_like(ALGO_QUERY, ALGO_QUERY_OPTIONAL)),
    ("futures_place_batch_order", lambda ids: {"batchOrders": [dict(LIMIT), dict(LIMIT)]}, rows_like(ORDER_ACK)),
    (
        "futures_v1_put_batch_orders",
        lambda ids: {
            "batchOrders": json.dumps(
                [{"symbol": BTC, "side": "BUY", "orderId": ids["order"], "quantity": "0.020", "price": "48500"}]
            )
        },
        rows_like(ORDER_MODIFIED, {"modifyId": is_integer}),
    ),
    ("futures_cancel_orders", lambda ids: {"symbol": BTC, "orderidlist": [ids["order"], 987654321]}, inline),
    ("futures_cancel_orders", just(symbol=BTC, origclientorderidlist=["rests", "never"]), inline),
    ("futures_cancel_all_open_orders", just(symbol=BTC), equals(DONE)),
    ("futures_cancel_all_open_orders", just(symbol=BTC, conditional=True), equals(DONE)),
    (
        "futures_countdown_cancel_all",
        just(symbol=BTC, countdownTime=120_000),
        equals({"symbol": BTC, "countdownTime": "120000"}),
    ),
    ("futures_account_trades", just(symbol=BTC), rows_like(TRADE, TRADE_OPTIONAL)),
    ("futures_position_information", just(), rows_like(POSITION_V3)),
    ("futures_position_information", just(symbol=BTC, version=2), rows_like(POSITION_V2, POSITION_V2_OPTIONAL)),
    ("futures_account", just(), has("feeTier", "canTrade", "totalWalletBalance", "assets", "positions")),
    ("futures_account", just(version=3), has("totalWalletBalance", "assets", "positions")),
    ("futures_account_balance", just(), rows_have("accountAlias", "balance", "availableBalance")),
    ("futures_get_position_mode", just(), equals({"dualSidePosition": True})),
    ("futures_change_leverage", just(symbol=BTC, leverage=21), has("leverage", "maxNotionalValue", "symbol")),
    ("futures_change_margin_type", just(symbol=ETH, marginType="ISOLATED"), equals(SUCCESS)),
    ("futures_leverage_bracket", just(), rows_have("symbol", "brackets")),
    ("futures_commission_rate", just(symbol=BTC), has("makerCommissionRate", "takerCommissionRate")),
    ("futures_symbol_config", just(symbol=BTC), rows_have("symbol", "marginType", "leverage")),
    ("futures_account_config", just(), has("dualSidePosition", "canTrade")),
    ("futures_income_history", just(), rows_have("incomeType", "income", "tranId", "tradeId")),
    ("futures_adl_quantile_estimate", just(), rows_have("symbol", "adlQuantile")),
    ("futures_v1_get_rate_limit_order", just(), rows_have("rateLimitType", "interval", "limit")),
    ("futures_mark_price", just(symbol=BTC), has("markPrice", "lastFundingRate", "nextFundingTime")),
    ("futures_funding_rate", just(symbol=BTC), rows_have("fundingRate", "fundingTime")),
    ("futures_v1_get_funding_info", just(), is_list),
    ("futures_orderbook_ticker", just(symbol=BTC), has("bidPrice", "askPrice", "bidQty", "askQty")),
    ("futures_symbol_ticker", just(symbol=BTC), has("symbol", "price", "time")),
    ("futures_order_book", just(symbol=BTC, limit=5), has("bids", "asks", "lastUpdateId")),
    ("futures_klines", just(symbol=BTC, interval="1m"), is_list),
    ("futures_aggregate_trades", just(symbol=BTC), rows_have("a", "p", "q", "T", "m")),
    ("futures_create_algo_order", just(**STOP, triggerPrice="48000", clientAlgoId="direct"), is_like(ALGO)),
    ("futures_get_algo_order", lambda ids: {"algoId": ids["algo"]}, is_like(ALGO_QUERY, ALGO_QUERY_OPTIONAL)),
    ("futures_cancel_algo_order", lambda ids: {"algoId": ids["algo"]}, is_like(ALGO_CANCELED)),
    ("futures_get_open_algo_orders", just(symbol=BTC), rows_like(ALGO_QUERY, ALGO_QUERY_OPTIONAL)),
    ("futures_get_all_algo_orders", just(symbol=BTC), rows_like(ALGO_QUERY, ALGO_QUERY_OPTIONAL)),
    ("futures_cancel_all_algo_open_orders", just(symbol=BTC), equals(DONE)),
]


@pytest.fixture
def ids(sim: Sim) -> Ids:
    """A held leg, a settled funding, an order that rests and a stop."""
    ok(sim.order("BUY", "LONG", "0.010"))
    sim.funding(BTC, "0.0001")
    order = ok(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId="rests"))["orderId"]
    algo = ok(sim.algo("SELL", "LONG", "STOP_MARKET", "49000", quantity="0.010", clientAlgoId="stops"))["algoId"]
    return {"order": order, "algo": algo}


@pytest.mark.parametrize(
    ("method", "arguments", "check"), CALLS, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(CALLS)]
)
async def test_each_method(client: Client, ids: Ids, method: str, arguments: Arguments, check: Check) -> None:
    check(await getattr(client, method)(**arguments(ids)))


async def test_create_asks_the_spot_side_for_ping_and_time(sim: Sim) -> None:
    class Created(Client):
        def __init__(self, *_: object, **__: object) -> None:
            super().__init__(sim)

    client = await Created.create()
    try:
        assert await client.get_server_time() == {"serverTime": sim.now_ms} or not sim.virtual
    finally:
        await client.aclose()


async def test_position_mode_and_margin_of_a_flat_account(client: Client) -> None:
    assert await client.futures_change_position_mode(dualSidePosition="false") == SUCCESS
    assert await client.futures_change_position_mode(dualSidePosition="true") == SUCCESS
    await client.futures_change_margin_type(symbol=BTC, marginType="ISOLATED")
    await client.futures_create_order(symbol=BTC, side="BUY", positionSide="LONG", type="MARKET", quantity="0.010")
    answer = await client.futures_change_position_margin(symbol=BTC, positionSide="LONG", amount="5", type=1)
    assert (answer["code"], answer["type"]) == (200, 1)


async def test_listen_keys(client: Client) -> None:
    key = await client.futures_stream_get_listen_key()
    assert await client.futures_stream_get_listen_key() == key
    assert await client.futures_stream_keepalive(key) == {"listenKey": key}
    assert await client.futures_stream_close(key) == {}


async def test_refusals_become_the_library_s_exceptions(client: Client) -> None:
    with pytest.raises(BinanceAPIException) as caught:
        await client.futures_create_order(symbol=BTC, side="BUY", type="MARKET", quantity="0.010")
    assert (caught.value.status_code, caught.value.code) == (400, -4061)
    with pytest.raises(BinanceAPIException) as caught:
        await client.futures_cancel_order(symbol=BTC, orderId=5, conditional=True)
    assert caught.value.code == -1102, "the library sends orderId to the endpoint of conditional orders"


async def test_ids_that_the_library_encodes_are_signed_before(client: Client) -> None:
    order = await client.futures_create_order(**LIMIT, newClientOrderId="a:b/c")
    assert order["clientOrderId"] == "a:b/c"


async def test_a_batch_keeps_its_failures_inline(client: Client) -> None:
    rows = await client.futures_place_batch_order(batchOrders=[{**STOP, "stopPrice": "48000"}, dict(LIMIT)])
    assert [row.get("code") for row in rows] == [-4120, None]


async def test_a_list_that_is_no_json_is_refused(client: Client, ids: Ids) -> None:
    change = {"symbol": BTC, "side": "BUY", "orderId": ids["order"], "quantity": "0.020", "price": "48500"}
    with pytest.raises(BinanceAPIException):
        await client.futures_v1_put_batch_orders(batchOrders=[change])


async def test_the_user_socket(client: Client) -> None:
    sockets = client.sockets(user_timeout=300, max_queue_size=1000)
    async with client.opened(sockets.futures_user_socket()) as socket:
        order = await client.futures_create_order(**{**LIMIT, "newClientOrderId": "streamed"})
        event = await asyncio.wait_for(socket.recv(), PATIENCE_S)
    assert (event["e"], event["o"]["i"], event["o"]["c"]) == ("ORDER_TRADE_UPDATE", order["orderId"], "streamed")


@pytest.mark.parametrize(
    ("open_socket", "kind"),
    [
        (lambda sockets: sockets.symbol_mark_price_socket(BTC, fast=True), "markPriceUpdate"),
        (lambda sockets: sockets.symbol_ticker_futures_socket(BTC), "bookTicker"),
        (lambda sockets: sockets.aggtrade_futures_socket(BTC), "aggTrade"),
        (lambda sockets: sockets.kline_futures_socket(BTC), "continuous_kline"),
        (lambda sockets: sockets.futures_depth_socket(BTC), "depthUpdate"),
        (lambda sockets: sockets.futures_multiplex_socket(["btcusdt@markPrice@1s"]), "markPriceUpdate"),
        (lambda sockets: sockets.futures_multiplex_socket(["btcusdt@bookTicker"], category="public"), "bookTicker"),
    ],
)
async def test_market_sockets(client: Client, virtual: Sim, open_socket: Any, kind: str) -> None:
    async with client.opened(open_socket(client.sockets())) as socket:
        virtual.mark(BTC, "51000", bid="50999.9", ask="51000")
        await client.futures_create_order(symbol=BTC, side="BUY", positionSide="LONG", type="MARKET", quantity="0.010")
        virtual.advance(3000)
        while True:
            message = await asyncio.wait_for(socket.recv(), PATIENCE_S)
            event = message.get("data", message)
            if event["e"] == kind:
                return


async def test_the_websocket_api(client: Client) -> None:
    placed = await client.ws_futures_create_order(**LIMIT, newClientOrderId="ws")
    shape(placed, ORDER_ACK)
    shape(await client.ws_futures_get_order(symbol=BTC, orderId=placed["orderId"]), ORDER, ORDER_OPTIONAL)
    changed = await client.ws_futures_edit_order(
        symbol=BTC, side="BUY", orderId=placed["orderId"], quantity="0.020", price="48500"
    )
    assert number(changed["price"]) == 48500
    assert (await client.ws_futures_cancel_order(symbol=BTC, orderId=placed["orderId"]))["status"] == "CANCELED"
    algo = await client.ws_futures_create_order(
        symbol=BTC, side="BUY", positionSide="LONG", type="STOP_MARKET", quantity="0.010", stopPrice="51000"
    )
    shape(algo, ALGO)
    shape(await client.ws_futures_cancel_order(algoId=algo["algoId"]), ALGO_CANCELED)
    assert isinstance(await client.ws_futures_v2_account_position(), list)
    assert isinstance(await client.ws_futures_v2_account_balance(), list)
    assert {"bids", "asks"} <= (await client.ws_futures_get_order_book(symbol=BTC, limit=5)).keys()
    await client.ws_futures_get_all_tickers(symbol=BTC)
    await client.ws_futures_get_order_book_ticker(symbol=BTC)


async def test_websocket_refusals_become_exceptions(client: Client) -> None:
    with pytest.raises(BinanceAPIException) as caught:
        await client.ws_futures_cancel_order(symbol=BTC, orderId=987654321)
    assert caught.value.code == -2011


async def test_many_requests_at_once(client: Client, sim: Sim) -> None:
    orders = await asyncio.gather(
        *(client.futures_create_order(**LIMIT, newClientOrderId=f"many-{number}") for number in range(50))
    )
    assert len({order["orderId"] for order in orders}) == 50
    assert len(await client.futures_get_open_orders(symbol=BTC)) == 50
