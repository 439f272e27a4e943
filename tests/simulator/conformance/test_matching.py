"""How orders meet the market: taking, resting, expiring, and the order of what is told."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.conformance.documents import number
from tests.simulator.conformance.sim import BTC, Sim
from tests.simulator.conformance.symbols import symbol
from tests.simulator.conformance.wire import ok, refused


def levels(sim: Sim, depth: str, number: int = 20, **options: Any) -> None:
    """Make a book of ``number`` levels, one tick apart, with ``depth`` on each."""
    sim.reset(options={"depth": depth, "levels": number, **options})
    sim.mark(BTC, "50000", bid="49999.9", ask="50000")


def updates(events: list[Any]) -> list[Any]:
    return [event["o"] for event in events if event["e"] == "ORDER_TRADE_UPDATE"]


@pytest.mark.parametrize(
    ("side", "leg", "limit", "price"), [("BUY", "LONG", "50500", "50000"), ("SELL", "SHORT", "49500", "49999.9")]
)
def test_a_crossing_limit_takes_at_the_price_of_the_book(sim: Sim, side: str, leg: str, limit: str, price: str) -> None:
    ok(sim.order(side, leg, "0.010", limit))
    (trade,) = sim.trades()
    assert (number(trade["price"]), trade["maker"]) == (number(price), False)
    assert number(trade["commission"]) == number(price) * Decimal("0.01") * Decimal("0.0005")


@pytest.mark.parametrize(
    ("side", "leg", "limit", "crossed"), [("BUY", "LONG", "49000", "48900"), ("SELL", "SHORT", "51000", "51100")]
)
def test_a_resting_order_makes_at_its_own_price(sim: Sim, side: str, leg: str, limit: str, crossed: str) -> None:
    order = ok(sim.order(side, leg, "0.010", limit))
    sim.mark(BTC, crossed)
    assert sim.get_order(order["orderId"])["status"] == "FILLED"
    (trade,) = sim.trades()
    assert (number(trade["price"]), trade["maker"]) == (number(limit), True)
    assert number(trade["commission"]) == number(limit) * Decimal("0.01") * Decimal("0.0002")


def test_a_resting_order_can_be_filled_by_hand_in_parts(sim: Sim) -> None:
    order = ok(sim.order("BUY", "LONG", "0.010", "49000"))
    with sim.user_stream() as stream:
        sim.fill(order["orderId"], "0.004", "49000", maker=True)
        assert sim.get_order(order["orderId"])["status"] == "PARTIALLY_FILLED"
        sim.fill(order["orderId"], "0.006", "48990", maker=False)
        told = updates(stream.events())
    assert [(event["X"], number(event["l"]), number(event["z"]), event["m"]) for event in told] == [
        ("PARTIALLY_FILLED", Decimal("0.004"), Decimal("0.004"), True),
        ("FILLED", Decimal("0.006"), Decimal("0.010"), False),
    ]
    assert number(told[-1]["ap"]) == Decimal(48994)
    assert number(sim.leg("LONG")["entryPrice"]) == Decimal(48994)
    assert number(sim.get_order(order["orderId"])["cumQuote"]) == Decimal("489.94")


def test_a_market_order_fills_over_several_levels(sim: Sim) -> None:
    levels(sim, "0.006")
    with sim.user_stream() as stream:
        order = ok(sim.order("BUY", "LONG", "0.010"))
        told = updates(stream.events())
    assert [(event["x"], event["X"]) for event in told] == [
        ("NEW", "NEW"),
        ("TRADE", "PARTIALLY_FILLED"),
        ("TRADE", "FILLED"),
    ]
    fills = told[1:]
    assert [(number(one["L"]), number(one["l"])) for one in fills] == [
        (Decimal(50000), Decimal("0.006")),
        (Decimal("50000.1"), Decimal("0.004")),
    ]
    assert fills[0]["t"] < fills[1]["t"]
    assert number(sim.get_order(order["orderId"])["avgPrice"]) == Decimal("50000.04")
    assert [number(row["commission"]) for row in sim.trades()] == [Decimal("0.15"), Decimal("0.1000002")]


def test_what_a_market_order_cannot_fill_expires(sim: Sim) -> None:
    levels(sim, "0.006", 1)
    with sim.user_stream() as stream:
        order = ok(sim.order("BUY", "LONG", "0.010"))
        told = updates(stream.events())
    assert (told[-1]["x"], told[-1]["X"], told[-1]["er"]) == ("EXPIRED", "EXPIRED", "9")
    asked = sim.get_order(order["orderId"])
    assert (asked["status"], number(asked["executedQty"])) == ("EXPIRED", Decimal("0.006"))


def test_a_market_order_trades_no_further_than_its_bound(sim: Sim) -> None:
    entry = symbol(BTC, marketTakeBound="0.0001", filters={"PRICE_FILTER": {"tickSize": "1.00", "minPrice": "1"}})
    sim.reset(symbols=[entry], marks={BTC: "50000"}, options={"depth": "0.001", "levels": 50})
    sim.mark(BTC, "50000", bid="49999", ask="50001")
    with sim.user_stream() as stream:
        order = ok(sim.order("BUY", "LONG", "0.020"))
        told = updates(stream.events())
    assert (told[-1]["X"], told[-1]["er"]) == ("EXPIRED", "9")
    assert number(sim.get_order(order["orderId"])["executedQty"]) == Decimal("0.005"), "50001 … 50005"
    assert max(number(trade["price"]) for trade in sim.trades()) == 50005


def test_what_an_immediate_order_cannot_fill_expires(sim: Sim) -> None:
    levels(sim, "0.006")
    with sim.user_stream() as stream:
        order = ok(sim.order("BUY", "LONG", "0.010", "50000", timeInForce="IOC"))
        told = updates(stream.events())
    assert (told[-1]["x"], told[-1]["X"], told[-1]["er"]) == ("EXPIRED", "EXPIRED", "2")
    assert number(sim.get_order(order["orderId"])["executedQty"]) == Decimal("0.006")


def test_a_limit_order_rests_with_what_it_could_not_take(sim: Sim) -> None:
    levels(sim, "0.006")
    order = ok(sim.order("BUY", "LONG", "0.010", "50000"))
    asked = sim.get_order(order["orderId"])
    assert (asked["status"], number(asked["executedQty"])) == ("PARTIALLY_FILLED", Decimal("0.006"))
    cancelled = ok(sim.wire.delete("/fapi/v1/order", symbol=BTC, orderId=order["orderId"]))
    assert (cancelled["status"], number(cancelled["executedQty"])) == ("CANCELED", Decimal("0.006"))


def test_fill_or_kill_is_refused_and_leaves_no_trace(sim: Sim) -> None:
    levels(sim, "0.006")
    refused(sim.order("BUY", "LONG", "0.010", "50000", timeInForce="FOK", newClientOrderId="fok"), -5021)
    refused(sim.wire.get("/fapi/v1/order", symbol=BTC, origClientOrderId="fok"), -2013)
    assert ok(sim.wire.get("/fapi/v1/allOrders", symbol=BTC)) == []
    assert sim.trades() == []


@pytest.mark.parametrize(("side", "leg", "price"), [("BUY", "LONG", "50000"), ("SELL", "SHORT", "49999.9")])
def test_post_only_is_refused_and_leaves_no_trace(sim: Sim, side: str, leg: str, price: str) -> None:
    refused(sim.order(side, leg, "0.010", price, timeInForce="GTX", newClientOrderId="gtx"), -5022)
    refused(sim.wire.get("/fapi/v1/order", symbol=BTC, origClientOrderId="gtx"), -2013)
    assert ok(sim.wire.get("/fapi/v1/allOrders", symbol=BTC)) == []


def test_post_only_rests_behind_the_market(sim: Sim) -> None:
    order = ok(sim.order("BUY", "LONG", "0.010", "49999.9", timeInForce="GTX"))
    assert (order["status"], order["timeInForce"]) == ("NEW", "GTX")


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        ("EXPIRE_TAKER", "EXPIRED_IN_MATCH", "NEW"),
        ("EXPIRE_MAKER", "NEW", "EXPIRED_IN_MATCH"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
    ],
)
def test_an_account_does_not_trade_with_itself(sim: Sim, mode: str, taker: str, maker: str) -> None:
    sim.mark(BTC, "50000", bid="49000", ask="51000")
    first = ok(sim.order("SELL", "SHORT", "0.010", "50000"))["orderId"]
    second = ok(sim.order("BUY", "LONG", "0.010", "50000", selfTradePreventionMode=mode))["orderId"]
    assert [sim.get_order(one)["status"] for one in (second, first)] == [taker, maker]
    assert sim.trades() == []


def test_slippage_moves_market_orders(sim: Sim) -> None:
    sim.reset(options={"slippage_ticks": 3})
    sim.mark(BTC, "50000", bid="49999.9", ask="50000")
    ok(sim.order("BUY", "LONG", "0.010"))
    ok(sim.order("SELL", "SHORT", "0.010"))
    assert [number(trade["price"]) for trade in sim.trades()] == [Decimal("50000.3"), Decimal("49999.6")]


def test_latency_lets_orders_wait_for_the_matching_engine(virtual: Sim) -> None:
    virtual.reset(options={"latency_ms": 500})
    virtual.mark(BTC, "50000", bid="49999.9", ask="50000")
    order = ok(virtual.order("BUY", "LONG", "0.010"))
    assert virtual.get_order(order["orderId"])["status"] == "NEW"
    virtual.mark(BTC, "50100", bid="50099.9", ask="50100")
    virtual.advance(500)
    assert virtual.get_order(order["orderId"])["status"] == "FILLED"
    assert number(virtual.trades()[0]["price"]) == 50100


def test_an_order_just_placed_may_not_be_found_yet(virtual: Sim) -> None:
    virtual.reset(options={"not_found_lag_ms": 1500})
    order = ok(virtual.order("BUY", "LONG", "0.010"))
    refused(virtual.wire.get("/fapi/v1/order", symbol=BTC, orderId=order["orderId"]), -2013)
    virtual.advance(1500)
    assert virtual.get_order(order["orderId"])["status"] == "FILLED"


def test_price_time_priority_of_resting_orders(sim: Sim) -> None:
    first, better, second = (
        ok(sim.order("BUY", "LONG", "0.010", price))["orderId"] for price in ("49000", "49100", "49000")
    )
    sim.mark(BTC, "48000")
    assert [trade["orderId"] for trade in sim.trades()] == [better, first, second]


def test_same_inputs_same_answers(virtual: Sim) -> None:
    def run() -> list[str]:
        virtual.reset(options={"depth": "0.006"})
        virtual.mark(BTC, "50000", bid="49999.9", ask="50000")
        texts = [
            virtual.order("BUY", "LONG", "0.010").text,
            virtual.order("SELL", "SHORT", "0.020", "50100").text,
            virtual.algo("SELL", "LONG", "STOP_MARKET", "49000", closePosition="true").text,
        ]
        virtual.mark(BTC, "49000")
        virtual.mark(BTC, "50200")
        paths = ("/fapi/v1/allOrders", "/fapi/v1/userTrades", "/fapi/v1/allAlgoOrders", "/fapi/v1/income")
        texts += [virtual.wire.get(path, symbol=BTC).text for path in paths]
        return [*texts, virtual.wire.get("/fapi/v3/account").text]

    assert run() == run()
