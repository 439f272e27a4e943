"""Whatever is sent, a refusal comes back and the exchange goes on: no 5xx, no broken document, no half-done order."""

import json
import random
from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.conformance.sim import BTC, KEY, Sim
from tests.simulator.conformance.streams import Stream
from tests.simulator.conformance.wire import ok

SIGNED = [
    ("POST", "/fapi/v1/order"),
    ("PUT", "/fapi/v1/order"),
    ("DELETE", "/fapi/v1/order"),
    ("GET", "/fapi/v1/order"),
    ("POST", "/fapi/v1/order/test"),
    ("GET", "/fapi/v1/openOrder"),
    ("GET", "/fapi/v1/openOrders"),
    ("GET", "/fapi/v1/allOrders"),
    ("POST", "/fapi/v1/batchOrders"),
    ("PUT", "/fapi/v1/batchOrders"),
    ("DELETE", "/fapi/v1/batchOrders"),
    ("DELETE", "/fapi/v1/allOpenOrders"),
    ("POST", "/fapi/v1/countdownCancelAll"),
    ("GET", "/fapi/v1/userTrades"),
    ("GET", "/fapi/v2/positionRisk"),
    ("GET", "/fapi/v3/positionRisk"),
    ("GET", "/fapi/v2/account"),
    ("GET", "/fapi/v3/account"),
    ("GET", "/fapi/v3/balance"),
    ("POST", "/fapi/v1/positionSide/dual"),
    ("POST", "/fapi/v1/leverage"),
    ("POST", "/fapi/v1/marginType"),
    ("POST", "/fapi/v1/positionMargin"),
    ("GET", "/fapi/v1/leverageBracket"),
    ("GET", "/fapi/v1/commissionRate"),
    ("GET", "/fapi/v1/symbolConfig"),
    ("GET", "/fapi/v1/income"),
    ("GET", "/fapi/v1/adlQuantile"),
    ("POST", "/fapi/v1/algoOrder"),
    ("GET", "/fapi/v1/algoOrder"),
    ("DELETE", "/fapi/v1/algoOrder"),
    ("GET", "/fapi/v1/openAlgoOrders"),
    ("GET", "/fapi/v1/allAlgoOrders"),
    ("DELETE", "/fapi/v1/algoOpenOrders"),
    ("GET", "/fapi/v1/premiumIndex"),
    ("GET", "/fapi/v1/fundingRate"),
    ("GET", "/fapi/v1/ticker/bookTicker"),
    ("GET", "/fapi/v2/ticker/price"),
    ("GET", "/fapi/v1/depth"),
    ("GET", "/fapi/v1/klines"),
    ("GET", "/fapi/v1/aggTrades"),
]
SENSIBLE: dict[str, list[str]] = {
    "symbol": [BTC, "ETHUSDT"],
    "side": ["BUY", "SELL"],
    "positionSide": ["LONG", "SHORT"],
    "type": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET", "1", "2"],
    "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    "quantity": ["0.010", "1"],
    "price": ["49000", "51000"],
    "triggerPrice": ["49000", "51000"],
    "algoType": ["CONDITIONAL"],
    "closePosition": ["true", "false"],
    "callbackRate": ["1", "5.5"],
    "activatePrice": ["51000", "49000"],
    "goodTillDate": ["1700001000000"],
    "orderId": ["1", "8389765500000000001"],
    "algoId": ["1", "2000000375000001"],
    "origClientOrderId": ["a"],
    "clientAlgoId": ["a"],
    "newClientOrderId": ["a", "b"],
    "leverage": ["5", "20"],
    "marginType": ["ISOLATED", "CROSSED"],
    "amount": ["1", "0.5"],
    "limit": ["5", "100"],
    "fromId": ["1"],
    "startTime": ["1700000000000"],
    "endTime": ["1700000001000"],
    "countdownTime": ["1000", "0"],
    "dualSidePosition": ["true"],
    "interval": ["1m", "1h"],
    "incomeType": ["COMMISSION"],
    "page": ["1"],
    "orderIdList": ["[1,2]"],
    "origClientOrderIdList": ['["a"]'],
    "batchOrders": ['[{"symbol":"BTCUSDT"}]', "[]"],
    "priceMatch": ["QUEUE", "OPPONENT_5"],
    "newOrderRespType": ["ACK", "RESULT"],
    "workingType": ["MARK_PRICE"],
    "priceProtect": ["TRUE", "FALSE"],
}
SENSELESS = [
    "",
    " ",
    "0",
    "-1",
    "-0.0",
    "1e5",
    "NaN",
    "Infinity",
    "0x10",
    "١٢٣",
    "null",
    "None",
    "True",
    "[]",
    "{}",
    '"',
    "9" * 25,
    "0." + "1" * 30,
    "x" * 200,
    "\x00",
    "%",
    "Ω",
    "[1,",
    "[[]]",
    '[{"a":[1]}]',
    "[null]",
    '[1,"b"]',
]


def refusal(text: str) -> dict[str, Any]:
    document = json.loads(text)
    assert set(document) == {"code", "msg"}
    assert isinstance(document["code"], int)
    return dict(document)


