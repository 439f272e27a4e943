"""Fees in another asset than the one that positions settle in."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from tests.simulator.core.driver import BTC, Driver
from tradeengine.simulator.options import Options
from tradeengine.simulator.snapshots import restore, snapshot

D = Decimal
# 0.3 BTC at 50,000.10: 7.500015 USDT of fee at 0.05 %
FEE = D("7.500015")


def assets(exchange: Driver, version: str) -> dict[str, dict[str, Any]]:
    return {row["asset"]: row for row in exchange.call("GET", f"{version}/account")["assets"]}


def test_fees_are_paid_in_the_other_asset_at_its_price_and_less_of_them() -> None:
    exchange = Driver({"fee_asset": "BNB", "fee_asset_price": "700"})
    exchange.events()
    exchange.order("BUY", "LONG", "0.300")
    paid = D("0.00964287")
    assert paid == (FEE * D("0.9") / 700).quantize(D("1e-8"), "ROUND_DOWN")

    (trade,) = exchange.call("GET", "v1/userTrades", symbol=BTC)
    assert (D(trade["commission"]), trade["commissionAsset"], trade["marginAsset"]) == (paid, "BNB", "USDT")
    (row,) = exchange.call("GET", "v1/income", incomeType="COMMISSION")
    assert (D(row["income"]), row["asset"]) == (-paid, "BNB")
    events = {event["e"]: event for event in exchange.events() if event["e"] != "ORDER_TRADE_UPDATE" or event["o"]["t"]}
    order = events["ORDER_TRADE_UPDATE"]["o"]
    assert (D(order["n"]), order["N"]) == (paid, "BNB")
    balances = {each["a"]: D(each["wb"]) for each in events["ACCOUNT_UPDATE"]["a"]["B"]}
    assert balances == {"USDT": D(100_000), "BNB": 10 - paid}


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_the_account_has_both_balances_and_its_totals_are_of_the_quote_asset(version: str) -> None:
    exchange = Driver({"fee_asset": "BNB"})
    exchange.order("BUY", "LONG", "0.300")
    found = assets(exchange, version)
    assert set(found) == {"USDT", "BNB"}
    assert found["BNB"].keys() == found["USDT"].keys()
    left = 10 - (FEE * D("0.9") / 600).quantize(D("1e-8"), "ROUND_DOWN")
    assert D(found["BNB"]["walletBalance"]) == D(found["BNB"]["availableBalance"]) == left
    assert D(found["BNB"]["unrealizedProfit"]) == 0
    account = exchange.call("GET", f"{version}/account")
    assert D(account["totalWalletBalance"]) == D(found["USDT"]["walletBalance"]) == 100_000
    balances = {row["asset"]: D(row["balance"]) for row in exchange.call("GET", f"{version}/balance")}
    assert balances == {"USDT": D(100_000), "BNB": left}
    assert {row["asset"] for row in exchange.call("GET", "v1/exchangeInfo")["assets"]} == {"USDT", "BNB"}


def test_what_the_other_asset_does_not_cover_is_paid_in_full_in_the_quote_asset() -> None:
    exchange = Driver({"fee_asset": "BNB", "fee_balance": "0.012"})
    exchange.order("BUY", "LONG", "0.300")
    exchange.order("SELL", "LONG", "0.300")
    trades = exchange.call("GET", "v1/userTrades", symbol=BTC)
    assert [(row["commissionAsset"], D(row["commission"])) for row in trades] == [
        ("BNB", D("0.01125002")),
        ("USDT", D("0.3") * D("49999.9") * D("0.0005")),
    ]
    assert D(assets(exchange, "v3")["BNB"]["walletBalance"]) == D("0.00074998")


def test_a_rebate_is_paid_in_the_quote_asset() -> None:
    exchange = Driver({"fee_asset": "BNB"}, makerRate="-0.0001")
    exchange.order("BUY", "LONG", "0.300", "49000")
    exchange.mark("49000")
    (trade,) = exchange.call("GET", "v1/userTrades", symbol=BTC)
    assert (trade["commissionAsset"], D(trade["commission"])) == ("USDT", D("-1.47"))


def test_the_other_balance_is_kept() -> None:
    exchange = Driver({"fee_asset": "BNB"})
    exchange.order("BUY", "LONG", "0.300")
    document = snapshot(exchange.exchange.state)
    again = restore(document)
    assert again.wallet.other == exchange.exchange.state.wallet.other < 10
    assert snapshot(again) == document


def test_without_the_option_nothing_of_it_shows() -> None:
    exchange = Driver()
    exchange.order("BUY", "LONG", "0.300")
    assert list(assets(exchange, "v2")) == ["USDT"]
    assert exchange.call("GET", "v2/account")["feeBurn"] is False
    (update,) = exchange.events("ACCOUNT_UPDATE")
    assert [row["a"] for row in update["a"]["B"]] == ["USDT"]


@pytest.mark.parametrize("wrong", [{"fee_asset": ""}, {"fee_asset_price": 0}, {"fee_discount": 1}, {"fee_balance": -1}])
def test_options_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate(wrong)
