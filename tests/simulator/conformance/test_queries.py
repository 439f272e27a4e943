"""Query Order, open and all orders, Account Trade List (Binance docs, trade/rest-api)."""

import pytest

from tests.simulator.conformance.documents import ORDER, ORDER_OPTIONAL, TRADE, TRADE_OPTIONAL, shape
from tests.simulator.conformance.sim import BTC, Sim
from tests.simulator.conformance.wire import ok, refused

# ---------------------------------------------------------------- queries


def test_an_order_can_be_asked_for_by_either_id(sim: Sim) -> None:
    placed = ok(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId="either"))
    by_id = sim.get_order(placed["orderId"])
    shape(by_id, ORDER, ORDER_OPTIONAL)
    assert by_id == ok(sim.wire.get("/fapi/v1/order", symbol=BTC, origClientOrderId="either"))
    assert (by_id["status"], by_id["clientOrderId"], float(by_id["avgPrice"])) == ("NEW", "either", 0)


def test_a_filled_order_says_its_average_and_quote(sim: Sim) -> None:
    order = sim.get_order(ok(sim.order("BUY", "LONG", "0.010"))["orderId"])
    shape(order, ORDER, ORDER_OPTIONAL)
    assert order["status"] == "FILLED"
    assert (float(order["avgPrice"]), float(order["cumQuote"]), float(order["executedQty"])) == (50000, 500, 0.01)


def test_a_query_needs_an_id(sim: Sim) -> None:
    refused(sim.wire.get("/fapi/v1/order", symbol=BTC), -1102)


@pytest.mark.parametrize("by", [{"orderId": 987654321}, {"origClientOrderId": "never-seen"}], ids=["id", "client-id"])
@pytest.mark.parametrize("path", ["/fapi/v1/order", "/fapi/v1/openOrder"])
def test_an_unknown_order_does_not_exist(sim: Sim, path: str, by: dict[str, object]) -> None:
    assert refused(sim.wire.get(path, symbol=BTC, **by), -2013) == "Order does not exist."


def test_an_order_belongs_to_its_symbol(sim: Sim) -> None:
    placed = ok(sim.order("BUY", "LONG", "0.010", "49000"))
    refused(sim.wire.get("/fapi/v1/order", symbol="ETHUSDT", orderId=placed["orderId"]), -2013)


def test_open_order_knows_open_orders_only(sim: Sim) -> None:
    placed = ok(sim.order("BUY", "LONG", "0.010", "49000"))
    row = ok(sim.wire.get("/fapi/v1/openOrder", symbol=BTC, orderId=placed["orderId"]))
    shape(row, ORDER, ORDER_OPTIONAL)
    ok(sim.wire.delete("/fapi/v1/order", symbol=BTC, orderId=placed["orderId"]))
    refused(sim.wire.get("/fapi/v1/openOrder", symbol=BTC, orderId=placed["orderId"]), -2013)


def test_open_orders_lists_one_symbol_or_all(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId="b"))
    ok(sim.order("SELL", "SHORT", "0.100", "3100", symbol="ETHUSDT", newClientOrderId="e"))
    ok(sim.order("BUY", "LONG", "0.010", newClientOrderId="filled"))
    rows = ok(sim.wire.get("/fapi/v1/openOrders"))
    for row in rows:
        shape(row, ORDER, ORDER_OPTIONAL)
    assert {row["clientOrderId"] for row in rows} == {"b", "e"}
    assert [row["clientOrderId"] for row in ok(sim.wire.get("/fapi/v1/openOrders", symbol=BTC))] == ["b"]


def test_all_orders_is_ascending_and_starts_at_an_id(sim: Sim) -> None:
    ids = [ok(sim.order("BUY", "LONG", "0.010", "49000"))["orderId"] for _ in range(4)]
    ok(sim.wire.delete("/fapi/v1/order", symbol=BTC, orderId=ids[1]))
    rows = ok(sim.wire.get("/fapi/v1/allOrders", symbol=BTC))
    for row in rows:
        shape(row, ORDER, ORDER_OPTIONAL)
    assert [row["orderId"] for row in rows] == ids
    assert [row["orderId"] for row in ok(sim.wire.get("/fapi/v1/allOrders", symbol=BTC, orderId=ids[2]))] == ids[2:]
    some = [row["orderId"] for row in ok(sim.wire.get("/fapi/v1/allOrders", symbol=BTC, orderId=ids[0], limit=2))]
    assert some == ids[:2]


def test_all_orders_takes_a_window_of_time(virtual: Sim) -> None:
    ids, times = [], []
    for _ in range(3):
        order = ok(virtual.order("BUY", "LONG", "0.010", "49000"))
        ids.append(order["orderId"])
        times.append(virtual.now_ms)
        virtual.advance(60_000)

    def between(start: int, end: int) -> list[int]:
        rows = ok(virtual.wire.get("/fapi/v1/allOrders", symbol=BTC, startTime=start, endTime=end))
        return [row["orderId"] for row in rows]

    assert between(times[1], times[2]) == ids[1:]
    assert between(times[0], times[1] - 1) == ids[:1]


