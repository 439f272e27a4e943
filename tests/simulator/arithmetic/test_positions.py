"""Profit, notional, margin, fees and break-even: recorded numbers, to the last digit."""

import random
from decimal import Decimal

import pytest

from tests.simulator.arithmetic.recorded import bracket, equal, held, listed, set_isolated_wallet, truncated
from tests.simulator.conformance.sim import BTC, ETH, Sim
from tests.simulator.conformance.symbols import loose
from tests.simulator.conformance.wire import ok


@pytest.mark.parametrize(
    ("symbol", "side", "quantity", "entry", "mark", "profit", "notional"),
    [
        (BTC, "LONG", "0.237", "16747.72013242", "16067.09213386", "-161.30883565", "3807.90083572"),
        (BTC, "LONG", "0.003", "37140", "37113.25148824", "-0.08024553", "111.33975446"),
        ("COMPUSDT", "SHORT", "1", "70.92841", "49.72023376", "21.20817624", "-49.72023376"),
        (BTC, "LONG", "0.001", "22185.2", "21123.05052574", "-1.06214947", "21.12305052"),
    ],
)
def test_unrealised_profit_and_notional(
    sim: Sim, symbol: str, side: str, quantity: str, entry: str, mark: str, profit: str, notional: str
) -> None:
    held(sim, symbol, side, quantity, entry, mark)
    for row in (sim.leg(side, symbol), sim.leg_v3(side, symbol)):
        equal(row, unRealizedProfit=profit, notional=notional, entryPrice=entry, markPrice=mark)
    rows = ok(sim.wire.get("/fapi/v3/account"))["positions"]
    equal(next(row for row in rows if row["positionSide"] == side), unrealizedProfit=profit, notional=notional)


def test_a_recorded_short_with_all_its_figures(sim: Sim) -> None:
    listed(
        sim,
        "COMPUSDT",
        "70.92841",
        (5, 3),
        takerRate="0.0004",
        wallet="2212.27320918",
        leverage={"COMPUSDT": 20},
        brackets={"COMPUSDT": [bracket(1, 0, 1_000_000, "0.01", leverage=75)]},
    )
    sim.mark("COMPUSDT", "70.92841", bid="70.92841", ask="70.92842")
    ok(sim.order("SELL", "SHORT", "1.000", symbol="COMPUSDT"))
    sim.mark("COMPUSDT", "49.72023376")
    row = sim.leg_v3("SHORT", "COMPUSDT")
    equal(
        row,
        positionAmt="-1",
        entryPrice="70.92841",
        breakEvenPrice="70.900038636",
        unRealizedProfit="21.20817624",
        notional="-49.72023376",
        initialMargin="2.48601168",
        positionInitialMargin="2.48601168",
        maintMargin="0.49720233",
        openOrderInitialMargin="0",
        isolatedMargin="0",
        isolatedWallet="0",
        liquidationPrice="2260.56757210",
    )
    assert row["positionAmt"] == "-1.000"


@pytest.mark.parametrize(
    ("quantity", "mark", "ratio", "margin"),
    [
        ("1", "12.314277", "0.0065", "0.08004280"),
        ("0.003", "40879.47346", "0.004", "0.49055368"),
        ("1", "49.72023376", "0.01", "0.49720233"),
    ],
)
def test_maintenance_margin(sim: Sim, quantity: str, mark: str, ratio: str, margin: str) -> None:
    brackets = {BTC: [bracket(1, 0, 1_000_000, ratio)]}
    held(sim, BTC, "LONG", quantity, mark, mark, brackets=brackets)
    equal(sim.leg_v3("LONG"), maintMargin=margin)
    equal(ok(sim.wire.get("/fapi/v3/account")), totalMaintMargin=margin)


