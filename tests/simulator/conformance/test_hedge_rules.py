"""Which orders a hedge-mode account may send: one test per row of the acceptance table, for both legs.

Sources: Binance docs, trade/rest-api/New-Order and error-code; Binance FAQ 360039707291 for closing orders.
"""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.conformance.documents import number
from tests.simulator.conformance.sim import BTC, ETH, Sim
from tests.simulator.conformance.wire import ok, refused

OPENS = {"LONG": "BUY", "SHORT": "SELL"}
CLOSES = {"LONG": "SELL", "SHORT": "BUY"}
SIGN = {"LONG": 1, "SHORT": -1}
# prices that rest: an opening price behind the market, a closing price beyond it
BEHIND = {"LONG": "49000", "SHORT": "51000"}
BEYOND = {"LONG": "51000", "SHORT": "49000"}

legs = pytest.mark.parametrize("leg", ["LONG", "SHORT"])


def amount(sim: Sim, leg: str) -> Any:
    return number(sim.leg(leg)["positionAmt"]) * SIGN[leg]


def opened(sim: Sim, leg: str, quantity: str = "0.010") -> Any:
    return ok(sim.order(OPENS[leg], leg, quantity))


@legs
def test_the_opening_side_opens_and_increases(sim: Sim, leg: str) -> None:
    opened(sim, leg)
    opened(sim, leg, "0.005")
    assert amount(sim, leg) == Decimal("0.015")
    assert amount(sim, "SHORT" if leg == "LONG" else "LONG") == 0
    assert ok(sim.order(OPENS[leg], leg, "0.010", BEHIND[leg]))["status"] == "NEW"


@legs
def test_the_opening_side_needs_margin(sim: Sim, leg: str) -> None:
    sim.reset(wallet="100", positions=[])
    refused(sim.order(OPENS[leg], leg, "0.100"), -2019)
    refused(sim.order(OPENS[leg], leg, "0.100", BEHIND[leg]), -2019)
    opened(sim, leg, "0.010")


@legs
def test_the_opening_side_is_bounded_by_the_bracket(sim: Sim, leg: str) -> None:
    sim.reset(wallet="100000000", leverage={BTC: 125})
    refused(sim.order(OPENS[leg], leg, "1.100"), -2027)


@legs
@pytest.mark.parametrize("kind", ["MARKET", "LIMIT"])
def test_the_closing_side_reduces_and_keeps_the_entry(sim: Sim, leg: str, kind: str) -> None:
    opened(sim, leg, "0.010")
    entry = sim.leg(leg)["entryPrice"]
    price = None if kind == "MARKET" else {"LONG": "49999.9", "SHORT": "50000"}[leg]
    ok(sim.order(CLOSES[leg], leg, "0.004", price))
    assert amount(sim, leg) == Decimal("0.006")
    assert sim.leg(leg)["entryPrice"] == entry


@legs
def test_the_closing_side_needs_no_margin(sim: Sim, leg: str) -> None:
    side = {"symbol": BTC, "positionSide": leg, "qty": "0.02", "entryPrice": "50000"}
    sim.reset(wallet="55", positions=[side])
    refused(sim.order(OPENS[leg], leg, "0.010"), -2019)
    ok(sim.order(CLOSES[leg], leg, "0.010", BEYOND[leg]))
    ok(sim.order(CLOSES[leg], leg, "0.010"))


@legs
@pytest.mark.parametrize("price", [None, "beyond"])
def test_the_closing_side_never_opens(sim: Sim, leg: str, price: str | None) -> None:
    other = "SHORT" if leg == "LONG" else "LONG"
    opened(sim, other)
    refused(sim.order(CLOSES[leg], leg, "0.010", BEYOND[leg] if price else None), -2022)
    assert (amount(sim, leg), amount(sim, other)) == (0, Decimal("0.010"))


@legs
def test_resting_closing_orders_may_not_exceed_the_leg(sim: Sim, leg: str) -> None:
    opened(sim, leg, "0.010")
    ok(sim.order(CLOSES[leg], leg, "0.006", BEYOND[leg]))
    refused(sim.order(CLOSES[leg], leg, "0.005", BEYOND[leg]), -2022, -4118)
    ok(sim.order(CLOSES[leg], leg, "0.004", BEYOND[leg]))


@legs
def test_a_market_close_of_the_whole_leg_knocks_resting_closes_out(sim: Sim, leg: str) -> None:
    opened(sim, leg, "0.010")
    resting = [ok(sim.order(CLOSES[leg], leg, "0.005", BEYOND[leg]))["orderId"] for _ in range(2)]
    entry = ok(sim.order(OPENS[leg], leg, "0.010", BEHIND[leg]))["orderId"]
    with sim.user_stream() as stream:
        ok(sim.order(CLOSES[leg], leg, "0.010"))
        ended = [event["o"] for event in stream.of("ORDER_TRADE_UPDATE") if event["o"]["x"] == "EXPIRED"]
    assert sorted(event["i"] for event in ended) == resting
    assert {event["er"] for event in ended} <= {"4", "6"}
    assert [sim.get_order(one)["status"] for one in (*resting, entry)] == ["EXPIRED", "EXPIRED", "NEW"]
    assert amount(sim, leg) == 0


