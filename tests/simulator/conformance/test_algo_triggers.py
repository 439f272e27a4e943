"""When conditional orders fire (Binance docs, trade/rest-api/New-Algo-Order), and their events."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.conformance.documents import (
    ORDER,
    ORDER_OPTIONAL,
    Shape,
    is_decimal,
    is_empty_or_integer_text,
    is_flag,
    is_integer,
    is_text,
    number,
    one_of,
    shape,
)
from tests.simulator.conformance.sim import BTC, Sim
from tests.simulator.conformance.symbols import loose
from tests.simulator.conformance.wire import ok, refused

FIRES = [
    # side, type, trigger, the last price at which it waits, the price at which it fires
    ("BUY", "STOP_MARKET", "51000", "50999.9", "51000"),
    ("SELL", "STOP_MARKET", "49000", "49000.1", "49000"),
    ("BUY", "STOP", "51000", "50999.9", "51000"),
    ("SELL", "STOP", "49000", "49000.1", "49000"),
    ("BUY", "TAKE_PROFIT_MARKET", "49000", "49000.1", "49000"),
    ("SELL", "TAKE_PROFIT_MARKET", "51000", "50999.9", "51000"),
    ("BUY", "TAKE_PROFIT", "49000", "49000.1", "49000"),
    ("SELL", "TAKE_PROFIT", "51000", "50999.9", "51000"),
]
OPENED = {"BUY": "LONG", "SELL": "SHORT"}


def place(sim: Sim, side: str, kind: str, trigger: str, **more: object) -> Any:
    price = {"price": trigger} if kind in ("STOP", "TAKE_PROFIT") else {}
    return sim.algo(side, OPENED[side], kind, trigger, quantity="0.010", **price, **more)


@pytest.mark.parametrize("working_type", ["MARK_PRICE", "CONTRACT_PRICE"])
@pytest.mark.parametrize(("side", "kind", "trigger", "waits", "fires"), FIRES)
def test_it_fires_when_the_price_is_reached(
    sim: Sim, side: str, kind: str, trigger: str, waits: str, fires: str, working_type: str
) -> None:
    order = ok(place(sim, side, kind, trigger, workingType=working_type))
    sim.mark(BTC, waits)
    assert sim.get_algo(order["algoId"])["algoStatus"] == "NEW"
    sim.mark(BTC, fires)
    fired = sim.get_algo(order["algoId"])
    assert fired["algoStatus"] in ("TRIGGERED", "FINISHED")
    assert fired["triggerTime"] > 0
    spawned = sim.get_order(int(fired["actualOrderId"]))
    shape(spawned, ORDER, ORDER_OPTIONAL)
    assert (spawned["side"], spawned["positionSide"]) == (side, OPENED[side])


@pytest.mark.parametrize("working_type", ["MARK_PRICE", "CONTRACT_PRICE"])
@pytest.mark.parametrize("moved", ["MARK_PRICE", "CONTRACT_PRICE"])
def test_it_looks_at_its_own_price_where_mark_and_last_part(sim: Sim, working_type: str, moved: str) -> None:
    order = ok(place(sim, "BUY", "STOP_MARKET", "51000", workingType=working_type))
    if moved == "MARK_PRICE":
        sim.mark(BTC, "51000", bid="49999.9", ask="50000", last="50000")
    else:
        sim.mark(BTC, "50000", bid="49999.9", ask="50000", last="51000")
    assert sim.get_algo(order["algoId"])["algoStatus"] == ("FINISHED" if working_type == moved else "NEW")


@pytest.mark.parametrize(("policy", "status"), [("waits", "NEW"), ("expires", "EXPIRED")])
def test_a_protected_order_does_not_fire_while_the_prices_part(sim: Sim, policy: str, status: str) -> None:
    sim.reset(options={"price_protect": policy})
    order = ok(place(sim, "BUY", "STOP_MARKET", "51000", workingType="CONTRACT_PRICE", priceProtect="TRUE"))
    sim.mark(BTC, "50000", bid="49999.9", ask="50000", last="53000")
    assert sim.get_algo(order["algoId"])["algoStatus"] == status
    sim.mark(BTC, "51500", last="51500")
    assert sim.get_algo(order["algoId"])["algoStatus"] == ("FINISHED" if policy == "waits" else status)


@pytest.mark.parametrize(("side", "kind", "trigger", "waits", "fires"), FIRES)
def test_it_is_refused_when_it_would_fire_at_once(
    sim: Sim, side: str, kind: str, trigger: str, waits: str, fires: str
) -> None:
    upwards = number(trigger) > 50000
    sim.mark(BTC, "51500" if upwards else "48500")
    refused(place(sim, side, kind, trigger), -2021)


def test_a_gap_over_the_trigger_fires_at_the_market(sim: Sim) -> None:
    order = ok(place(sim, "BUY", "STOP_MARKET", "51000"))
    sim.mark(BTC, "53000", bid="52999.9", ask="53000")
    assert sim.get_algo(order["algoId"])["algoStatus"] == "FINISHED"
    assert number(sim.trades()[-1]["price"]) == 53000


def test_a_stop_limit_rests_at_its_price(sim: Sim) -> None:
    order = ok(sim.algo("BUY", "LONG", "STOP", "51000", quantity="0.010", price="50500"))
    sim.mark(BTC, "51000", bid="50999.9", ask="51000")
    fired = sim.get_algo(order["algoId"])
    assert fired["algoStatus"] == "TRIGGERED"
    spawned = sim.get_order(int(fired["actualOrderId"]))
    assert (spawned["status"], number(spawned["price"])) == ("NEW", 50500)
    assert [row["orderId"] for row in ok(sim.wire.get("/fapi/v1/openOrders", symbol=BTC))] == [spawned["orderId"]]
    sim.mark(BTC, "50400", bid="50399.9", ask="50400")
    assert sim.get_algo(order["algoId"])["algoStatus"] == "FINISHED"


def test_cancelling_what_it_became_finishes_it_unfilled(sim: Sim) -> None:
    order = ok(sim.algo("BUY", "LONG", "STOP", "51000", quantity="0.010", price="50500"))
    sim.mark(BTC, "51000", bid="50999.9", ask="51000")
    spawned = int(sim.get_algo(order["algoId"])["actualOrderId"])
    with sim.user_stream() as stream:
        ok(sim.wire.delete("/fapi/v1/order", symbol=BTC, orderId=spawned))
        (event,) = stream.of("ALGO_UPDATE")
    assert (event["o"]["X"], number(event["o"]["aq"])) == ("FINISHED", 0)


@pytest.mark.parametrize("policy", ["reject", "cut"])
def test_a_stop_larger_than_its_leg_is_rejected_or_cut(sim: Sim, policy: str) -> None:
    """Undocumented, so an option: in no case is a position of the other direction opened."""
    sim.reset(options={"closing_overflow": policy})
    ok(sim.order("BUY", "LONG", "0.010"))
    order = ok(sim.algo("SELL", "LONG", "STOP_MARKET", "49000", quantity="0.010"))
    ok(sim.order("SELL", "LONG", "0.006"))
    sim.mark(BTC, "49000")
    left = number(sim.leg("LONG")["positionAmt"])
    status = sim.get_algo(order["algoId"])["algoStatus"]
    assert (status, left) == (("REJECTED", number("0.004")) if policy == "reject" else ("FINISHED", 0))
    assert number(sim.leg("SHORT")["positionAmt"]) == 0


def far_apart(sim: Sim, **options: Any) -> None:
    """Reset to ticks of 1000: the last price is the mark price cut to thousands."""
    rules = loose(BTC, 1, 3, triggerProtect="0.0100")
    rules["filters"][0] |= {"tickSize": "1000", "minPrice": "1000"}
    sim.reset(symbols=[rules], marks={BTC: "50000"}, options=options)


def moved_apart(sim: Sim, mark: str) -> None:
    sim.mark(BTC, mark)
    last = number(ok(sim.wire.public("/fapi/v2/ticker/price", symbol=BTC))["price"])
    if last == number(mark):
        pytest.skip("this simulator's last price is its mark price")


@pytest.mark.parametrize(("working_type", "status"), [("MARK_PRICE", "NEW"), ("CONTRACT_PRICE", "FINISHED")])
def test_mark_and_last_price_are_looked_at_apart(sim: Sim, working_type: str, status: str) -> None:
    far_apart(sim)
    order = ok(place(sim, "SELL", "STOP_MARKET", "49000", workingType=working_type))
    moved_apart(sim, "49900")
    assert sim.get_algo(order["algoId"])["algoStatus"] == status


@pytest.mark.parametrize("policy", ["waits", "expires"])
def test_a_protected_order_does_not_fire_while_prices_are_apart(sim: Sim, policy: str) -> None:
    far_apart(sim, price_protect=policy)
    order = ok(place(sim, "SELL", "STOP_MARKET", "49000", workingType="CONTRACT_PRICE", priceProtect="TRUE"))
    assert order["priceProtect"] is True
    moved_apart(sim, "49900")
    assert sim.get_algo(order["algoId"])["algoStatus"] == ("NEW" if policy == "waits" else "EXPIRED")
    sim.mark(BTC, "49010")
    assert sim.get_algo(order["algoId"])["algoStatus"] == ("FINISHED" if policy == "waits" else "EXPIRED")


# ---------------------------------------------------------------- trailing


@pytest.mark.parametrize(
    ("side", "activate", "path", "fires"),
    [
        ("SELL", "51000", ["50500", "51000", "52000", "51481"], "51480"),
        ("SELL", "51000", ["50900", "49000"], None),
        ("SELL", None, ["50500", "49996"], "49995"),
        ("BUY", "49000", ["49500", "49000", "48000", "48479.9"], "48480"),
        ("BUY", None, ["49500", "49994"], "49995"),
    ],
)
def test_a_trailing_stop_follows_the_best_price(
    sim: Sim, side: str, activate: str | None, path: list[str], fires: str | None
) -> None:
    order = ok(
        sim.algo(
            side,
            OPENED[side],
            "TRAILING_STOP_MARKET",
            quantity="0.010",
            callbackRate="1",
            activatePrice=activate,
            workingType="MARK_PRICE",
        )
    )
    for price in path:
        sim.mark(BTC, price)
        assert sim.get_algo(order["algoId"])["algoStatus"] == "NEW", price
    if fires is not None:
        sim.mark(BTC, fires)
        assert sim.get_algo(order["algoId"])["algoStatus"] == "FINISHED"


@pytest.mark.parametrize(("side", "activate"), [("BUY", "50100"), ("SELL", "49900")])
def test_activation_must_lie_ahead(sim: Sim, side: str, activate: str) -> None:
    answer = sim.algo(
        side, OPENED[side], "TRAILING_STOP_MARKET", quantity="0.010", callbackRate="1", activatePrice=activate
    )
    refused(answer, -2021, -4135)


def test_activation_is_told_as_new_again(sim: Sim) -> None:
    with sim.user_stream() as stream:
        values = {"quantity": "0.010", "callbackRate": "1", "activatePrice": "51000"}
        ok(sim.algo("SELL", "SHORT", "TRAILING_STOP_MARKET", **values))
        sim.mark(BTC, "51000")
        told = [check(event) for event in stream.of("ALGO_UPDATE")]
    assert [event["X"] for event in told] in (["NEW"], ["NEW", "NEW"])
    if len(told) == 2:
        assert [event["ia"] for event in told] == [False, True]


# ---------------------------------------------------------------- events

ALGO_EVENT: Shape = {
    **dict.fromkeys(("caid", "o", "s", "f", "V", "pm", "rm"), is_text),
    "aid": is_integer,
    "at": one_of("CONDITIONAL"),
    "S": one_of("BUY", "SELL"),
    "ps": one_of("LONG", "SHORT", "BOTH"),
    "X": one_of("NEW", "CANCELED", "EXPIRED", "TRIGGERING", "TRIGGERED", "FINISHED", "REJECTED"),
    "ai": is_empty_or_integer_text,
    "wt": one_of("CONTRACT_PRICE", "MARK_PRICE"),
    **dict.fromkeys(("q", "tp", "p"), is_decimal),
    **dict.fromkeys(("cp", "pP", "R"), is_flag),
    **dict.fromkeys(("tt", "gtd"), is_integer),
}
ALGO_EVENT_OPTIONAL: Shape = {
    "ap": is_decimal,
    "aq": is_decimal,
    "act": is_text,
    "ia": is_flag,
    "cr": is_decimal,
    "AP": is_decimal,
}


def check(event: Any) -> Any:
    shape(
        event,
        {"e": one_of("ALGO_UPDATE"), "E": is_integer, "T": is_integer, "o": lambda o: isinstance(o, dict)},
        {"st": is_integer},
    )
    shape(event["o"], ALGO_EVENT, ALGO_EVENT_OPTIONAL)
    return event["o"]


def test_placing_and_cancelling_are_told(sim: Sim) -> None:
    with sim.user_stream() as stream:
        order = ok(place(sim, "BUY", "STOP_MARKET", "51000", clientAlgoId="told"))
        ok(sim.wire.delete("/fapi/v1/algoOrder", algoId=order["algoId"]))
        events = [check(event) for event in stream.events()]
    assert [(event["X"], event["aid"], event["caid"], event["ai"]) for event in events] == [
        ("NEW", order["algoId"], "told", ""),
        ("CANCELED", order["algoId"], "told", ""),
    ]
    assert (number(events[0]["tp"]), number(events[0]["q"]), events[0]["tt"]) == (51000, Decimal("0.01"), 0)


def test_the_recorded_sequence_of_a_trigger(sim: Sim) -> None:
    order = ok(place(sim, "BUY", "STOP_MARKET", "51000", clientAlgoId="seq"))
    with sim.user_stream() as stream:
        sim.mark(BTC, "51000", bid="50999.9", ask="51000")
        events = stream.events()
    algo = [check(event) for event in events if event["e"] == "ALGO_UPDATE"]
    assert [event["X"] for event in algo] == ["TRIGGERING", "TRIGGERED", "FINISHED"]
    triggering, triggered, finished = algo
    assert (triggering["ai"], triggering["tt"] > 0) == ("", True)
    assert not {"ap", "aq"} & triggering.keys() or number(triggering["aq"]) == 0
    assert (triggered["act"], number(triggered["ap"]), number(triggered["aq"])) == ("MARKET", 0, 0)
    assert (finished["ai"], number(finished["ap"]), number(finished["aq"])) == (
        triggered["ai"],
        51000,
        Decimal("0.01"),
    )

    kinds = [(event["e"], event["o"]["X"] if "o" in event else "") for event in events]
    assert kinds[0] == ("ALGO_UPDATE", "TRIGGERING")
    spawned = [event["o"] for event in events if event["e"] == "ORDER_TRADE_UPDATE"]
    assert [(event["x"], event["X"]) for event in spawned] == [("NEW", "NEW"), ("TRADE", "FILLED")]
    assert {str(event["i"]) for event in spawned} == {triggered["ai"]}
    assert {event["ot"] for event in spawned} <= {"STOP_MARKET", "MARKET"}
    place_of = {kind: index for index, kind in enumerate(kinds)}
    assert place_of["ALGO_UPDATE", "TRIGGERED"] < place_of["ORDER_TRADE_UPDATE", "FILLED"]
    assert place_of["ORDER_TRADE_UPDATE", "FILLED"] < place_of["ALGO_UPDATE", "FINISHED"]

    asked = sim.get_algo(order["algoId"])
    assert (asked["algoStatus"], asked["actualOrderId"]) == ("FINISHED", triggered["ai"])
    assert number(asked["actualPrice"]) == 51000
    assert sim.trades(orderId=int(triggered["ai"]))[0]["orderId"] == int(triggered["ai"])


@pytest.mark.parametrize("policy", ["same", "generated"])
def test_the_order_it_becomes_is_linked_by_id_always_and_by_client_id_perhaps(sim: Sim, policy: str) -> None:
    sim.reset(options={"spawned_client_id": policy})
    order = ok(place(sim, "BUY", "STOP_MARKET", "51000", clientAlgoId="link"))
    sim.mark(BTC, "51000")
    spawned = sim.get_order(int(sim.get_algo(order["algoId"])["actualOrderId"]))
    assert (spawned["clientOrderId"] == "link") is (policy == "same")


def test_too_little_margin_rejects_at_the_trigger(sim: Sim) -> None:
    sim.reset(wallet="100")
    order = ok(sim.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity="1.000"))
    with sim.user_stream() as stream:
        sim.mark(BTC, "51000")
        states = [check(event) for event in stream.of("ALGO_UPDATE")]
    assert [state["X"] for state in states] == ["TRIGGERING", "REJECTED"]
    assert states[-1]["rm"], "a reason is given"
    assert sim.get_algo(order["algoId"])["algoStatus"] == "REJECTED"
    assert sim.trades() == []


def test_a_stop_of_a_closed_leg_is_rejected_at_the_trigger(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010"))
    order = ok(sim.algo("SELL", "LONG", "STOP_MARKET", "49000", quantity="0.010"))
    ok(sim.order("SELL", "LONG", "0.010"))
    assert sim.get_algo(order["algoId"])["algoStatus"] == "NEW", "an order with a quantity outlives the position"
    with sim.user_stream() as stream:
        sim.mark(BTC, "49000")
        states = [check(event) for event in stream.of("ALGO_UPDATE")]
    assert [state["X"] for state in states] == ["TRIGGERING", "REJECTED"]
    assert states[-1]["rm"]
    assert number(sim.leg("SHORT")["positionAmt"]) == 0
    assert number(sim.leg("LONG")["positionAmt"]) == 0


def test_stop_and_target_of_one_leg_do_not_know_each_other(sim: Sim) -> None:
    """The exchange has no one-cancels-other for quantities: the target stays when the stop has filled."""
    ok(sim.order("BUY", "LONG", "0.010"))
    stop = ok(sim.algo("SELL", "LONG", "STOP_MARKET", "49000", quantity="0.010"))["algoId"]
    target = ok(sim.algo("SELL", "LONG", "TAKE_PROFIT_MARKET", "51000", quantity="0.010"))["algoId"]
    sim.mark(BTC, "49000")
    assert [sim.get_algo(one)["algoStatus"] for one in (stop, target)] == ["FINISHED", "NEW"]