@pytest.mark.parametrize(
    ("notional", "margin"),
    [("50000", "200"), ("500000", "2450"), ("1000000", "5550"), ("5000000", "38550"), ("20000000", "268550")],
)
def test_maintenance_margin_of_higher_brackets(sim: Sim, notional: str, margin: str) -> None:
    """Brackets of BTCUSDT: ratio .004, .005, .0065, .01, .02 and amounts 0, 50, 950, 11450, 131450."""
    caps = [(0, 50_000, "0.004", "0"), (50_000, 600_000, "0.005", "50"), (600_000, 3_000_000, "0.0065", "950")]
    caps += [(3_000_000, 12_000_000, "0.01", "11450"), (12_000_000, 70_000_000, "0.02", "131450")]
    brackets = {BTC: [bracket(number, *one, leverage=20) for number, one in enumerate(caps, 1)]}
    quantity = format(Decimal(notional) / 50000, "f")
    held(sim, BTC, "LONG", quantity, "50000", "50000", brackets=brackets, wallet="100000000", leverage={BTC: 10})
    equal(sim.leg_v3("LONG"), maintMargin=margin)


def test_recorded_trades_of_a_one_way_account(sim: Sim) -> None:
    listed(sim, ETH, "2778.35", (2, 3), takerRate="0.0004", dualSidePosition=False)
    sim.mark(ETH, "2778.35", bid="2778.35", ask="2778.36")
    ok(sim.order("SELL", None, "0.005", symbol=ETH))
    sim.mark(ETH, "2779", bid="2778.99", ask="2779")
    ok(sim.order("BUY", None, "0.005", symbol=ETH))
    sold, bought = sim.trades(ETH)
    equal(sold, price="2778.35", qty="0.005", commission="0.00555670", realizedPnl="0", quoteQty="13.89175")
    equal(bought, price="2779", qty="0.005", commission="0.00555800", realizedPnl="-0.00325000", quoteQty="13.89500")
    assert (sold["positionSide"], bought["buyer"], bought["maker"]) == ("BOTH", True, False)
    equal(sim.asset(), walletBalance=Decimal(100_000) - Decimal("0.0111147") - Decimal("0.00325"))


@pytest.mark.parametrize(
    ("side", "price", "decimals", "maker", "rate", "expected"),
    [
        ("LONG", "0.385", (4, 1), True, "0.0002", "0.385077"),
        ("SHORT", "70.92841", (5, 3), False, "0.0004", "70.900038636"),
        ("LONG", "37140", (2, 3), True, "0.0002", "37147.428"),
        ("LONG", "58039.5", (1, 3), False, "0.0004", "58062.7158"),
    ],
)
def test_break_even_of_what_was_only_opened(
    sim: Sim, side: str, price: str, decimals: tuple[int, int], maker: bool, rate: str, expected: str
) -> None:
    listed(sim, "XUSDT", price, decimals, makerRate=rate, takerRate=rate)
    quantity = "100" if decimals[1] == 1 else "0.500"
    order = ok(sim.order({"LONG": "BUY", "SHORT": "SELL"}[side], side, quantity, price, symbol="XUSDT"))
    if sim.get_order(order["orderId"], "XUSDT")["status"] == "NEW":
        sim.fill(order["orderId"], quantity, price, maker=maker)
    equal(sim.leg(side, "XUSDT"), entryPrice=price, breakEvenPrice=expected)
    equal(sim.leg_v3(side, "XUSDT"), breakEvenPrice=expected)


def test_an_entry_price_has_about_thirteen_digits(sim: Sim) -> None:
    """482 at 0.3371 and 1 at 0.3750 cost 162.8572: the recorded average of 483."""
    listed(sim, "XUSDT", "0.4", (4, 0))
    for quantity, price in (("482", "0.3371"), ("1", "0.3750")):
        order = ok(sim.order("BUY", "LONG", quantity, price, symbol="XUSDT"))
        sim.fill(order["orderId"], quantity, price)
    equal(sim.leg("LONG", "XUSDT"), entryPrice="0.3371784679089")