def test_all_orders_reaches_seven_days(virtual: Sim) -> None:
    start = virtual.now_ms
    day = 86_400_000
    answer = virtual.wire.get("/fapi/v1/allOrders", symbol=BTC, startTime=start - 8 * day, endTime=start)
    refused(answer, -4165, -1127)


def test_unfilled_ended_orders_vanish_after_three_days(virtual: Sim) -> None:
    cancelled = ok(virtual.order("BUY", "LONG", "0.010", "49000"))["orderId"]
    ok(virtual.wire.delete("/fapi/v1/order", symbol=BTC, orderId=cancelled))
    filled = ok(virtual.order("BUY", "LONG", "0.010"))["orderId"]
    virtual.advance(3 * 86_400_000 - 1000)
    assert virtual.get_order(cancelled)["status"] == "CANCELED"
    virtual.advance(2000)
    refused(virtual.wire.get("/fapi/v1/order", symbol=BTC, orderId=cancelled), -2013)
    assert virtual.get_order(filled)["status"] == "FILLED"
    virtual.advance(88 * 86_400_000)
    refused(virtual.wire.get("/fapi/v1/order", symbol=BTC, orderId=filled), -2013)


@pytest.mark.parametrize("limit", [0, 1001])
@pytest.mark.parametrize("path", ["/fapi/v1/allOrders", "/fapi/v1/userTrades"])
def test_limits_of_lists_are_bounded(sim: Sim, path: str, limit: int) -> None:
    answer = sim.wire.get(path, symbol=BTC, limit=limit)
    if limit > 1000 and answer.status == 200:
        return  # cut to 1000
    refused(answer, -1130, -1100, -1102)


# ---------------------------------------------------------------- trades


def test_user_trades(sim: Sim) -> None:
    order = ok(sim.order("BUY", "LONG", "0.010"))
    (trade,) = sim.trades()
    shape(trade, TRADE, TRADE_OPTIONAL)
    assert (trade["orderId"], trade["side"], trade["positionSide"]) == (order["orderId"], "BUY", "LONG")
    assert (trade["buyer"], trade["maker"], trade["commissionAsset"]) == (True, False, "USDT")
    assert "clientOrderId" not in trade
    figures = {name: float(trade[name]) for name in ("price", "qty", "quoteQty", "commission", "realizedPnl")}
    assert figures == {"price": 50000, "qty": 0.01, "quoteQty": 500, "commission": 0.25, "realizedPnl": 0}


def test_user_trades_are_paged_by_id(sim: Sim) -> None:
    orders = [ok(sim.order("BUY", "LONG", "0.010"))["orderId"] for _ in range(5)]
    ids = [row["id"] for row in sim.trades()]
    assert ids == sorted(set(ids))
    assert len(ids) == 5
    assert [row["id"] for row in sim.trades(fromId=ids[2])] == ids[2:]
    assert [row["id"] for row in sim.trades(fromId=ids[1], limit=2)] == ids[1:3]
    assert [row["id"] for row in sim.trades(fromId=ids[4] + 1)] == []
    assert [row["id"] for row in sim.trades(limit=2)] == ids[-2:], "without fromId: the newest, ascending"
    assert [row["id"] for row in sim.trades(orderId=orders[3])] == ids[3:4]


def test_user_trades_take_from_id_or_times(virtual: Sim) -> None:
    ok(virtual.order("BUY", "LONG", "0.010"))
    first = virtual.now_ms
    virtual.advance(60_000)
    ok(virtual.order("BUY", "LONG", "0.010"))
    assert len(virtual.trades(startTime=first, endTime=first)) == 1
    assert len(virtual.trades(startTime=first, endTime=virtual.now_ms)) == 2
    assert len(virtual.trades(startTime=first + 1)) == 1
    answer = virtual.wire.get("/fapi/v1/userTrades", symbol=BTC, fromId=1, startTime=first)
    refused(answer, -1128, -1106, -1130)
    refused(
        virtual.wire.get("/fapi/v1/userTrades", symbol=BTC, startTime=first - 8 * 86_400_000, endTime=first),
        -4165,
        -1127,
    )


def test_user_trades_default_to_seven_days(virtual: Sim) -> None:
    ok(virtual.order("BUY", "LONG", "0.010"))
    then = virtual.now_ms
    virtual.advance(7 * 86_400_000 + 60_000)
    assert virtual.trades() == []
    (trade,) = virtual.trades(startTime=then, endTime=then + 1000)
    assert [row["id"] for row in virtual.trades(fromId=trade["id"])] == [trade["id"]]


def test_user_trades_need_a_symbol(sim: Sim) -> None:
    refused(sim.wire.get("/fapi/v1/userTrades"), -1102)
