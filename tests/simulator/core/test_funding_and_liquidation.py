"""Funding, margin calls, liquidation, and margin of isolated positions."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.core.driver import BTC, ETH, Driver, refused

EIGHT_HOURS_MS = 8 * 3_600_000


def positions(*legs: tuple[str, str, str]) -> list[dict[str, str]]:
    return [{"symbol": BTC, "positionSide": side, "qty": q, "entryPrice": price} for side, q, price in legs]


BOTH_LEGS = positions(("LONG", "0.300", "50000"), ("SHORT", "0.100", "50000"))


@pytest.mark.parametrize("rate", ["0.0001", "-0.0375"])
def test_funding_settles_both_legs(rate: str) -> None:
    exchange = Driver(positions=BOTH_LEGS)
    exchange.mark("51234.56789012")
    exchange.events()
    exchange.exchange.settle_funding(BTC, Decimal(rate))
    paid = [(Decimal("51234.56789012") * Decimal(q) * Decimal(rate)) for q in ("-0.3", "0.1")]
    expected = [one.quantize(Decimal("1e-8"), "ROUND_DOWN") for one in paid]
    assert exchange.income() == [("FUNDING_FEE", one) for one in expected]
    assert exchange.wallet() == 100_000 + sum(expected)
    updates = exchange.events("ACCOUNT_UPDATE")
    assert [(one["a"]["m"], one["a"]["P"], one["a"]["S"]) for one in updates] == [("FUNDING_FEE", [], BTC)] * 2
    assert [Decimal(one["a"]["B"][0]["bc"]) for one in updates] == expected
    assert Decimal(updates[-1]["a"]["B"][0]["wb"]) == exchange.wallet()


def test_isolated_funding_is_paid_by_the_leg() -> None:
    exchange = Driver(positions=BOTH_LEGS[:1], marginType={BTC: "ISOLATED"})
    exchange.exchange.settle_funding(BTC, Decimal("0.0001"))
    (update,) = exchange.events("ACCOUNT_UPDATE")
    (row,) = update["a"]["P"]
    assert (row["ps"], row["mt"], row["iw"]) == ("LONG", "isolated", "748.50000000")
    assert exchange.leg("LONG")["isolatedWallet"] == "748.50000000"


def test_funding_falls_due_every_eight_hours() -> None:
    exchange = Driver(positions=BOTH_LEGS[:1])
    due = exchange.call("GET", "v1/premiumIndex", symbol=BTC)["nextFundingTime"]
    assert due % EIGHT_HOURS_MS == 0
    exchange.exchange.advance_to(due - 1)
    assert exchange.income() == []
    exchange.advance(1 + EIGHT_HOURS_MS)
    rows = exchange.call("GET", "v1/income", incomeType="FUNDING_FEE")
    assert [(row["time"], row["income"]) for row in rows] == [
        (due, "-1.50000000"),
        (due + EIGHT_HOURS_MS, "-1.50000000"),
    ]
    rates = exchange.call("GET", "v1/fundingRate", symbol=BTC)
    assert [(row["fundingTime"], row["fundingRate"]) for row in rates] == [
        (due, "0.00010000"),
        (due + EIGHT_HOURS_MS, "0.00010000"),
    ]
    silent = Driver({"funding": "off"}, positions=BOTH_LEGS)
    silent.advance(3 * EIGHT_HOURS_MS)
    assert silent.income() == []


# ---------------------------------------------------------------- liquidation


@pytest.mark.parametrize(("side", "away"), [("LONG", "-0.00000001"), ("SHORT", "0.00000001")])
@pytest.mark.parametrize("margin_type", ["CROSSED", "ISOLATED"])
def test_a_position_is_closed_at_its_liquidation_price(side: str, away: str, margin_type: str) -> None:
    exchange = Driver(positions=positions((side, "0.2", "50000")), wallet=1000, marginType={BTC: margin_type})
    price = Decimal(exchange.leg(side)["liquidationPrice"])
    exchange.mark(price - 10 * Decimal(away))
    assert exchange.amount(side) != 0
    exchange.mark(price + Decimal(away))
    assert exchange.amount(side) == 0


def test_what_a_liquidation_tells_and_books() -> None:
    exchange = Driver(positions=positions(("LONG", "0.2", "50000")), wallet=1000)
    resting = exchange.order("SELL", "LONG", "0.1", "52000")["orderId"]
    stop = exchange.algo("SELL", "LONG", "STOP_MARKET", "40000", closePosition=True)["algoId"]
    exchange.events()
    exchange.mark("45100")
    events = exchange.events()
    orders = [event["o"] for event in events if event["e"] == "ORDER_TRADE_UPDATE"]
    assert [(one["x"], one["X"], one["er"]) for one in orders] == [
        ("EXPIRED", "EXPIRED", "5"),
        ("CALCULATED", "FILLED", "0"),
    ]
    assert orders[0]["i"] == resting
    closing = orders[1]
    assert closing["c"].startswith("autoclose-")
    assert (closing["S"], closing["ps"], closing["l"], closing["L"]) == ("SELL", "LONG", "0.2", "45100")
    assert exchange.get_algo(stop)["algoStatus"] == "EXPIRED"
    # 980 lost; the fee of 1.2 % of 9020 takes what is left
    assert exchange.income() == [("REALIZED_PNL", Decimal(-980)), ("INSURANCE_CLEAR", Decimal(-20))]
    assert exchange.wallet() == 0


def test_the_insurance_fund_pays_what_the_wallet_cannot() -> None:
    exchange = Driver(positions=positions(("LONG", "0.2", "50000")), wallet=1000)
    exchange.mark(40000)
    assert exchange.income() == [("REALIZED_PNL", Decimal(-2000)), ("INSURANCE_CLEAR", Decimal(1000))]
    assert exchange.wallet() == 0


def test_an_isolated_liquidation_touches_nothing_else() -> None:
    legs = [
        *positions(("LONG", "0.2", "50000")),
        {"symbol": ETH, "positionSide": "LONG", "qty": "1", "entryPrice": "3000"},
    ]
    exchange = Driver(positions=legs, wallet=5000, marginType={BTC: "ISOLATED"})
    resting = exchange.order("BUY", "LONG", "0.1", "2900", symbol=ETH)["orderId"]
    exchange.mark(47000)
    assert [exchange.amount("LONG"), exchange.amount("LONG", ETH)] == [0, 1]
    assert exchange.get_order(resting, ETH)["status"] == "NEW"
    assert exchange.wallet() == 4500
    cross = Driver(positions=legs, wallet=1300)
    resting = cross.order("BUY", "LONG", "0.1", "2900", symbol=ETH)["orderId"]
    cross.mark(43700)
    assert [cross.amount("LONG"), cross.amount("LONG", ETH)] == [0, 0]
    assert cross.get_order(resting, ETH)["status"] == "EXPIRED"


def test_a_stop_before_the_liquidation_price_goes_first() -> None:
    exchange = Driver(positions=positions(("LONG", "0.2", "50000")), wallet=1000)
    exchange.algo("SELL", "LONG", "STOP_MARKET", "46000", closePosition=True)
    exchange.mark(45000)
    assert [kind for kind, _ in exchange.income()] == ["REALIZED_PNL", "COMMISSION"]


def test_liquidation_can_be_switched_off() -> None:
    exchange = Driver({"liquidation": "off"}, positions=positions(("LONG", "0.2", "50000")), wallet=1000)
    exchange.mark(40000)
    assert exchange.amount("LONG") == Decimal("0.2")


@pytest.mark.parametrize("margin_type", ["CROSSED", "ISOLATED"])
def test_a_margin_call_comes_once(margin_type: str) -> None:
    exchange = Driver(positions=positions(("LONG", "0.2", "50000")), wallet=500, marginType={BTC: margin_type})
    exchange.events()
    for price in (48000, 47730, 47725, 49000, 47730):
        exchange.mark(price)
    calls = exchange.events("MARGIN_CALL")
    assert len(calls) == 2
    (row,) = calls[0]["p"]
    assert (row["mt"], row["ps"], row["mp"], row["mm"]) == (margin_type, "LONG", "47730.00000000", "38.18400000")
    assert ("cw" in calls[0]) is (margin_type == "CROSSED")


# ---------------------------------------------------------------- isolated margin


def isolated(**more: Any) -> Driver:
    exchange = Driver(marginType={BTC: "ISOLATED"}, **more)
    exchange.mark(50000, bid=50000, ask=50000)
    return exchange


def test_an_isolated_position_keeps_its_margin() -> None:
    exchange = isolated()
    exchange.order("BUY", "LONG", "0.100")
    assert exchange.leg("LONG")["isolatedWallet"] == "250.00000000"
    exchange.order("BUY", "LONG", "0.100")
    exchange.mark(51000, bid=51000, ask=51000)
    exchange.order("SELL", "LONG", "0.050")
    assert exchange.leg("LONG")["isolatedWallet"] == "375.00000000"
    exchange.order("SELL", "LONG", "0.150")
    asset = exchange.call("GET", "v3/account")["assets"][0]
    assert asset["walletBalance"] == asset["crossWalletBalance"]


def move(exchange: Driver, amount: str, direction: int, **more: Any) -> Any:
    values = {"symbol": BTC, "positionSide": "LONG", "amount": amount, "type": direction, **more}
    return exchange.call("POST", "v1/positionMargin", **values)


def test_margin_is_moved() -> None:
    exchange = isolated()
    with refused(-4054):
        move(exchange, "10", 1)
    exchange.order("BUY", "LONG", "0.100")
    exchange.events()
    assert move(exchange, "100", 1) == {
        "amount": 100.0,
        "code": 200,
        "msg": "Successfully modify position margin.",
        "type": 1,
    }
    assert exchange.leg("LONG")["isolatedWallet"] == "350.00000000"
    assert exchange.told() == [("ACCOUNT", "MARGIN_TRANSFER")]
    move(exchange, "100", 2)
    for amount, direction, code in (("0.01", 2, -4051), ("1000000", 1, -4050), ("0", 1, -4055), ("1", 3, -1130)):
        with refused(code):
            move(exchange, amount, direction)
    with refused(-4061):
        move(exchange, "1", 1, positionSide=None)
    with refused(-4049):
        move(Driver(positions=BOTH_LEGS), "1", 1)