def test_an_isolated_long_as_recorded(sim: Sim) -> None:
    listed(sim, BTC, "37140", (2, 3), makerRate="0.0002", leverage={BTC: 50}, marginType={BTC: "ISOLATED"})
    sim.mark(BTC, "37140", bid="37140", ask="37140.1")
    order = ok(sim.order("BUY", "LONG", "0.003", "37140"))["orderId"]
    sim.fill(order, "0.003", "37140")
    # only what exceeds the initial margin can be taken out, so take it out while the position gains
    sim.mark(BTC, "37500")
    set_isolated_wallet(sim, BTC, "LONG", "2.21147021")
    sim.mark(BTC, "37113.25148824")
    row = sim.leg("LONG")
    equal(
        row,
        positionAmt="0.003",
        entryPrice="37140",
        breakEvenPrice="37147.428",
        markPrice="37113.25148824",
        unRealizedProfit="-0.08024553",
        liquidationPrice="36549.03942102",
        leverage="50",
        isolatedMargin="2.13122468",
        notional="111.33975446",
        isolatedWallet="2.21147021",
    )
    assert (row["marginType"], row["positionAmt"], row["entryPrice"]) == ("isolated", "0.003", "37140.0")


@pytest.mark.parametrize(("side", "sign"), [("LONG", 1), ("SHORT", -1)])
def test_break_even_after_a_partial_close(sim: Sim, side: str, sign: int) -> None:
    """Cost with all fees, less what was realised, over what is left (Binance FAQ, break-even price)."""
    opens, closes = ("BUY", "SELL") if side == "LONG" else ("SELL", "BUY")
    sim.mark(BTC, "50000", bid="50000", ask="50000.1")
    ok(sim.order(opens, side, "0.030"))
    sim.mark(BTC, "50500", bid="50500", ask="50500.1")
    ok(sim.order(closes, side, "0.010"))
    trades = sim.trades()
    fees = sum(Decimal(trade["commission"]) for trade in trades)
    realised = sum(Decimal(trade["realizedPnl"]) for trade in trades)
    row = sim.leg(side)
    expected = Decimal(row["entryPrice"]) + sign * (fees - realised) / Decimal("0.020")
    assert abs(Decimal(row["breakEvenPrice"]) - expected) <= Decimal("0.00001")


def test_an_isolated_wallet_is_released_with_its_leg(sim: Sim) -> None:
    ok(sim.wire.post("/fapi/v1/marginType", symbol=BTC, marginType="ISOLATED"))
    ok(sim.order("BUY", "LONG", "0.040"))
    equal(sim.leg("LONG"), isolatedWallet="100")
    sim.mark(BTC, "50000", bid="50000", ask="50000.1")
    ok(sim.order("SELL", "LONG", "0.010"))
    equal(sim.leg("LONG"), isolatedWallet="75")
    ok(sim.order("SELL", "LONG", "0.030"))
    equal(sim.leg("LONG"), isolatedWallet="0", isolatedMargin="0")
    asset = sim.asset()
    equal(asset, crossWalletBalance=asset["walletBalance"], walletBalance="99998")