@pytest.mark.parametrize(("method", "path"), SIGNED)
def test_senseless_parameters_are_refused(sim: Sim, method: str, path: str) -> None:
    chance = random.Random(f"{method} {path}")
    sim.reset(options={"rate_limits": "off"})
    ok(sim.order("BUY", "LONG", "0.020"))
    for _ in range(40):
        names = chance.sample(sorted(SENSIBLE), chance.randint(4, len(SENSIBLE)))
        values = {name: chance.choice(SENSIBLE[name]) for name in names}
        for name in chance.sample(names, chance.randint(1, 3)):
            values[name] = chance.choice(SENSELESS)
        answer = sim.wire.signed(method, path, **values)
        assert answer.status in (200, 400, 429), f"{method} {path} {values}: HTTP {answer.status} {answer.text}"
        if answer.status != 200:
            refusal(answer.text)
    assert sim.wire.public("/fapi/v1/ping").status == 200


@pytest.mark.parametrize("seed", range(6))
def test_random_trading_never_breaks_the_exchange(sim: Sim, seed: int) -> None:
    """Orders of all sorts while prices jump: every answer is a document, and the account stays consistent."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    sim.reset(options={"rate_limits": "off", "depth": "0.050"}, wallet="5000")
    for _ in range(120):
        kind = chance.random()
        values = {name: chance.choice(choices) for name, choices in SENSIBLE.items() if chance.random() < 0.3}
        values |= {"symbol": BTC, "side": chance.choice(["BUY", "SELL"])}
        values |= {"positionSide": chance.choice(["LONG", "SHORT"]), "quantity": f"0.0{chance.randint(10, 99)}"}
        for name in ("newClientOrderId", "clientAlgoId"):
            values.pop(name, None)
        price = str(chance.randint(46000, 54000))
        if kind < 0.2:
            sim.mark(BTC, price)
            continue
        if kind < 0.5:
            answer = sim.wire.post(
                "/fapi/v1/order", **(values | {"type": "MARKET", "price": None, "timeInForce": None})
            )
        elif kind < 0.7:
            answer = sim.wire.post(
                "/fapi/v1/order", **(values | {"type": "LIMIT", "price": price, "timeInForce": "GTC"})
            )
        else:
            kinds = ["STOP_MARKET", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]
            values |= {"type": chance.choice(kinds), "triggerPrice": price, "algoType": "CONDITIONAL"}
            answer = sim.wire.post("/fapi/v1/algoOrder", **values)
        assert answer.status in (200, 400), answer.text
    rows = ok(sim.wire.get("/fapi/v3/positionRisk"))
    account = ok(sim.wire.get("/fapi/v3/account"))
    wallet = 5000 + sum(Decimal(row["income"]) for row in sim.income(limit=1000))
    assert Decimal(account["totalWalletBalance"]) == wallet
    by_leg = {"LONG": Decimal(0), "SHORT": Decimal(0)}
    for trade in sim.trades(limit=1000):
        by_leg[trade["positionSide"]] += Decimal(trade["qty"]) * (1 if trade["side"] == "BUY" else -1)
    held = {row["positionSide"]: Decimal(row["positionAmt"]) for row in rows if row["symbol"] == BTC}
    assert {leg: held.get(leg, Decimal(0)) for leg in by_leg} == by_leg
    assert by_leg["LONG"] >= 0 >= by_leg["SHORT"]


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", '"x"', "{}", '{"id":1}', '{"method":"SUBSCRIBE"}'])
@pytest.mark.parametrize("path", ["/ws-fapi/v1", "/public/ws", "/market/stream"])
def test_senseless_messages_do_not_break_a_socket_s_server(sim: Sim, path: str, text: str) -> None:
    with Stream(sim.ws_url + path) as stream:
        stream.socket.send(text)
    assert sim.wire.public("/fapi/v1/ping").status == 200
    with Stream(sim.ws_url + "/ws-fapi/v1") as stream:
        stream.send({"id": 1, "method": "ticker.price", "params": {"symbol": BTC}})
        assert stream.next()["status"] == 200


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("order.place", {"apiKey": KEY, "signature": "00", "timestamp": "soon"}),
        ("order.place", {"apiKey": 5, "signature": 7, "timestamp": 9}),
        ("order.place", []),
        ("order.cancel", {"apiKey": KEY}),
        ("depth", {"symbol": 5}),
        ("depth", {"symbol": BTC, "limit": "many"}),
        ("ticker.price", {"symbol": None}),
        (5, {}),
    ],
)
def test_senseless_requests_of_the_socket_are_answered(sim: Sim, method: Any, params: Any) -> None:
    with Stream(sim.ws_url + "/ws-fapi/v1") as stream:
        stream.send({"id": "odd", "method": method, "params": params})
        answer = stream.next()
        if answer["status"] == 200:
            assert method == "ticker.price", "without a symbol: all"
            return
        assert 400 <= answer["status"] < 500
        assert isinstance(answer["error"]["code"], int)
