"""Positions, fees, margin and liquidation price: the numbers that were recorded, to the last digit."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from tests.simulator.core.driver import BTC, CLOSING, OPENING, Driver, refused
from tradeengine.simulator.legs import Leg
from tradeengine.simulator.listings import default_symbols
from tradeengine.simulator.numbers import average, significant, trimmed, truncate

ASSUMED = Decimal("50000.1") * Decimal("1.0005")


def held(
    side: str, quantity: str, entry: str, mark: str, *, isolated: str | None = None, ratio: str = "0.004", **setup: Any
) -> Driver:
    """One leg of XUSDT, with one bracket."""
    entry_of = {**default_symbols()[0], "symbol": "XUSDT", "pair": "XUSDT", "filters": [], "pricePrecision": 8}
    bracket = {"bracket": 1, "initialLeverage": 125, "notionalCap": 10**9, "notionalFloor": 0}
    position = {"symbol": "XUSDT", "positionSide": side, "qty": quantity, "entryPrice": entry}
    if isolated is not None:
        position["isolatedWallet"] = isolated
        setup["marginType"] = {"XUSDT": "ISOLATED"}
    return Driver(
        {"filters": "off"},
        symbols=[entry_of],
        marks={"XUSDT": mark},
        brackets={"XUSDT": [bracket | {"maintMarginRatio": ratio, "cum": 0}]},
        positions=[position],
        **setup,
    )


def row(exchange: Driver, version: int = 3) -> Any:
    return exchange.call("GET", f"v{version}/positionRisk", symbol="XUSDT")[0]


@pytest.mark.parametrize(
    ("side", "quantity", "entry", "mark", "profit"),
    [
        ("LONG", "0.237", "16747.72013242", "16067.09213386", "-161.30883565"),
        ("LONG", "0.003", "37140", "37113.25148824", "-0.08024553"),
        ("SHORT", "1", "70.92841", "49.72023376", "21.20817624"),
        ("LONG", "0.001", "22185.2", "21123.05052574", "-1.06214947"),
    ],
)
def test_unrealised_profit(side: str, quantity: str, entry: str, mark: str, profit: str) -> None:
    assert row(held(side, quantity, entry, mark))["unRealizedProfit"] == profit


@pytest.mark.parametrize(
    ("side", "quantity", "mark", "notional"),
    [("LONG", "0.237", "16067.09213386", "3807.90083572"), ("SHORT", "1", "49.72023376", "-49.72023376")],
)
def test_notional(side: str, quantity: str, mark: str, notional: str) -> None:
    assert row(held(side, quantity, mark, mark))["notional"] == notional


@pytest.mark.parametrize(
    ("mark", "ratio", "maintenance"),
    [
        ("12.31427700", "0.0065", "0.08004280"),
        ("122.63842038", "0.004", "0.49055368"),
        ("49.72023376", "0.01", "0.49720233"),
    ],
)
def test_maintenance_margin(mark: str, ratio: str, maintenance: str) -> None:
    assert row(held("LONG", "1", mark, mark, ratio=ratio))["maintMargin"] == maintenance


def test_initial_margin() -> None:
    answer = row(held("SHORT", "1", "70.92841", "49.72023376", leverage={"XUSDT": 20}))
    assert answer["positionInitialMargin"] == answer["initialMargin"] == "2.48601168"


def test_an_isolated_long() -> None:
    exchange = held("LONG", "0.003", "37140", "37113.25148824", isolated="2.21147021", wallet=100)
    answer = row(exchange, 2)
    assert (answer["liquidationPrice"], answer["isolatedMargin"]) == ("36549.03942102", "2.13122468")
    assert (answer["marginType"], answer["isolatedWallet"]) == ("isolated", "2.21147021")
    asset = exchange.call("GET", "v3/account")["assets"][0]
    assert Decimal(asset["crossWalletBalance"]) == 100 - Decimal("2.21147021")
    assert asset["availableBalance"] == asset["crossWalletBalance"]


@pytest.mark.parametrize(
    ("side", "wallet", "price"),
    [("LONG", 1000, "45180.72289157"), ("SHORT", 1000, "54780.87649402"), ("LONG", 100_000, "0")],
)
def test_cross_liquidation_price(side: str, wallet: int, price: str) -> None:
    """By the formula alone: (WB ∓ q·entry) / (q·MMR ∓ q)."""
    assert row(held(side, "0.2", "50000", "50000", wallet=wallet))["liquidationPrice"] == price


def test_both_legs_share_one_liquidation_price() -> None:
    legs = [("LONG", "0.300", "50000"), ("SHORT", "0.100", "51000")]
    positions = [{"symbol": BTC, "positionSide": side, "qty": q, "entryPrice": p} for side, q, p in legs]
    exchange = Driver(positions=positions, wallet=2000)
    prices = {one["liquidationPrice"] for one in exchange.call("GET", "v3/positionRisk")}
    expected = (2000 - Decimal(15000) + 5100) / (Decimal("0.0016") - Decimal("0.2"))
    assert prices == {str(expected.quantize(Decimal("1e-8"), ROUND_HALF_UP))}


@pytest.mark.parametrize(
    ("side", "price", "rate", "quantity", "break_even"),
    [
        ("LONG", "0.385", "0.0002", "100", "0.385077"),
        ("SHORT", "70.92841", "0.0004", "1", "70.900038636"),
        ("LONG", "37140", "0.0002", "0.003", "37147.428"),
        ("LONG", "58039.5", "0.0004", "0.5", "58062.7158"),
    ],
)
def test_break_even_price(side: str, price: str, rate: str, quantity: str, break_even: str) -> None:
    exchange = held("LONG" if side == "SHORT" else "SHORT", "1", price, price, takerRate=rate, makerRate=rate)
    exchange.mark(price, "XUSDT", bid=price, ask=price)
    exchange.order(OPENING[side], side, quantity, symbol="XUSDT")
    assert exchange.leg(side, "XUSDT")["breakEvenPrice"] == break_even
    part = Decimal(quantity) / 4
    gain = Decimal(price) * Decimal("1.01" if side == "LONG" else "0.99")
    exchange.mark(gain, "XUSDT", bid=gain, ask=gain)
    exchange.order(CLOSING[side], side, part, symbol="XUSDT")
    moved = Decimal(exchange.leg(side, "XUSDT")["breakEvenPrice"]) - Decimal(break_even)
    assert moved < 0 if side == "LONG" else moved > 0, "what was gained brings the break-even price nearer"


def test_the_average_entry_price_has_thirteen_digits() -> None:
    leg = Leg("XUSDT", "LONG")
    for quantity, price in (("482", "0.3371"), ("1", "0.3750")):
        leg.trade("BUY", Decimal(quantity), Decimal(price))
    assert str(leg.entry) == "0.3371784679089"


def test_recorded_trades() -> None:
    exchange = held("LONG", "1", "2778", "2778.35", takerRate="0.0004", dualSidePosition=True)
    exchange.mark("2778.35", "XUSDT", bid="2778.35", ask="2778.36")
    exchange.order("SELL", "SHORT", "0.005", symbol="XUSDT")
    exchange.mark("2779", "XUSDT", bid="2778.99", ask="2779")
    exchange.order("BUY", "SHORT", "0.005", symbol="XUSDT")
    sold, bought = exchange.call("GET", "v1/userTrades", symbol="XUSDT")
    assert (sold["commission"], sold["realizedPnl"]) == ("0.00555670", "0.00000000")
    assert (bought["commission"], bought["realizedPnl"]) == ("0.00555800", "-0.00325000")
    assert (sold["quoteQty"], bought["quoteQty"]) == ("13.89175", "13.895")
    assert exchange.wallet() == Decimal(100_000) - Decimal("0.00325") - Decimal("0.0055567") - Decimal("0.005558")


def test_money_is_cut_toward_zero() -> None:
    assert [str(truncate(Decimal(one))) for one in ("1.999999999", "-1.999999999", "-0.000000001")] == [
        "1.99999999",
        "-1.99999999",
        "0E-8",
    ]
    assert str(significant(Decimal("-1.23456789012345"))) == "-1.234567890123"
    assert [trimmed(Decimal(one)) for one in ("1.500", "100", "0E-8", "-0")] == ["1.5", "100", "0", "0"]
    assert [average(Decimal(one)) for one in ("0", "50000", "50000.10")] == ["0.0", "50000.0", "50000.1"]


@pytest.mark.parametrize(
    ("notional", "maintenance"),
    [("50000", "200"), ("500000", "2450"), ("1000000", "5550"), ("5000000", "38550"), ("20000000", "268550")],
)
def test_maintenance_margin_is_continuous_over_the_brackets(notional: str, maintenance: str) -> None:
    quantity = Decimal(notional) / 50_000
    position = {"symbol": BTC, "positionSide": "LONG", "qty": quantity, "entryPrice": "50000"}
    exchange = Driver(positions=[position], wallet=10**8, leverage={BTC: 10})
    answer = exchange.call("GET", "v3/positionRisk")[0]
    assert Decimal(answer["maintMargin"]) == Decimal(maintenance)


def test_the_account_adds_up() -> None:
    """The identities of a recorded account, with a cross and an isolated symbol and an open order."""
    exchange = Driver(marginType={"ETHUSDT": "ISOLATED"}, leverage={"ETHUSDT": 10})
    exchange.order("BUY", "LONG", "0.100")
    exchange.order("SELL", "SHORT", "1", symbol="ETHUSDT")
    exchange.order("BUY", "LONG", "0.1", "2900", symbol="ETHUSDT")
    exchange.mark(50500)
    exchange.mark(3050, "ETHUSDT")
    account = exchange.call("GET", "v2/account")
    asset = account["assets"][0]
    figures = {name: Decimal(value) for name, value in asset.items() if isinstance(value, str) and name != "asset"}
    isolated = sum(Decimal(one["isolatedWallet"]) for one in account["positions"])
    assert isolated == Decimal("299.999")
    assert figures["walletBalance"] == figures["crossWalletBalance"] + isolated
    assert figures["marginBalance"] == figures["walletBalance"] + figures["unrealizedProfit"]
    assert figures["openOrderInitialMargin"] == 29
    assert figures["initialMargin"] == figures["positionInitialMargin"] + 29
    cross = 50500 * Decimal("0.1") / 20
    assert figures["availableBalance"] == figures["crossWalletBalance"] + figures["crossUnPnl"] - cross - 29
    for name, total in (
        ("totalWalletBalance", "walletBalance"),
        ("totalMarginBalance", "marginBalance"),
        ("totalInitialMargin", "initialMargin"),
        ("totalMaintMargin", "maintMargin"),
        ("availableBalance", "availableBalance"),
    ):
        assert Decimal(account[name]) == figures[total]
    newer = exchange.call("GET", "v3/account")
    assert {name: newer[name] for name in account if name.startswith("total")} == {
        name: value for name, value in account.items() if name.startswith("total")
    }


@pytest.mark.parametrize(
    ("side", "leg", "price", "most"),
    [
        # initial margin of the assumed price at 20x, and the opening loss
        ("BUY", "LONG", None, Decimal(1000) / (ASSUMED / 20 + ASSUMED - 50000)),
        ("BUY", "LONG", "49000", Decimal(1000) / 2450),
        ("SELL", "SHORT", None, Decimal(1000) / 2500),
        ("SELL", "SHORT", "51000", Decimal(1000) / 2550),
        ("SELL", "SHORT", "50000.5", Decimal(1000) / (50075 * Decimal("0.05"))),
    ],
)  # fmt: skip
def test_what_an_order_costs(side: str, leg: str, price: str | None, most: Decimal) -> None:
    quantity = most.quantize(Decimal("0.001"), "ROUND_DOWN")
    Driver(wallet=1000).order(side, leg, quantity, price)
    with refused(-2019):
        Driver(wallet=1000).order(side, leg, quantity + Decimal("0.001"), price)


def test_margin_can_be_switched_off() -> None:
    exchange = Driver({"margin": "off", "liquidation": "off"}, wallet=1)
    exchange.order("BUY", "LONG", "1")
    assert exchange.amount("LONG") == 1
