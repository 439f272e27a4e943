"""The messages of one hedge trade from entry to stop, and the order of the three messages of a fill."""

from itertools import permutations

import pytest

from tests.simulator.core.driver import BTC, Driver


def test_one_hedge_trade() -> None:
    exchange = Driver({"depth": "0.006"})
    exchange.mark(50000, bid="49999.9", ask="50000")
    entry = exchange.order("BUY", "LONG", "0.010", newClientOrderId="e1")
    events = exchange.events()
    first, second = (event["o"] for event in events if event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["t"])
    told = [(one["l"], one["z"], float(one["L"]), one["n"], one["rp"], one["X"]) for one in (first, second)]
    assert told == [
        ("0.006", "0.006", 50000.0, "0.15000000", "0", "PARTIALLY_FILLED"),
        ("0.004", "0.010", 50000.1, "0.10000020", "0", "FILLED"),
    ]
    assert {one["i"] for one in (first, second)} == {entry["orderId"]}
    assert [event["e"] for event in events] == [
        "ORDER_TRADE_UPDATE",
        *(["TRADE_LITE", "ORDER_TRADE_UPDATE"] * 2),
        "ACCOUNT_UPDATE",
    ]
    update = events[-1]["a"]
    assert update["B"] == [{"a": "USDT", "wb": "99999.74999980", "cw": "99999.74999980", "bc": "0"}]
    assert [(row["ps"], row["pa"], row["ep"]) for row in update["P"]] == [("LONG", "0.010", "50000.04")]

    stop = exchange.algo(
        "SELL", "LONG", "STOP_MARKET", 49000, closePosition=True, workingType="MARK_PRICE", clientAlgoId="s1"
    )
    (placed,) = exchange.events("ALGO_UPDATE")
    assert (placed["o"]["X"], placed["o"]["aid"], placed["o"]["caid"]) == ("NEW", stop["algoId"], "s1")
    exchange.mark(49000, bid=49000, ask="49000.1")
    events = exchange.events()
    kinds = [(event["e"], event["o"]["X"] if "o" in event else "") for event in events]
    assert kinds == [
        ("ALGO_UPDATE", "TRIGGERING"),
        ("ALGO_UPDATE", "TRIGGERED"),
        ("ORDER_TRADE_UPDATE", "NEW"),
        ("TRADE_LITE", ""),
        ("ORDER_TRADE_UPDATE", "PARTIALLY_FILLED"),
        ("TRADE_LITE", ""),
        ("ORDER_TRADE_UPDATE", "FILLED"),
        ("ACCOUNT_UPDATE", ""),
        ("ALGO_UPDATE", "FINISHED"),
    ]
    assert (events[-1]["o"]["ap"], events[-1]["o"]["aq"]) == ("48999.96", "0.010")
    (row,) = events[-2]["a"]["P"]
    assert (row["pa"], row["ep"], row["cr"], row["up"]) == ("0", "0.0", "-10.0008", "0.00000000")
    trades = exchange.call("GET", "v1/userTrades", symbol=BTC, fromId=first["t"])
    assert [row["id"] for row in trades] == [first["t"] + place for place in range(4)]
    kinds_of_income = [kind for kind, _ in exchange.income()]
    assert (kinds_of_income.count("COMMISSION"), kinds_of_income.count("REALIZED_PNL")) == (4, 2)
    assert exchange.call("GET", "v3/positionRisk", symbol=BTC) == []


@pytest.mark.parametrize("order", list(permutations(["TRADE_LITE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"])))
def test_the_messages_of_a_fill_come_in_any_order(order: tuple[str, ...]) -> None:
    exchange = Driver({"event_order": order})
    exchange.order("BUY", "LONG", "0.010")
    events = exchange.events()
    assert [event["e"] for event in events[1:]] == list(order)
    assert len({event["T"] for event in events}) == 1


def test_a_flat_row_of_both_may_be_listed() -> None:
    exchange = Driver({"both_row_in_hedge": True})
    exchange.order("BUY", "LONG", "0.010")
    (update,) = exchange.events("ACCOUNT_UPDATE")
    assert [(row["ps"], row["pa"]) for row in update["a"]["P"]] == [("LONG", "0.010"), ("BOTH", "0")]


def test_a_resting_order_changes_no_account() -> None:
    exchange = Driver()
    exchange.order("BUY", "LONG", "0.010", "49000")
    exchange.call("DELETE", "v1/allOpenOrders", symbol=BTC)
    events = exchange.events()
    assert [(event["e"], event["o"]["x"]) for event in events] == [
        ("ORDER_TRADE_UPDATE", "NEW"),
        ("ORDER_TRADE_UPDATE", "CANCELED"),
    ]
    assert (events[0]["o"]["b"], events[1]["o"]["b"]) == ("490", "0")


def test_market_streams_tell_of_a_price() -> None:
    exchange = Driver()
    exchange.mark(51000)
    streams = {event.stream: event.payload for event in exchange.exchange.take_events() if not event.user}
    assert set(streams) == {
        "btcusdt@markPrice",
        "btcusdt@bookTicker",
        "btcusdt@kline_1m",
        "btcusdt_perpetual@continuousKline_1m",
        "btcusdt@depth20",
    }
    assert streams["btcusdt@markPrice"]["p"] == "51000.00000000"
    assert (streams["btcusdt@bookTicker"]["b"], streams["btcusdt@bookTicker"]["a"]) == ("50999.90", "51000.10")
    assert len(streams["btcusdt@depth20"]["b"]) == 20
    exchange.order("BUY", "LONG", "0.010")
    (trade,) = [event.payload for event in exchange.exchange.take_events() if event.stream == "btcusdt@aggTrade"]
    assert (trade["p"], trade["q"], trade["m"]) == ("51000.10", "0.010", False)