def test_a_decrease_keeps_the_entry_and_flat_forgets_it(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.030"))
    sim.mark(BTC, "50500", bid="50500", ask="50500.1")
    ok(sim.order("SELL", "LONG", "0.010"))
    equal(sim.leg("LONG"), entryPrice="50000", positionAmt="0.020")
    ok(sim.order("SELL", "LONG", "0.020"))
    equal(sim.leg("LONG"), entryPrice="0", positionAmt="0", breakEvenPrice="0", unRealizedProfit="0")
    sim.mark(BTC, "51000", bid="50999.9", ask="51000")
    ok(sim.order("BUY", "LONG", "0.010"))
    equal(sim.leg("LONG"), entryPrice="51000")


def test_realised_profit_of_both_legs(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010"))
    sim.mark(BTC, "50500", bid="50500", ask="50500.1")
    ok(sim.order("SELL", "SHORT", "0.010"))
    ok(sim.order("SELL", "LONG", "0.010"))
    sim.mark(BTC, "50000", bid="49999.9", ask="50000")
    ok(sim.order("BUY", "SHORT", "0.010"))
    assert [Decimal(trade["realizedPnl"]) for trade in sim.trades()] == [0, 0, 5, 5]


def test_fees_of_makers_and_takers(sim: Sim) -> None:
    sim.reset(makerRate="0.0001", takerRate="0.0007", marks={BTC: "50000"})
    sim.mark(BTC, "50000", bid="49999.9", ask="50000")
    ok(sim.order("BUY", "LONG", "0.010"))
    order = ok(sim.order("BUY", "LONG", "0.010", "49000"))["orderId"]
    sim.fill(order, "0.010", "49000", maker=True)
    assert [Decimal(trade["commission"]) for trade in sim.trades()] == [Decimal("0.35"), Decimal("0.049")]


def test_a_maker_s_rebate_is_negative(sim: Sim) -> None:
    sim.reset(makerRate="-0.0001", marks={BTC: "50000"})
    order = ok(sim.order("BUY", "LONG", "0.010", "49000"))["orderId"]
    sim.fill(order, "0.010", "49000", maker=True)
    equal(sim.trades()[0], commission="-0.049")
    equal(sim.income(incomeType="COMMISSION")[0], income="0.049")
    equal(sim.asset(), walletBalance="100000.049")


class Leg:
    """What a leg must be after exact arithmetic on its fills."""

    def __init__(self, sign: int) -> None:
        self.sign, self.quantity, self.cost = sign, Decimal(0), Decimal(0)

    def fill(self, price: Decimal, quantity: Decimal, *, opens: bool) -> Decimal:
        """Book a fill and return the profit that it realises."""
        if opens:
            self.quantity += quantity
            self.cost += price * quantity
            return Decimal(0)
        share = self.cost * quantity / self.quantity
        self.quantity -= quantity
        self.cost -= share
        return self.sign * (price * quantity - share)


@pytest.mark.parametrize("seed", range(4))
def test_random_trading_adds_up(sim: Sim, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    # a rate that leaves more than eight decimals: what is cut must be cut everywhere alike
    rate = Decimal("0.00037")
    sim.reset(symbols=[loose(BTC, 2, 3)], marks={BTC: "50000"}, wallet="10000000", takerRate=str(rate))
    legs = {"LONG": Leg(1), "SHORT": Leg(-1)}
    profit = fees = Decimal(0)
    for _ in range(40):
        price = Decimal(chance.randrange(4_800_000, 5_200_000)) / 100
        sim.mark(BTC, str(price), bid=str(price), ask=str(price + Decimal("0.01")))
        side = chance.choice(["LONG", "SHORT"])
        leg = legs[side]
        opens = not leg.quantity or chance.random() < 0.5
        most = 2000 if opens else int(leg.quantity * 1000)
        quantity = Decimal(chance.randint(1, most)) / 1000
        buys = opens == (side == "LONG")
        ok(sim.order("BUY" if buys else "SELL", side, str(quantity)))
        traded = price + Decimal("0.01") if buys else price
        profit += leg.fill(traded, quantity, opens=opens)
        fees += traded * quantity * rate
        for name, one in legs.items():
            row = sim.leg(name)
            assert abs(Decimal(row["positionAmt"])) == one.quantity
            entry = one.cost / one.quantity if one.quantity else Decimal(0)
            assert abs(Decimal(row["entryPrice"]) - entry) <= entry * Decimal("1e-9")
    trades, income = sim.trades(), sim.income(limit=1000)
    assert abs(sum(Decimal(trade["realizedPnl"]) for trade in trades) - profit) < Decimal("0.0001")
    assert sum(Decimal(trade["commission"]) for trade in trades) == pytest.approx(fees, abs=Decimal("0.000001"))
    wallet = Decimal(10_000_000) + sum(Decimal(row["income"]) for row in income)
    equal(sim.asset(), walletBalance=wallet)
    assert wallet == truncated(wallet)