@legs
def test_a_partial_close_elsewhere_expires_what_exceeds_the_leg(sim: Sim, leg: str) -> None:
    opened(sim, leg, "0.010")
    resting = ok(sim.order(CLOSES[leg], leg, "0.010", BEYOND[leg]))["orderId"]
    with sim.user_stream() as stream:
        answer = sim.order(CLOSES[leg], leg, "0.004")
        if answer.status == 400:
            # also seen: a resting close blocks the whole leg
            assert answer.body["code"] in (-2022, -4118)
            return
        (ended,) = [event["o"] for event in stream.of("ORDER_TRADE_UPDATE") if event["o"]["x"] == "EXPIRED"]
    assert (ended["i"], ended["er"]) == (resting, "4")
    assert amount(sim, leg) == Decimal("0.006")


@legs
def test_a_market_close_larger_than_the_leg_is_refused_or_cut(sim: Sim, leg: str) -> None:
    for policy in ("reject", "cut"):
        sim.reset(options={"closing_overflow": policy})
        opened(sim, leg, "0.010")
        answer = sim.order(CLOSES[leg], leg, "0.011")
        if policy == "reject":
            refused(answer, -2022)
            assert amount(sim, leg) == Decimal("0.010")
        else:
            ok(answer)
            assert amount(sim, leg) == 0


@pytest.mark.parametrize("side", ["BUY", "SELL"])
@pytest.mark.parametrize("position_side", ["BOTH", None])
def test_a_leg_must_be_named(sim: Sim, side: str, position_side: str | None) -> None:
    message = refused(sim.order(side, position_side, "0.010"), -4061)
    assert message == "Order's position side does not match user's setting."


@pytest.mark.parametrize("position_side", ["UP", "long", "NONE"])
def test_other_words_are_no_position_side(sim: Sim, position_side: str) -> None:
    refused(sim.order("BUY", position_side, "0.010"), -4060, -1130)


@legs
@pytest.mark.parametrize("flag", ["true", "false"])
@pytest.mark.parametrize("which", ["opening", "closing"])
def test_reduce_only_is_not_for_hedge_mode(sim: Sim, leg: str, flag: str, which: str) -> None:
    opened(sim, leg)
    side = OPENS[leg] if which == "opening" else CLOSES[leg]
    message = refused(sim.order(side, leg, "0.010", reduceOnly=flag), -1106)
    assert message == "Parameter 'reduceonly' sent when not required."


@legs
def test_legs_are_independent(sim: Sim, leg: str) -> None:
    opened(sim, "LONG", "0.010")
    sim.mark(BTC, "51000", bid="51000", ask="51000.1")
    opened(sim, "SHORT", "0.020")
    assert [number(sim.leg(one)["entryPrice"]) for one in ("LONG", "SHORT")] == [50000, 51000]
    ok(sim.order(CLOSES[leg], leg, "0.005"))
    expected = {"LONG": Decimal("0.010"), "SHORT": Decimal("0.020")}
    expected[leg] -= Decimal("0.005")
    assert {one: amount(sim, one) for one in expected} == expected


def test_leverage_and_margin_type_are_per_symbol(sim: Sim) -> None:
    ok(sim.wire.post("/fapi/v1/leverage", symbol=BTC, leverage=7))
    assert [sim.leg(one)["leverage"] for one in ("LONG", "SHORT")] == ["7", "7"]
    assert sim.leg("LONG", ETH)["leverage"] == "20"


# ---------------------------------------------------------------- one-way accounts


@pytest.fixture
def one_way(sim: Sim) -> Sim:
    sim.reset(dualSidePosition=False)
    sim.mark(BTC, "50000", bid="49999.9", ask="50000")
    return sim


@legs
def test_one_way_accounts_have_no_legs(one_way: Sim, leg: str) -> None:
    refused(one_way.order("BUY", leg, "0.010"), -4061)
    refused(one_way.algo("BUY", leg, "STOP_MARKET", "51000", quantity="0.010"), -4061)


@pytest.mark.parametrize("position_side", ["BOTH", None])
def test_one_way_accounts_may_leave_the_side_out(one_way: Sim, position_side: str | None) -> None:
    assert ok(one_way.order("BUY", position_side, "0.010"))["positionSide"] == "BOTH"
    assert number(one_way.leg("BOTH")["positionAmt"]) == Decimal("0.010")


def test_one_way_positions_flip(one_way: Sim) -> None:
    ok(one_way.order("BUY", None, "0.010"))
    one_way.mark(BTC, "51000", bid="51000", ask="51000.1")
    ok(one_way.order("SELL", None, "0.025"))
    row = one_way.leg("BOTH")
    assert (number(row["positionAmt"]), number(row["entryPrice"])) == (Decimal("-0.015"), 51000)
    assert sum(number(trade["realizedPnl"]) for trade in one_way.trades()) == 10


def test_one_way_reduce_only_never_flips(one_way: Sim) -> None:
    refused(one_way.order("SELL", None, "0.010", reduceOnly="true"), -2022)
    ok(one_way.order("BUY", None, "0.010"))
    refused(one_way.order("BUY", None, "0.010", reduceOnly="true"), -2022)
    assert ok(one_way.order("SELL", None, "0.010", reduceOnly="true"))["reduceOnly"] is True
    assert number(one_way.leg("BOTH")["positionAmt"]) == 0


def test_one_way_conditional_orders_may_reduce_only(one_way: Sim) -> None:
    ok(one_way.order("BUY", None, "0.010"))
    order = ok(one_way.algo("SELL", None, "STOP_MARKET", "49000", quantity="0.010", reduceOnly="true"))
    assert (order["reduceOnly"], order["positionSide"]) == (True, "BOTH")
    one_way.mark(BTC, "49000")
    assert number(one_way.leg("BOTH")["positionAmt"]) == 0
