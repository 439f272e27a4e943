"""The WebSocket trading API (Binance docs, websocket-api-general-info and trade/websocket-api)."""

from typing import Any

import pytest

from tests.simulator.conformance.documents import (
    ALGO,
    ALGO_CANCELED,
    ORDER,
    ORDER_ACK,
    ORDER_MODIFIED,
    ORDER_OPTIONAL,
    POSITION_V2,
    POSITION_V2_OPTIONAL,
    POSITION_V3,
    is_integer,
    is_text,
    one_of,
    shape,
)
from tests.simulator.conformance.sim import BTC, KEY, SECRET, Sim
from tests.simulator.conformance.streams import Stream
from tests.simulator.conformance.wire import signature

PATH = "/ws-fapi/v1"


class Api(Stream):
    """The trading API on one connection."""

    def __init__(self, sim: Sim) -> None:
        super().__init__(sim.ws_url + PATH)
        self._sim = sim
        self._number = 0

    def ask(self, method: str, secret: str = SECRET, **params: Any) -> Any:
        """Send a signed request and return its whole answer."""
        values = {"apiKey": KEY, "timestamp": self._sim.now_ms, **params}
        text = "&".join(f"{name}={values[name]}" for name in sorted(values))
        return self.plain(method, {**values, "signature": signature(secret, text)})

    def plain(self, method: str, params: dict[str, Any] | None = None) -> Any:
        self._number += 1
        request = {"id": f"id-{self._number}", "method": method}
        self.send(request if params is None else {**request, "params": params})
        answer = self.next()
        assert answer["id"] == request["id"]
        return answer

    def result(self, method: str, **params: Any) -> Any:
        answer = self.ask(method, **params)
        assert answer["status"] == 200, answer
        return answer["result"]


@pytest.fixture
def api(sim: Sim) -> Any:
    with Api(sim) as api:
        yield api


LIMIT = {"symbol": BTC, "side": "BUY", "positionSide": "LONG", "type": "LIMIT", "timeInForce": "GTC"}
LIMIT |= {"quantity": "0.010", "price": "49000"}


def test_an_order_is_placed_asked_for_modified_and_cancelled(api: Api) -> None:
    placed = api.result("order.place", **LIMIT, newClientOrderId="ws")
    shape(placed, ORDER_ACK)
    asked = api.result("order.status", symbol=BTC, orderId=placed["orderId"])
    shape(asked, ORDER, ORDER_OPTIONAL)
    changed = api.result(
        "order.modify", symbol=BTC, side="BUY", orderId=placed["orderId"], quantity="0.020", price="48000"
    )
    shape(changed, ORDER_MODIFIED, {"modifyId": is_integer})
    cancelled = api.result("order.cancel", symbol=BTC, origClientOrderId="ws")
    shape(cancelled, ORDER_ACK, {"pair": one_of(BTC)})
    assert cancelled["status"] == "CANCELED"


def test_a_conditional_order_is_placed_and_cancelled(api: Api) -> None:
    values = {"algoType": "CONDITIONAL", "symbol": BTC, "side": "BUY", "positionSide": "LONG", "type": "STOP_MARKET"}
    placed = api.result("algoOrder.place", **values, quantity="0.010", triggerPrice="51000", clientAlgoId="ws")
    shape(placed, ALGO)
    shape(api.result("algoOrder.cancel", clientAlgoId="ws"), ALGO_CANCELED)


def test_names_are_case_insensitive(api: Api) -> None:
    values = {"algoType": "CONDITIONAL", "symbol": BTC, "side": "BUY", "positionSide": "LONG", "type": "STOP_MARKET"}
    assert api.result("algoOrder.place", **values, quantity="0.010", triggerprice="51000")["algoStatus"] == "NEW"


