"""Account identities, what an order costs, and funding."""

from decimal import Decimal

import pytest

from tests.simulator.arithmetic.recorded import equal, held, listed, set_isolated_wallet, truncated
from tests.simulator.conformance.sim import BTC, ETH, Sim
from tests.simulator.conformance.symbols import loose
from tests.simulator.conformance.wire import ok, refused

HOUR_MS = 3_600_000


def test_the_roll_up_of_a_recorded_account(sim: Sim) -> None:
    """15002.38740504 = 14988.35309135 + 14.03431369; an order over 310 at leverage 10 leaves 14957.35309135."""
    leg = {"symbol": BTC, "positionSide": "LONG", "qty": "0.003", "entryPrice": "37140"}
    sim.reset(
        symbols=[loose(BTC, 2, 3), loose(ETH, 2, 3)],
        marks={BTC: "37140", ETH: "3200"},
        wallet="15002.38740504",
        leverage={BTC: 50, ETH: 10},
        marginType={BTC: "ISOLATED"},
        positions=[leg],
    )
    set_isolated_wallet(sim, BTC, "LONG", "14.03431369")
    ok(sim.order("BUY", "LONG", "0.100", "3100", symbol=ETH))
    equal(
        sim.asset(),
        walletBalance="15002.38740504",
        crossWalletBalance="14988.35309135",
        crossUnPnl="0",
        openOrderInitialMargin="31",
        availableBalance="14957.35309135",
    )
    equal(ok(sim.wire.get("/fapi/v3/account")), totalWalletBalance="15002.38740504", availableBalance="14957.35309135")
    row = sim.leg_v3("LONG", ETH)
    if row is not None:
        equal(row, bidNotional="310", askNotional="0", openOrderInitialMargin="31")


def test_identities_hold_while_trading(sim: Sim) -> None:
    ok(sim.wire.post("/fapi/v1/marginType", symbol=ETH, marginType="ISOLATED"))
    ok(sim.order("BUY", "LONG", "0.123"))
    ok(sim.order("SELL", "SHORT", "0.077"))
    ok(sim.order("BUY", "LONG", "0.321", symbol=ETH))
    ok(sim.order("BUY", "LONG", "0.050", "48000"))
    for price, other in (("50123.4", "3011.11"), ("48888.8", "2888.88")):
        sim.mark(BTC, price)
        sim.mark(ETH, other)
        account = ok(sim.wire.get("/fapi/v3/account"))
        asset = sim.asset()
        rows = ok(sim.wire.get("/fapi/v3/positionRisk"))
        figures = {name: Decimal(value) for name, value in asset.items() if name not in ("asset", "updateTime")}
        isolated = [row for row in rows if Decimal(row["isolatedWallet"])]
        cross = [row for row in rows if not Decimal(row["isolatedWallet"])]
        assert [row["symbol"] for row in isolated] == [ETH]
        assert figures["walletBalance"] == figures["crossWalletBalance"] + sum(
            Decimal(row["isolatedWallet"]) for row in isolated
        )
        assert figures["unrealizedProfit"] == sum(Decimal(row["unRealizedProfit"]) for row in rows)
        assert figures["crossUnPnl"] == sum(Decimal(row["unRealizedProfit"]) for row in cross)
        assert figures["marginBalance"] == figures["walletBalance"] + figures["unrealizedProfit"]
        assert figures["initialMargin"] == figures["positionInitialMargin"] + figures["openOrderInitialMargin"]
        assert figures["maintMargin"] == sum(Decimal(row["maintMargin"]) for row in rows)
        for row in rows:
            equal(row, positionInitialMargin=truncated(abs(Decimal(row["notional"])) / 20))
            if row in isolated:
                equal(row, isolatedMargin=Decimal(row["isolatedWallet"]) + Decimal(row["unRealizedProfit"]))
        used = sum(Decimal(row["initialMargin"]) for row in cross)
        assert figures["availableBalance"] == pytest.approx(
            figures["crossWalletBalance"] + figures["crossUnPnl"] - used, abs=Decimal("0.00000005")
        )
        equal(
            account,
            totalWalletBalance=figures["walletBalance"],
            totalUnrealizedProfit=figures["unrealizedProfit"],
            totalMarginBalance=figures["marginBalance"],
            totalInitialMargin=figures["initialMargin"],
            totalMaintMargin=figures["maintMargin"],
            availableBalance=figures["availableBalance"],
        )
        balance = next(row for row in ok(sim.wire.get("/fapi/v3/balance")) if row["asset"] == "USDT")
        equal(
            balance,
            balance=figures["walletBalance"],
            crossWalletBalance=figures["crossWalletBalance"],
            availableBalance=figures["availableBalance"],
        )


# ---------------------------------------------------------------- what an order costs


