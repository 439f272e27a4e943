"""Lists and batches: what is open, what was, page by page."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.core.driver import BTC, ETH, Driver, refused

DAY_MS = 86_400_000


def batch(exchange: Driver, method: str, orders: list[dict[str, Any]]) -> Any:
    return exchange.call(method, "v1/batchOrders", batchOrders=json.dumps(orders))


LIMIT = {"symbol": BTC, "side": "BUY", "positionSide": "LONG", "type": "LIMIT", "timeInForce": "GTC", "price": "49000"}


def test_a_batch_of_orders_succeeds_and_fails_one_by_one() -> None:
    exchange = Driver()
    orders: list[dict[str, Any]] = [
        LIMIT | {"quantity": "0.010", "newClientOrderId": "b1"},
        LIMIT | {"quantity": "0.0001"},
        LIMIT | {"quantity": 0.01, "type": "STOP_MARKET"},
        LIMIT | {"quantity": 0.02, "price": 48000, "priceProtect": False},
    ]
    first, precision, conditional, last = batch(exchange, "POST", orders)
    assert (first["status"], first["clientOrderId"]) == ("NEW", "b1")
    assert (precision["code"], conditional["code"]) == (-1111, -4120)
    assert (last["origQty"], last["price"]) == ("0.02", "48000")
    changed, missing = batch(
        exchange,
        "PUT",
        [
            {"symbol": BTC, "side": "BUY", "orderId": first["orderId"], "quantity": "0.020", "price": "48500"},
            {"symbol": BTC, "side": "BUY", "orderId": 1, "quantity": "0.020", "price": "48500"},
        ],
    )
    assert (changed["price"], missing["code"]) == ("48500", -2013)
    answers = exchange.call("DELETE", "v1/batchOrders", symbol=BTC, orderidlist=f"[{first['orderId']},1]")
    assert [answers[0]["status"], answers[1]] == ["CANCELED", {"code": -2011, "msg": "Unknown order sent."}]
    answers = exchange.call("DELETE", "v1/batchOrders", symbol=BTC, origClientOrderIdList='["b1","never"]')
    assert [answer["code"] for answer in answers] == [-2011, -2011]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (json.dumps([LIMIT] * 6), -4082),
        ("[]", -4083),
        ("[{'a': 1}]", -1130),
        ("{}", -1130),
        ("[1]", -1130),
        ("", -1102),
    ],
)
def test_batches_that_make_no_sense(text: str, code: int) -> None:
    with refused(code):
        Driver().call("POST", "v1/batchOrders", batchOrders=text)


@pytest.mark.parametrize(
    ("params", "code"),
    [({}, -1102), ({"orderIdList": json.dumps(list(range(11)))}, -4032), ({"orderIdList": "[1.5]"}, -1130)],
)
def test_cancellations_that_make_no_sense(params: dict[str, str], code: int) -> None:
    with refused(code):
        Driver().call("DELETE", "v1/batchOrders", symbol=BTC, **params)


def test_open_orders() -> None:
    exchange = Driver()
    one = exchange.order("BUY", "LONG", "0.010", "49000")["orderId"]
    other = exchange.order("BUY", "LONG", "0.010", "2900", symbol=ETH)["orderId"]
    exchange.algo("BUY", "LONG", "STOP_MARKET", 51000, quantity="0.010")
    assert [row["orderId"] for row in exchange.call("GET", "v1/openOrders")] == [one, other]
    assert [row["orderId"] for row in exchange.call("GET", "v1/openOrders", symbol=ETH)] == [other]
    assert exchange.call("GET", "v1/openOrder", symbol=BTC, orderId=one)["orderId"] == one
    exchange.call("DELETE", "v1/order", symbol=BTC, orderId=one)
    with refused(-2013):
        exchange.call("GET", "v1/openOrder", symbol=BTC, orderId=one)
    assert len(exchange.call("GET", "v1/openAlgoOrders")) == 1


def test_orders_by_id_and_by_time() -> None:
    exchange = Driver({"funding": "off"})
    ids = []
    for _ in range(4):
        ids.append(exchange.order("BUY", "LONG", "0.010")["orderId"])
        exchange.advance(DAY_MS)

    def listed(**more: Any) -> list[int]:
        return [row["orderId"] for row in exchange.call("GET", "v1/allOrders", symbol=BTC, **more)]

    now_ms = exchange.exchange.now_ms
    assert listed() == ids
    assert listed(orderId=ids[1], limit=2) == ids[1:3]
    assert listed(limit=2) == ids[2:]
    assert listed(startTime=now_ms - 3 * DAY_MS) == ids[1:]
    assert listed(startTime=now_ms - 4 * DAY_MS, limit=2) == ids[:2]
    assert listed(endTime=now_ms - 3 * DAY_MS) == ids[:2]
    with refused(-1127):
        listed(startTime=now_ms - 8 * DAY_MS, endTime=now_ms)
    with refused(-1128):
        listed(startTime=now_ms, endTime=now_ms - 1)
    with refused(-1130):
        listed(limit=0)
    exchange.advance(5 * DAY_MS)
    assert listed() == ids[2:]


def test_trades_are_read_on_by_id() -> None:
    exchange = Driver({"depth": "0.004"})
    orders = [exchange.order("BUY", "LONG", "0.010")["orderId"] for _ in range(2)]

    def listed(**more: Any) -> list[tuple[int, str]]:
        rows = exchange.call("GET", "v1/userTrades", symbol=BTC, **more)
        return [(row["orderId"], row["qty"]) for row in rows]

    every = [(order, quantity) for order in orders for quantity in ("0.004", "0.004", "0.002")]
    first = exchange.call("GET", "v1/userTrades", symbol=BTC)[0]["id"]
    assert listed() == every
    assert listed(limit=2) == every[-2:]
    assert listed(fromId=first + 2, limit=2) == every[2:4]
    assert listed(orderId=orders[1]) == every[3:]
    assert listed(orderId=orders[1], fromId=0) == every[3:]
    with refused(-1128):
        listed(fromId=first, startTime=0)
    with refused(-1102):
        exchange.call("GET", "v1/userTrades")


def test_income_by_kind_and_page() -> None:
    exchange = Driver({"funding": "off"})
    exchange.order("BUY", "LONG", "0.010")
    exchange.advance(1000)
    exchange.order("SELL", "LONG", "0.010")
    exchange.order("BUY", "LONG", "0.010", symbol=ETH)

    def listed(**more: Any) -> list[tuple[str, str]]:
        return [(row["symbol"], row["incomeType"]) for row in exchange.call("GET", "v1/income", **more)]

    every = [(BTC, "COMMISSION"), (BTC, "REALIZED_PNL"), (BTC, "COMMISSION"), (ETH, "COMMISSION")]
    assert listed() == every
    assert listed(symbol=BTC, incomeType="COMMISSION") == [every[0], every[2]]
    assert listed(limit=3, page=2) == every[3:]
    assert listed(startTime=exchange.exchange.now_ms) == every[1:]
    rows = exchange.call("GET", "v1/income")
    assert len({row["tranId"] for row in rows}) == 4
    assert rows[1]["tradeId"] == rows[2]["tradeId"] != ""
    exchange.advance(8 * DAY_MS)
    assert listed() == []
    assert listed(startTime=0) == every


def test_positions_of_version_two_and_three() -> None:
    exchange = Driver()
    assert exchange.call("GET", "v3/positionRisk") == []
    rows = exchange.call("GET", "v2/positionRisk")
    assert [(row["symbol"], row["positionSide"]) for row in rows] == [
        (symbol, side) for symbol in (BTC, ETH) for side in ("LONG", "SHORT")
    ]
    flat = rows[0]
    assert (flat["positionAmt"], flat["entryPrice"], flat["liquidationPrice"], flat["updateTime"]) == (
        "0.000",
        "0.0",
        "0",
        0,
    )
    exchange.order("SELL", "SHORT", "0.010")
    exchange.order("BUY", "LONG", "0.010", "2900", symbol=ETH)
    rows = exchange.call("GET", "v3/positionRisk")
    assert [(row["symbol"], row["positionSide"]) for row in rows] == [(BTC, "SHORT"), (ETH, "LONG")]
    assert (rows[0]["positionAmt"], rows[0]["notional"]) == ("-0.010", "-500.00000000")
    assert (rows[1]["bidNotional"], rows[1]["openOrderInitialMargin"]) == ("29", "1.45000000")
    assert [row["adlQuantile"] for row in exchange.call("GET", "v1/adlQuantile")] == [
        {"LONG": 0, "SHORT": 1, "HEDGE": 0}
    ]
    listing = Driver({"v3_lists_flat_leg": True})
    listing.order("SELL", "SHORT", "0.010")
    rows = listing.call("GET", "v3/positionRisk", symbol=BTC)
    assert [(row["positionSide"], Decimal(row["positionAmt"])) for row in rows] == [
        ("LONG", Decimal(0)),
        ("SHORT", Decimal("-0.010")),
    ]


def test_balances() -> None:
    exchange = Driver(wallet="1234.5")
    (row,) = exchange.call("GET", "v2/balance")
    assert row == exchange.call("GET", "v3/balance")[0]
    assert (row["balance"], row["availableBalance"], row["marginAvailable"]) == ("1234.50000000", "1234.50000000", True)


def test_queries_change_nothing() -> None:
    from tradeengine.simulator.endpoints import ENDPOINTS

    exchange = Driver()
    exchange.order("BUY", "LONG", "0.010")
    order = exchange.order("BUY", "LONG", "0.010", "49000")["orderId"]
    algo = exchange.algo("SELL", "LONG", "STOP_MARKET", 49000, closePosition=True)["algoId"]
    before = exchange.exchange.snapshot()
    params = {
        "symbol": BTC,
        "pair": BTC,
        "contractType": "PERPETUAL",
        "interval": "1m",
        "orderId": order,
        "algoId": algo,
    }
    for method, path in ENDPOINTS:
        if method == "GET" and path.startswith("/fapi/"):
            exchange.call(method, path.removeprefix("/fapi/"), **params)
    assert exchange.exchange.snapshot() == before