def test_answers_carry_the_rate_limits(api: Api) -> None:
    answer = api.ask("order.place", **LIMIT)
    assert set(answer) == {"id", "status", "result", "rateLimits"}
    for row in answer["rateLimits"]:
        shape(
            row,
            {
                "rateLimitType": one_of("REQUEST_WEIGHT", "ORDERS"),
                "interval": is_text,
                "intervalNum": is_integer,
                "limit": is_integer,
                "count": is_integer,
            },
        )
    assert {row["rateLimitType"] for row in answer["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS"}


@pytest.mark.parametrize("given", [7, "7", None, "a-b_c"])
def test_ids_come_back_as_they_were_sent(sim: Sim, given: Any) -> None:
    with Stream(sim.ws_url + PATH) as stream:
        stream.send({"id": given, "method": "ticker.price", "params": {"symbol": BTC}})
        answer = stream.next()
    assert (answer["id"], type(answer["id"])) == (given, type(given))


def test_rate_limits_can_be_left_out(sim: Sim) -> None:
    class Quiet(Api):
        def __init__(self, sim: Sim) -> None:
            Stream.__init__(self, f"{sim.ws_url}{PATH}?returnRateLimits=false")
            self._sim = sim
            self._number = 0

    with Quiet(sim) as api:
        assert set(api.ask("order.place", **LIMIT)) == {"id", "status", "result"}


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("order.place", {**LIMIT, "positionSide": "BOTH"}, -4061),
        ("order.place", {**LIMIT, "price": "49000.05"}, -4014),
        ("order.place", {**LIMIT, "type": "STOP_MARKET", "stopPrice": "48000"}, -4120),
        ("order.cancel", {"symbol": BTC, "orderId": 987654321}, -2011),
        ("order.status", {"symbol": BTC, "orderId": 987654321}, -2013),
        ("algoOrder.cancel", {"clientAlgoId": "never"}, -2011),
    ],
)
def test_refusals_carry_code_and_message(api: Api, method: str, params: dict[str, Any], code: int) -> None:
    answer = api.ask(method, **params)
    assert set(answer) == {"id", "status", "error", "rateLimits"}
    assert answer["status"] == 400
    shape(answer["error"], {"code": one_of(code), "msg": is_text})


def test_signatures_are_checked(api: Api) -> None:
    answer = api.ask("order.place", secret="wrong", **LIMIT)
    assert (answer["status"], answer["error"]["code"]) == (400, -1022)


def test_timestamps_are_checked(sim: Sim, api: Api) -> None:
    answer = api.ask("order.place", **LIMIT, timestamp=sim.now_ms - 60_000)
    assert (answer["status"], answer["error"]["code"]) == (400, -1021)


def test_an_unknown_method_is_refused(api: Api) -> None:
    answer = api.ask("order.guess", **LIMIT)
    assert 400 <= answer["status"] < 500
    assert isinstance(answer["error"]["code"], int)


def test_account_methods(sim: Sim, api: Api) -> None:
    api.result("order.place", symbol=BTC, side="BUY", positionSide="LONG", type="MARKET", quantity="0.010")
    for row in api.result("v2/account.position"):
        shape(row, POSITION_V3)
    for row in api.result("account.position", symbol=BTC):
        shape(row, POSITION_V2, POSITION_V2_OPTIONAL)
    assert {row["asset"] for row in api.result("v2/account.balance")} >= {"USDT"}
    assert "totalWalletBalance" in api.result("v2/account.status")


def test_market_methods_need_no_signature(api: Api) -> None:
    price = api.plain("ticker.price", {"symbol": BTC})["result"]
    assert float(price["price"]) == 50000
    book = api.plain("ticker.book", {"symbol": BTC})["result"]
    assert float(book["askPrice"]) == 50000
    assert {"bids", "asks"} <= api.plain("depth", {"symbol": BTC, "limit": 5})["result"].keys()


def test_the_user_stream_is_started_kept_and_stopped(api: Api) -> None:
    key = api.plain("userDataStream.start", {"apiKey": KEY})["result"]["listenKey"]
    assert api.plain("userDataStream.ping", {"apiKey": KEY})["result"] == {"listenKey": key}
    assert api.plain("userDataStream.stop", {"apiKey": KEY})["result"] == {}
    assert api.plain("userDataStream.ping", {"apiKey": KEY})["error"]["code"] == -1125


def test_the_session_tells_its_state(api: Api) -> None:
    answer = api.plain("session.status")
    assert answer["status"] == 200
    assert {"apiKey", "serverTime"} <= answer["result"].keys()
