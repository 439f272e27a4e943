"""Closes that the exchange forces: auto-deleveraging and settlement (Binance docs, Event Order Update)."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.conformance.documents import is_decimal, is_integer, is_text, number, shape
from tests.simulator.conformance.sim import BTC, ETH, Sim
from tests.simulator.conformance.test_user_stream import ENVELOPE, EXTRA, ORDER, ORDER_OPTIONAL
from tests.simulator.conformance.wire import Answer, ok, refused

HELD = [
    {"symbol": BTC, "positionSide": "LONG", "qty": "0.2", "entryPrice": "49000"},
    {"symbol": BTC, "positionSide": "SHORT", "qty": "0.1", "entryPrice": "51000"},
]
CLOSING = {"LONG": "SELL", "SHORT": "BUY"}


@pytest.fixture
def held(sim: Sim) -> Sim:
    """Both legs of bitcoin, each in profit."""
    sim.reset(marks={BTC: "50000", ETH: "3000"}, positions=HELD)
    return sim


def with_option(sim: Sim, **options: Any) -> None:
    sim.reset(marks={BTC: "50000"}, positions=HELD, options=options)


def deleverage(sim: Sim, leg: str = "LONG", qty: str = "0.2", **more: str) -> Answer:
    return sim.control("POST", "/sim/adl", {"symbol": BTC, "positionSide": leg, "qty": qty, **more})


def settle(sim: Sim, price: str = "50000", **more: str) -> Answer:
    return sim.control("POST", "/sim/settle", {"symbol": BTC, "price": price, **more})


def orders_of(events: list[Any]) -> list[Any]:
    return [event["o"] for event in events if event["e"] == "ORDER_TRADE_UPDATE"]


def status_of(sim: Sim) -> str:
    symbols = ok(sim.wire.public("/fapi/v1/exchangeInfo"))["symbols"]
    return str(next(one["status"] for one in symbols if one["symbol"] == BTC))


# ---------------------------------------------------------------- auto-deleveraging


@pytest.mark.parametrize(("leg", "gain"), [("LONG", 100), ("SHORT", 100)])
def test_a_leg_is_deleveraged_and_told_and_booked(held: Sim, leg: str, gain: int) -> None:
    size = "0.1"
    before = number(held.leg(leg)["positionAmt"])
    with held.user_stream() as stream:
        ok(deleverage(held, leg, size))
        events = stream.events()
    (update,) = [event for event in events if event["e"] == "ORDER_TRADE_UPDATE"]
    shape(update, {**ENVELOPE, "o": lambda o: isinstance(o, dict)}, EXTRA)
    told = update["o"]
    shape(told, ORDER, ORDER_OPTIONAL)
    assert (told["c"], told["x"], told["X"]) == ("adl_autoclose", "CALCULATED", "NEW_ADL")
    assert (told["S"], told["ps"], told["l"], told["z"]) == (CLOSING[leg], leg, size, size)
    assert (number(told["L"]), number(told["rp"])) == (50000, gain)
    (balance,) = [event for event in events if event["e"] == "ACCOUNT_UPDATE"]
    assert balance["a"]["m"] == "ORDER"
    after = before - (number(size) if leg == "LONG" else -number(size))
    assert [number(row["pa"]) for row in balance["a"]["P"] if row["ps"] == leg] == [after]
    assert number(held.leg(leg)["positionAmt"]) == after

    (trade,) = held.trades()
    assert (trade["id"], trade["orderId"], trade["positionSide"]) == (told["t"], told["i"], leg)
    assert number(trade["realizedPnl"]) == gain
    assert (trade["commission"], trade["commission"]) == ("2.50000000", told["n"])
    assert [(row["incomeType"], number(row["income"])) for row in held.income()] == [
        ("REALIZED_PNL", gain),
        ("COMMISSION", Decimal("-2.5")),
    ]
    assert number(held.asset()["walletBalance"]) == number(balance["a"]["B"][0]["wb"])
    found = held.get_order(told["i"])
    assert (found["status"], found["clientOrderId"], number(found["avgPrice"])) == ("FILLED", "adl_autoclose", 50000)


def test_the_price_may_be_another_than_the_mark(held: Sim) -> None:
    ok(deleverage(held, price="49100"))
    assert [number(trade["price"]) for trade in held.trades()] == [49100]
    assert number(held.trades()[0]["realizedPnl"]) == 20


def test_the_same_client_id_comes_again(held: Sim) -> None:
    with held.user_stream() as stream:
        for _ in range(2):
            ok(deleverage(held, qty="0.05"))
        told = orders_of(stream.events())
    assert [one["c"] for one in told] == ["adl_autoclose"] * 2
    assert len({one["i"] for one in told}) == len({one["t"] for one in told}) == 2


def test_closing_orders_beyond_what_is_left_expire(held: Sim) -> None:
    target = ok(held.order("SELL", "LONG", "0.2", "52000"))["orderId"]
    stop = ok(held.algo("SELL", "LONG", "STOP_MARKET", "45000", closePosition=True))["algoId"]
    own = ok(held.algo("SELL", "LONG", "STOP_MARKET", "44000", quantity="0.1"))["algoId"]
    ok(deleverage(held, qty="0.1"))
    assert held.get_order(target)["status"] == "EXPIRED"
    assert held.get_algo(stop)["algoStatus"] == "NEW"
    ok(deleverage(held, qty="0.1"))
    assert held.get_algo(stop)["algoStatus"] == "EXPIRED"
    assert held.get_algo(own)["algoStatus"] == "NEW", "an order with a quantity waits whatever the leg holds"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("captured", [("CALCULATED", "NEW_ADL", "0.2")]),
        ("calculated", [("CALCULATED", "NEW_ADL", "0.2")]),
        ("trade", [("TRADE", "FILLED", "0.2")]),
        ("announced", [("CALCULATED", "NEW_ADL", "0"), ("TRADE", "FILLED", "0.2")]),
    ],
)
def test_it_may_be_told_in_other_ways(sim: Sim, form: str, expected: list[tuple[str, str, str]]) -> None:
    with_option(sim, forced_messages=form)
    with sim.user_stream() as stream:
        ok(deleverage(sim))
        events = stream.events()
    assert [(one["x"], one["X"], one["l"]) for one in orders_of(events)] == expected
    assert ("TRADE_LITE" in {event["e"] for event in events}) is (expected[-1][0] == "TRADE")
    assert [one["t"] for one in orders_of(events)][-1] == sim.trades()[-1]["id"]


def test_it_may_cost_nothing(sim: Sim) -> None:
    with_option(sim, forced_fee=False)
    ok(deleverage(sim))
    assert [row["incomeType"] for row in sim.income()] == ["REALIZED_PNL"]


@pytest.mark.parametrize(
    "document",
    [
        {"symbol": BTC, "positionSide": "LONG", "qty": "0.201"},
        {"symbol": BTC, "positionSide": "LONG", "qty": "0.0005"},
        {"symbol": BTC, "positionSide": "LONG", "qty": "0"},
        {"symbol": BTC, "positionSide": "BOTH", "qty": "0.1"},
        {"symbol": ETH, "positionSide": "LONG", "qty": "0.1"},
        {"symbol": "NONEUSDT", "positionSide": "LONG", "qty": "0.1"},
        {"symbol": BTC, "positionSide": "LONG", "qty": "0.1", "price": "-1"},
    ],
)
def test_what_cannot_be_deleveraged_is_refused(held: Sim, document: dict[str, str]) -> None:
    answer = held.control("POST", "/sim/adl", document)
    assert 400 <= answer.status < 500
    assert held.trades() == []


# ---------------------------------------------------------------- settlement


def test_a_symbol_is_settled(held: Sim) -> None:
    resting = ok(held.order("BUY", "LONG", "0.010", "49000"))["orderId"]
    stop = ok(held.algo("SELL", "LONG", "STOP_MARKET", "45000", quantity="0.2"))["algoId"]
    with held.user_stream() as stream:
        ok(settle(held, "50500"))
        told = orders_of(stream.events())
    gone, *closes = told
    assert (gone["i"], gone["x"], gone["er"]) == (resting, "EXPIRED", "7")
    assert held.get_algo(stop)["algoStatus"] == "EXPIRED"
    assert all(one["c"].startswith("settlement_autoclose-") for one in closes)
    assert len({one["c"] for one in closes}) == 2
    assert [(one["ps"], one["S"], one["x"], one["X"], number(one["L"]), number(one["rp"])) for one in closes] == [
        ("LONG", "SELL", "TRADE", "FILLED", 50500, 300),
        ("SHORT", "BUY", "TRADE", "FILLED", 50500, 50),
    ]
    assert {number(held.leg(side)["positionAmt"]) for side in ("LONG", "SHORT")} == {0}
    assert [number(trade["realizedPnl"]) for trade in held.trades()] == [300, 50]
    total = sum(number(row["income"]) for row in held.income())
    assert total == 350 - Decimal("0.3") * 50500 * Decimal("0.0005")
    assert number(held.asset()["walletBalance"]) == 100_000 + total


@pytest.mark.parametrize("status", ["SETTLING", "CLOSE"])
def test_a_settled_symbol_trades_no_more(held: Sim, status: str) -> None:
    assert status_of(held) == "TRADING"
    ok(settle(held, status=status))
    assert status_of(held) == status
    refused(held.order("BUY", "LONG", "0.010"), -1122, -4140, -4141)
    refused(held.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity="0.010"), -1122, -4140, -4141)
    ok(held.order("BUY", "LONG", "0.010", symbol=ETH))


def test_a_settled_symbol_pays_no_funding(virtual: Sim) -> None:
    ok(settle(virtual))
    virtual.advance(16 * 3_600_000)
    rows = ok(virtual.wire.public("/fapi/v1/fundingRate"))
    assert {row["symbol"] for row in rows} == {ETH}


@pytest.mark.parametrize(
    "document", [{"symbol": BTC}, {"symbol": "NONEUSDT", "price": "5"}, {"symbol": BTC, "price": "5", "status": "GONE"}]
)
def test_what_cannot_be_settled_is_refused(held: Sim, document: dict[str, str]) -> None:
    assert 400 <= held.control("POST", "/sim/settle", document).status < 500
    assert status_of(held) == "TRADING"


def test_the_answer_names_what_was_caused(held: Sim) -> None:
    answer = ok(deleverage(held))
    shape(answer, {"now_ms": is_integer, "virtual": lambda one: isinstance(one, bool), "caused": list_of_events})
    assert {event["e"] for event in answer["caused"]} == {"ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"}


def list_of_events(value: Any) -> bool:
    return isinstance(value, list) and all(is_text(event["e"]) for event in value)


@pytest.mark.parametrize("form", ["captured", "trade", "announced"])
def test_a_liquidation_may_be_told_in_other_ways(sim: Sim, form: str) -> None:
    sim.reset(wallet="1000", positions=[HELD[0] | {"entryPrice": "50000"}], options={"forced_messages": form})
    with sim.user_stream() as stream:
        sim.mark(BTC, "45100")
        told = orders_of(stream.events())
    expected = {
        "captured": [("CALCULATED", "FILLED", "0.2")],
        "trade": [("TRADE", "FILLED", "0.2")],
        "announced": [("CALCULATED", "NEW", "0"), ("TRADE", "FILLED", "0.2")],
    }
    assert [(one["x"], one["X"], one["l"]) for one in told] == expected[form]
    assert all(one["c"].startswith("autoclose-") and is_decimal(one["n"]) for one in told)
