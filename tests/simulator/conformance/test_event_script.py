"""One hedge trade from entry to stop, event by event: what an engine must be able to follow."""

from decimal import Decimal
from typing import Any

from tests.simulator.conformance.documents import number
from tests.simulator.conformance.sim import BTC, Sim
from tests.simulator.conformance.wire import ok


def brief(event: dict[str, Any]) -> tuple[Any, ...]:
    """Return kind and what tells one event from the next."""
    if event["e"] == "ORDER_TRADE_UPDATE":
        return (event["e"], event["o"]["x"], event["o"]["X"])
    if event["e"] == "ALGO_UPDATE":
        return (event["e"], event["o"]["X"])
    return (event["e"],)


def without(events: list[Any], kind: str) -> list[tuple[Any, ...]]:
    return [brief(event) for event in events if event["e"] != kind]


def last_row(events: list[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Balance and LONG leg of the last ACCOUNT_UPDATE."""
    update = [event for event in events if event["e"] == "ACCOUNT_UPDATE"][-1]["a"]
    assert update["m"] == "ORDER"
    return update["B"][0], next(row for row in update["P"] if row["ps"] == "LONG")


def test_one_hedge_trade(sim: Sim) -> None:
    sim.reset(options={"depth": "0.006", "event_order": ["TRADE_LITE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"]})
    sim.mark(BTC, "50000", bid="49999.9", ask="50000")
    with sim.user_stream() as stream:
        ack = ok(sim.order("BUY", "LONG", "0.010", newClientOrderId="e1"))
        assert (ack["status"], number(ack["executedQty"])) == ("NEW", 0)
        events = stream.events()
        assert without(events, "ACCOUNT_UPDATE") == [
            ("ORDER_TRADE_UPDATE", "NEW", "NEW"),
            ("TRADE_LITE",),
            ("ORDER_TRADE_UPDATE", "TRADE", "PARTIALLY_FILLED"),
            ("TRADE_LITE",),
            ("ORDER_TRADE_UPDATE", "TRADE", "FILLED"),
        ]
        first, second = (event["o"] for event in events if event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["t"])
        assert (first["c"], first["ps"], first["i"]) == ("e1", "LONG", ack["orderId"])
        figures = [tuple(number(one[name]) for name in ("l", "z", "L", "n", "rp")) for one in (first, second)]
        assert figures == [
            (Decimal("0.006"), Decimal("0.006"), Decimal("50000.0"), Decimal("0.15"), 0),
            (Decimal("0.004"), Decimal("0.010"), Decimal("50000.1"), Decimal("0.1000002"), 0),
        ]
        balance, leg = last_row(events)
        assert (number(leg["pa"]), number(leg["ep"])) == (Decimal("0.010"), Decimal("50000.04"))
        assert number(balance["wb"]) == Decimal(100000) - Decimal("0.2500002")

        stop = ok(
            sim.algo(
                "SELL",
                "LONG",
                "STOP_MARKET",
                "49000",
                closePosition="true",
                workingType="MARK_PRICE",
                clientAlgoId="s1",
            )
        )
        assert stop["algoStatus"] == "NEW"
        (event,) = stream.events()
        told = event["o"]
        assert (told["X"], told["aid"], told["caid"], told["cp"]) == ("NEW", stop["algoId"], "s1", True)

        sim.control("POST", "/sim/mark", {"symbol": BTC, "price": "49000", "bid": "49000", "ask": "49000.1"})
        events = stream.events()

    assert without(events, "ACCOUNT_UPDATE") == [
        ("ALGO_UPDATE", "TRIGGERING"),
        ("ALGO_UPDATE", "TRIGGERED"),
        ("ORDER_TRADE_UPDATE", "NEW", "NEW"),
        ("TRADE_LITE",),
        ("ORDER_TRADE_UPDATE", "TRADE", "PARTIALLY_FILLED"),
        ("TRADE_LITE",),
        ("ORDER_TRADE_UPDATE", "TRADE", "FILLED"),
        ("ALGO_UPDATE", "FINISHED"),
    ]
    triggering, triggered, finished = (event["o"] for event in events if event["e"] == "ALGO_UPDATE")
    orders = [event["o"] for event in events if event["e"] == "ORDER_TRADE_UPDATE"]
    assert (triggering["ai"], triggered["ai"]) == ("", str(orders[0]["i"]))
    assert {(one["S"], one["ps"], one["o"], one["ot"] in ("STOP_MARKET", "MARKET")) for one in orders} == {
        ("SELL", "LONG", "MARKET", True)
    }
    assert sum(number(one["rp"]) for one in orders) == Decimal("-10.0008")
    assert (number(finished["aq"]), number(finished["ap"])) == (Decimal("0.010"), Decimal("48999.96"))
    _, leg = last_row(events)
    assert (number(leg["pa"]), number(leg["ep"])) == (0, 0)

    trades = sim.trades(fromId=first["t"])
    assert [trade["id"] for trade in trades[:2]] == [first["t"], second["t"]]
    assert [trade["side"] for trade in trades] == ["BUY", "BUY", "SELL", "SELL"]
    kinds = [row["incomeType"] for row in sim.income(symbol=BTC)]
    assert (kinds.count("COMMISSION"), kinds.count("REALIZED_PNL")) == (4, 2)
    row = sim.leg_v3("LONG")
    assert row is None or number(row["positionAmt"]) == 0