@pytest.mark.parametrize(
    ("side", "leg", "price", "refused_at", "accepted_at"),
    [
        # 1 BTC at 9253.30 with 20x while the mark is 9259.84: 462.66 initial margin; open loss 0 and 6.54
        ("BUY", "LONG", "9253.30", "462.66", "462.67"),
        ("SELL", "SHORT", "9253.30", "469.19", "480"),
        ("BUY", "LONG", None, "462.9", "475"),
        ("SELL", "SHORT", None, "462.9", "475"),
    ],
)
def test_initial_margin_and_open_loss(
    sim: Sim, side: str, leg: str, price: str | None, refused_at: str, accepted_at: str
) -> None:
    for wallet in (refused_at, accepted_at):
        listed(sim, BTC, "9259.84", (2, 3), wallet=wallet, leverage={BTC: 20}, takerRate="0", makerRate="0")
        sim.mark(BTC, "9259.84", bid="9259.83", ask="9259.84")
        answer = sim.order(side, leg, "1.000", price)
        if wallet == refused_at:
            refused(answer, -2019)
        else:
            ok(answer)


def test_open_orders_reserve_margin(sim: Sim) -> None:
    sim.reset(marks={BTC: "50000"}, wallet="100")
    ok(sim.order("BUY", "LONG", "0.030", "49000"))
    refused(sim.order("BUY", "LONG", "0.030", "49000"), -2019)
    equal(sim.asset(), openOrderInitialMargin="73.5", availableBalance="26.5")


def test_losses_reduce_what_is_available(sim: Sim) -> None:
    held(sim, BTC, "LONG", "0.100", "50000", "49900", wallet="1000")
    equal(sim.asset(), crossUnPnl="-10", positionInitialMargin="249.5", availableBalance="740.5")


# ---------------------------------------------------------------- funding


@pytest.mark.parametrize(
    ("leg", "rate", "sign"), [("LONG", "0.0001", -1), ("SHORT", "0.0001", 1), ("LONG", "-0.0003", 1)]
)
def test_funding_is_on_the_notional_at_the_mark(sim: Sim, leg: str, rate: str, sign: int) -> None:
    held(sim, BTC, leg, "0.237", "16000", "16067.09213386", wallet="100000")
    sim.funding(BTC, rate)
    (row,) = sim.income(incomeType="FUNDING_FEE")
    amount = sign * truncated(Decimal("0.237") * Decimal("16067.09213386") * abs(Decimal(rate)))
    equal(row, income=amount)
    equal(sim.asset(), walletBalance=100_000 + amount)
    assert sim.trades() == []
    equal(sim.leg(leg), entryPrice="16000")


def test_both_legs_of_a_hedge_are_settled(sim: Sim) -> None:
    legs = [
        {"symbol": BTC, "positionSide": "LONG", "qty": "0.2", "entryPrice": "50000"},
        {"symbol": BTC, "positionSide": "SHORT", "qty": "0.2", "entryPrice": "50000"},
    ]
    sim.reset(marks={BTC: "50000"}, positions=legs)
    sim.funding(BTC, "0.0001")
    assert sorted(Decimal(row["income"]) for row in sim.income(incomeType="FUNDING_FEE")) == [-1, 1]
    equal(sim.asset(), walletBalance="100000")


def test_funding_is_not_part_of_break_even(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010"))
    before = sim.leg("LONG")["breakEvenPrice"]
    sim.funding(BTC, "0.001")
    assert sim.leg("LONG")["breakEvenPrice"] == before


def test_isolated_funding_is_paid_by_the_leg(sim: Sim) -> None:
    held(sim, BTC, "LONG", "0.2", "50000", "50000", marginType={BTC: "ISOLATED"})
    before = Decimal(sim.leg("LONG")["isolatedWallet"])
    sim.funding(BTC, "0.0001")
    equal(sim.leg("LONG"), isolatedWallet=before - 1)
    equal(sim.asset(), walletBalance="99999")


def test_funding_comes_at_its_time(virtual: Sim) -> None:
    ok(virtual.order("BUY", "LONG", "0.010"))
    due = ok(virtual.wire.public("/fapi/v1/premiumIndex", symbol=BTC))["nextFundingTime"]
    assert due % (8 * HOUR_MS) == 0
    virtual.advance(due - virtual.now_ms - 1)
    assert virtual.income(incomeType="FUNDING_FEE") == []
    virtual.advance(16 * HOUR_MS + 1)
    rows = virtual.income(incomeType="FUNDING_FEE")
    assert [row["time"] for row in rows] == [due, due + 8 * HOUR_MS, due + 16 * HOUR_MS]
    settled = ok(virtual.wire.public("/fapi/v1/fundingRate", symbol=BTC))
    for row, rate in zip(rows, settled[-3:], strict=True):
        amount = truncated(Decimal("0.01") * Decimal(rate["markPrice"]) * Decimal(rate["fundingRate"]))
        equal(row, income=-amount)
        assert rate["fundingTime"] == row["time"]
