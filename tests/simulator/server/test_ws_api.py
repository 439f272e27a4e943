"""The WebSocket trading API."""

import json
from typing import Any

import pytest

from tests.simulator.server.raw import KEY, ORDER, RESTING, Raw, Stream, signature


class Api:
    """A connection that signs."""

    def __init__(self, raw: Raw, stream: Stream) -> None:
        self.raw = raw
        self.stream = stream
        self._numbers = 0

    async def ask(self, method: str, params: dict[str, Any] | None = None, *, signed: bool = False) -> Any:
        params = dict(params or {})
        if signed:
            params |= {"apiKey": KEY, "timestamp": self.raw.now_ms}
            words = {True: "true", False: "false"}
            text = "&".join(
                f"{name}={words[value] if isinstance(value, bool) else value}" for name, value in sorted(params.items())
            )
            params["signature"] = signature(text)
        self._numbers += 1
        answer = await self.stream.say({"id": self._numbers, "method": method, "params": params})
        assert answer["id"] == self._numbers
        return answer

    async def ok(self, method: str, params: dict[str, Any] | None = None, *, signed: bool = True) -> Any:
        answer = await self.ask(method, params, signed=signed)
        assert answer["status"] == 200, answer
        return answer["result"]


@pytest.fixture
async def api(raw: Raw) -> Api:
    return Api(raw, await raw.stream("/ws-fapi/v1"))


async def test_an_order_from_placing_to_cancelling(api: Api) -> None:
    order = await api.ok("order.place", RESTING | {"newClientOrderId": "w1"})
    assert (order["status"], order["clientOrderId"]) == ("NEW", "w1")
    values = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
    assert (await api.ok("order.status", values))["price"] == (await api.ok("order.status", values))["price"]
    changed = await api.ok("order.modify", values | {"side": "BUY", "quantity": "0.010", "price": "48000"})
    assert float(changed["price"]) == 48000
    assert (await api.ok("order.cancel", values))["status"] == "CANCELED"
    refused = await api.ask("order.cancel", values, signed=True)
    assert (refused["status"], refused["error"]["code"]) == (400, -2011)


async def test_conditional_orders(api: Api) -> None:
    values = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "BUY", "positionSide": "LONG"}
    values |= {"type": "STOP_MARKET", "quantity": "0.010", "triggerprice": "51000", "clientAlgoId": "a1"}
    placed = await api.ok("algoOrder.place", values)
    assert (placed["algoStatus"], placed["clientAlgoId"]) == ("NEW", "a1")
    assert (await api.ok("algoOrder.cancel", {"algoId": placed["algoId"]}))["code"] == "200"
    refused = await api.ask("order.place", ORDER | {"type": "STOP_MARKET", "stopPrice": "51000"}, signed=True)
    assert (refused["status"], refused["error"]["code"]) == (400, -4120)


async def test_the_account_and_the_market(api: Api) -> None:
    await api.ok("order.place", ORDER)
    for method in ("account.position", "v2/account.position"):
        rows = await api.ok(method, {"symbol": "BTCUSDT"})
        assert any(float(row["positionAmt"]) == 0.01 for row in rows)
    for method in ("account.balance", "v2/account.balance"):
        assert any(row["asset"] == "USDT" for row in await api.ok(method))
    for method in ("account.status", "v2/account.status"):
        assert "totalWalletBalance" in await api.ok(method)
    assert (await api.ok("ticker.price", {"symbol": "BTCUSDT"}, signed=False))["symbol"] == "BTCUSDT"
    assert (await api.ok("ticker.book", {"symbol": "BTCUSDT"}, signed=False))["symbol"] == "BTCUSDT"
    assert (await api.ok("depth", {"symbol": "BTCUSDT", "limit": 5}, signed=False))["bids"]


async def test_the_user_stream(api: Api) -> None:
    key = (await api.ok("userDataStream.start", {"apiKey": KEY}, signed=False))["listenKey"]
    assert key == await api.raw.open_key()
    assert (await api.ok("userDataStream.ping", {"apiKey": KEY}, signed=False))["listenKey"] == key
    stream = await api.raw.stream(f"/private/ws?listenKey={key}")
    assert await api.ok("userDataStream.stop", {"apiKey": KEY}, signed=False) == {}
    assert await stream.ended() == 1000
    assert (await api.ask("userDataStream.ping", {"apiKey": KEY}))["error"]["code"] == -1125


async def test_limits_in_answers(api: Api) -> None:
    first = await api.ask("order.place", RESTING, signed=True)
    kinds = [(row["rateLimitType"], row["interval"], row["count"]) for row in first["rateLimits"]]
    # the handshake costs 5
    assert kinds == [("REQUEST_WEIGHT", "MINUTE", 5), ("ORDERS", "SECOND", 1), ("ORDERS", "MINUTE", 1)]
    price = await api.ask("ticker.price", {"symbol": "BTCUSDT"})
    assert [(row["rateLimitType"], row["count"]) for row in price["rateLimits"]] == [("REQUEST_WEIGHT", 6)]
    hidden = await api.ask("ticker.price", {"symbol": "BTCUSDT", "returnRateLimits": False})
    assert "rateLimits" not in hidden


