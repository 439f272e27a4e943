"""Liquidation price by the exchange's formula, and what happens when it is reached (Binance FAQ, liquidation price)."""

from decimal import Decimal

import pytest

from tests.simulator.arithmetic.recorded import bracket, equal, held, set_isolated_wallet, truncated
from tests.simulator.conformance.sim import BTC, ETH, Sim
from tests.simulator.conformance.symbols import loose
from tests.simulator.conformance.wire import ok

# ratio and maintenance amount of the published example: 2.5 % and 16300 for bitcoin, 10 % and 135365 for ether
EXAMPLE = {
    BTC: [bracket(1, 0, 815_000, "0.005", leverage=20), bracket(2, 815_000, 90_000_000, "0.025", "16300", 20)],
    ETH: [bracket(1, 0, 2_707_300, "0.05", leverage=20), bracket(2, 2_707_300, 90_000_000, "0.1", "135365", 20)],
}
POSITIONS = {
    BTC: {"symbol": BTC, "positionSide": "LONG", "qty": "109.488", "entryPrice": "32481.980"},
    ETH: {"symbol": ETH, "positionSide": "LONG", "qty": "3683.979", "entryPrice": "1456.84"},
}
MARKS = {BTC: "31967.27", ETH: "1335.18"}


def cents(price: str) -> Decimal:
    return Decimal(price).quantize(Decimal("0.01"))


def example(sim: Sim, **document: object) -> None:
    answer = sim.try_reset(
        symbols=[loose(BTC, 2, 3), loose(ETH, 2, 3)],
        marks=MARKS,
        brackets=EXAMPLE,
        leverage={BTC: 5, ETH: 5},
        **document,
    )
    if answer.status != 200:
        pytest.skip("this simulator's brackets cannot be chosen")


def test_the_published_example_of_two_cross_positions(sim: Sim) -> None:
    example(sim, wallet="1535443.01", positions=list(POSITIONS.values()))
    assert cents(sim.leg("LONG", ETH)["liquidationPrice"]) == Decimal("1153.26")
    assert cents(sim.leg("LONG", BTC)["liquidationPrice"]) == Decimal("26316.89")


@pytest.mark.parametrize(("symbol", "expected"), [(BTC, "18778.73"), (ETH, "1114.78")])
def test_the_published_example_of_isolated_positions(sim: Sim, symbol: str, expected: str) -> None:
    example(sim, wallet="9000000", positions=[POSITIONS[symbol]], marginType={symbol: "ISOLATED"})
    set_isolated_wallet(sim, symbol, "LONG", "1535443.01")
    assert cents(sim.leg("LONG", symbol)["liquidationPrice"]) == Decimal(expected)


@pytest.mark.parametrize(("leg", "sign"), [("LONG", 1), ("SHORT", -1)])
def test_isolated_prices_follow_the_formula(sim: Sim, leg: str, sign: int) -> None:
    ratio = Decimal("0.01")
    brackets = {BTC: [bracket(1, 0, 1_000_000, "0.01")]}
    held(sim, BTC, leg, "3", "10", "10", brackets=brackets, leverage={BTC: 5}, marginType={BTC: "ISOLATED"})
    equal(sim.leg(leg), isolatedWallet="6")
    expected = (6 - sign * 3 * Decimal(10)) / (3 * ratio - sign * 3)
    assert abs(Decimal(sim.leg(leg)["liquidationPrice"]) - expected) <= Decimal("0.00000001")


def test_both_legs_of_a_cross_hedge_share_one_price(sim: Sim) -> None:
    brackets = {BTC: [bracket(1, 0, 50_000, "0.004"), bracket(2, 50_000, 600_000, "0.005", "50", 100)]}
    legs = [
        {"symbol": BTC, "positionSide": "LONG", "qty": "1.5", "entryPrice": "50000"},
        {"symbol": BTC, "positionSide": "SHORT", "qty": "0.5", "entryPrice": "51000"},
    ]
    answer = sim.try_reset(
        symbols=[loose(BTC, 2, 3)], marks={BTC: "50500"}, wallet="10000", positions=legs, brackets=brackets
    )
    if answer.status != 200:
        pytest.skip("this simulator's brackets cannot be chosen")
    prices = {Decimal(sim.leg(leg)["liquidationPrice"]) for leg in ("LONG", "SHORT")}
    long, short = Decimal("1.5"), Decimal("0.5")
    above = 10_000 + 50 + 0 - long * 50_000 + short * 51_000
    below = long * Decimal("0.005") + short * Decimal("0.004") - long + short
    (price,) = prices
    assert abs(price - above / below) <= Decimal("0.00000001")