async def test_limits_are_hidden_for_a_whole_connection(raw: Raw) -> None:
    api = Api(raw, await raw.stream("/ws-fapi/v1?returnRateLimits=false"))
    assert "rateLimits" not in await api.ask("ticker.price", {"symbol": "BTCUSDT"})
    assert "rateLimits" in await api.ask("ticker.price", {"symbol": "BTCUSDT", "returnRateLimits": True})
    assert (await api.ok("session.status", signed=False))["returnRateLimits"] is False


async def test_security(api: Api) -> None:
    async def code(params: dict[str, Any]) -> tuple[int, int]:
        answer = await api.ask("order.place", params)
        return answer["status"], answer["error"]["code"]

    now_ms = api.raw.now_ms
    assert await code(ORDER) == (401, -2014)
    assert await code(ORDER | {"apiKey": "somebody"}) == (401, -2015)
    assert await code(ORDER | {"apiKey": KEY}) == (400, -1102)
    assert await code(ORDER | {"apiKey": KEY, "timestamp": now_ms, "signature": "00"}) == (400, -1022)
    old = {"apiKey": KEY, "timestamp": now_ms - 10_000}
    text = "&".join(f"{name}={value}" for name, value in sorted((ORDER | old).items()))
    assert await code(ORDER | old | {"signature": signature(text)}) == (400, -1021)


async def test_booleans_are_signed_as_words(api: Api) -> None:
    values = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "positionSide": "LONG"}
    values |= {"type": "STOP_MARKET", "triggerPrice": "49000"}
    await api.ok("order.place", ORDER)
    assert (await api.ok("algoOrder.place", {**values, "closePosition": True}))["closePosition"] is True


@pytest.mark.parametrize(
    ("text", "number", "code"),
    [
        ("{", None, -1100),
        ("[]", None, -1100),
        ('{"id":"x","method":"ticker.price","params":[]}', "x", -1100),
        ('{"id":"x","method":"no.such"}', "x", -5000),
        ('{"id":"x","method":"session.logon"}', "x", -1020),
    ],
)
async def test_what_is_no_request(api: Api, text: str, number: str | None, code: int) -> None:
    await api.stream.ws.send_str(text)
    answer = await api.stream.next()
    assert (answer["id"], answer["error"]["code"]) == (number, code)


async def test_session_status(api: Api) -> None:
    status = await api.ok("session.status", signed=False)
    assert status == {
        "apiKey": None,
        "authorizedSince": None,
        "connectedSince": api.raw.now_ms,
        "returnRateLimits": True,
        "serverTime": api.raw.now_ms,
    }


async def test_faults(api: Api) -> None:
    match = {"method": "order.place", "path": "/ws-fapi/v1"}
    await api.raw.fault({"status": 503, "code": -1000, "msg": "Unknown error"}, match=match)
    answer = await api.ask("order.place", ORDER, signed=True)
    assert (answer["status"], answer["error"]["code"]) == (503, -1000)
    await api.raw.fault("drop_connection", match=match, when="after")
    await api.stream.ws.send_json({"id": 1, "method": "ticker.price", "params": {"symbol": "BTCUSDT"}})
    assert (await api.stream.next())["status"] == 200
    with pytest.raises(AssertionError):
        await api.ask("order.place", ORDER, signed=True)
    assert api.stream.ws.close_code == 1006
    assert len((await api.raw.signed("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")).body) == 1


async def test_half_of_an_answer(api: Api) -> None:
    await api.raw.fault("truncate", match={"method": "order.place"})
    with pytest.raises(json.JSONDecodeError):
        await api.ask("order.place", ORDER, signed=True)
    assert await api.stream.ended() == 1006
    assert len((await api.raw.signed("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")).body) == 1


async def test_one_that_is_held_does_not_hold_the_next(api: Api) -> None:
    await api.raw.fault({"delay_ms": 300}, match={"method": "ticker.book"})
    await api.stream.ws.send_json({"id": "slow", "method": "ticker.book", "params": {"symbol": "BTCUSDT"}})
    await api.stream.ws.send_json({"id": "quick", "method": "ticker.price", "params": {"symbol": "BTCUSDT"}})
    assert [(await api.stream.next())["id"] for _ in range(2)] == ["quick", "slow"]


async def test_weights_are_shared_with_rest(raw: Raw) -> None:
    await raw.reset(options={"weight_1m": 7})
    api = Api(raw, await raw.stream("/ws-fapi/v1"))
    assert (await raw.public("/fapi/v1/ping")).headers["X-MBX-USED-WEIGHT-1M"] == "6"
    assert (await api.ask("ticker.price", {"symbol": "BTCUSDT"}))["status"] == 200
    refused = await api.ask("ticker.price", {"symbol": "BTCUSDT"})
    assert (refused["status"], refused["error"]["code"]) == (429, -1003)