def test_isolated_positions_do_not_move_the_price_of_cross_ones(sim: Sim) -> None:
    legs = [
        {"symbol": BTC, "positionSide": "LONG", "qty": "0.5", "entryPrice": "50000"},
        {"symbol": ETH, "positionSide": "LONG", "qty": "3", "entryPrice": "3000"},
    ]
    sim.reset(marks={BTC: "50000", ETH: "3000"}, wallet="3000", positions=legs, marginType={ETH: "ISOLATED"})
    price = sim.leg("LONG")["liquidationPrice"]
    # 3000 less the 450 that the isolated leg keeps; first bracket: 0.4 %
    expected = (2550 - Decimal("0.5") * 50_000) / (Decimal("0.5") * Decimal("0.004") - Decimal("0.5"))
    assert abs(Decimal(price) - expected) <= Decimal("0.00000001")
    sim.mark(ETH, "2950")
    assert sim.leg("LONG")["liquidationPrice"] == price


def test_a_price_that_means_nothing_is_zero(sim: Sim) -> None:
    held(sim, BTC, "LONG", "0.001", "50000", "50000", wallet="1000000")
    equal(sim.leg("LONG"), liquidationPrice="0")


def test_an_isolated_position_is_liquidated_alone(sim: Sim) -> None:
    legs = [
        {"symbol": BTC, "positionSide": "LONG", "qty": "0.2", "entryPrice": "50000"},
        {"symbol": ETH, "positionSide": "LONG", "qty": "1", "entryPrice": "3000"},
    ]
    sim.reset(marks={BTC: "50000", ETH: "3000"}, positions=legs, marginType={BTC: "ISOLATED"})
    price = Decimal(sim.leg("LONG")["liquidationPrice"])
    assert 47000 < price < 50000
    sim.mark(BTC, format(truncated(price) + 1, "f"))
    assert Decimal(sim.leg("LONG")["positionAmt"]) == Decimal("0.2")
    sim.mark(BTC, format(truncated(price) - 1, "f"))
    assert Decimal(sim.leg("LONG")["positionAmt"]) == 0
    assert Decimal(sim.leg("LONG", ETH)["positionAmt"]) == 1
    assert Decimal(sim.asset()["walletBalance"]) == 100_000 - 500, "no more than the leg's own margin is lost"


def test_a_liquidation_is_told_and_booked(sim: Sim) -> None:
    leg = {"symbol": BTC, "positionSide": "LONG", "qty": "0.2", "entryPrice": "50000"}
    sim.reset(marks={BTC: "50000"}, wallet="1000", positions=[leg])
    resting = ok(sim.order("SELL", "LONG", "0.1", "52000"))["orderId"]
    with sim.user_stream() as stream:
        sim.mark(BTC, "45100")
        events = stream.events()
    orders = [event["o"] for event in events if event["e"] == "ORDER_TRADE_UPDATE"]
    gone = next(order for order in orders if order["i"] == resting)
    assert gone["X"] in ("EXPIRED", "CANCELED")
    assert gone["er"] == "5"
    forced = [order for order in orders if order["c"].startswith("autoclose-")]
    assert forced
    final = forced[-1]
    assert (final["S"], final["ps"], final["X"]) == ("SELL", "LONG", "FILLED")
    assert final["x"] in ("CALCULATED", "TRADE")
    assert any(order["x"] == "CALCULATED" for order in forced)
    rows = [row for event in events if event["e"] == "ACCOUNT_UPDATE" for row in event["a"]["P"] if row["ps"] == "LONG"]
    assert Decimal(rows[-1]["pa"]) == 0
    assert Decimal(sim.leg("LONG")["positionAmt"]) == 0
    kinds = [row["incomeType"] for row in sim.income()]
    assert "REALIZED_PNL" in kinds
    assert "INSURANCE_CLEAR" in kinds
    total = sum(Decimal(row["income"]) for row in sim.income())
    equal(sim.asset(), walletBalance=1000 + total)
    assert [trade["positionSide"] for trade in sim.trades()] == ["LONG"]
