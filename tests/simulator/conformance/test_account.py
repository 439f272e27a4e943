"""Positions, account, balance and income (Binance docs, account/rest-api and trade/rest-api)."""

from decimal import Decimal

from tests.simulator.conformance.documents import (
    INCOME,
    POSITION_V2,
    POSITION_V2_OPTIONAL,
    POSITION_V3,
    Shape,
    is_decimal,
    is_flag,
    is_integer,
    is_text,
    listed,
    number,
    one_of,
    shape,
)
from tests.simulator.conformance.sim import BTC, ETH, Sim
from tests.simulator.conformance.wire import ok, refused

# ---------------------------------------------------------------- positions


def test_v2_lists_every_leg_of_every_symbol(sim: Sim) -> None:
    rows = ok(sim.wire.get("/fapi/v2/positionRisk"))
    for row in rows:
        shape(row, POSITION_V2, POSITION_V2_OPTIONAL)
    assert sorted((row["symbol"], row["positionSide"]) for row in rows) == [
        (BTC, "LONG"),
        (BTC, "SHORT"),
        (ETH, "LONG"),
        (ETH, "SHORT"),
    ]
    for row in rows:
        assert (row["positionAmt"], row["entryPrice"], row["liquidationPrice"], row["updateTime"]) == (
            "0.000",
            "0.0",
            "0",
            0,
        )
        assert (row["marginType"], row["leverage"], row["isAutoAddMargin"]) == ("cross", "20", "false")


def test_v2_of_one_symbol_lists_both_legs(sim: Sim) -> None:
    ok(sim.order("SELL", "SHORT", "0.010"))
    rows = ok(sim.wire.get("/fapi/v2/positionRisk", symbol=BTC))
    assert {row["positionSide"]: row["positionAmt"] for row in rows} == {"LONG": "0.000", "SHORT": "-0.010"}
    short = next(row for row in rows if row["positionSide"] == "SHORT")
    assert number(short["notional"]) == -500
    assert number(short["entryPrice"]) == Decimal("49999.9")
    assert short["updateTime"] > 0


def test_one_way_accounts_list_one_row_per_symbol(sim: Sim) -> None:
    sim.reset(
        dualSidePosition=False,
        positions=[{"symbol": BTC, "positionSide": "BOTH", "qty": "-0.5", "entryPrice": "50000"}],
    )
    rows = ok(sim.wire.get("/fapi/v2/positionRisk"))
    assert {(row["symbol"], row["positionSide"]): number(row["positionAmt"]) for row in rows} == {
        (BTC, "BOTH"): Decimal("-0.5"),
        (ETH, "BOTH"): Decimal(0),
    }


def test_v3_lists_what_is_held_or_ordered(sim: Sim) -> None:
    assert ok(sim.wire.get("/fapi/v3/positionRisk")) == []
    ok(sim.order("BUY", "LONG", "0.010"))
    rows = ok(sim.wire.get("/fapi/v3/positionRisk"))
    for row in rows:
        shape(row, POSITION_V3)
    held = [row for row in rows if number(row["positionAmt"])]
    assert [(row["symbol"], row["positionSide"]) for row in held] == [(BTC, "LONG")]
    assert {row["symbol"] for row in rows} == {BTC}
    ok(sim.order("BUY", "LONG", "0.100", "2900", symbol=ETH))
    assert {row["symbol"] for row in ok(sim.wire.get("/fapi/v3/positionRisk"))} == {BTC, ETH}


def test_v3_may_list_the_flat_leg_too(sim: Sim) -> None:
    sim.reset(options={"v3_lists_flat_leg": True})
    ok(sim.order("BUY", "LONG", "0.010"))
    rows = ok(sim.wire.get("/fapi/v3/positionRisk", symbol=BTC))
    assert {row["positionSide"] for row in rows} == {"LONG", "SHORT"}


def test_positions_given_at_reset_are_held(sim: Sim) -> None:
    sim.reset(
        marks={BTC: "51000"},
        positions=[
            {"symbol": BTC, "positionSide": "LONG", "qty": "0.5", "entryPrice": "50000"},
            {"symbol": BTC, "positionSide": "SHORT", "qty": "0.2", "entryPrice": "52000"},
        ],
    )
    long, short = sim.leg("LONG"), sim.leg("SHORT")
    assert (number(long["positionAmt"]), number(long["unRealizedProfit"])) == (Decimal("0.5"), 500)
    assert (number(short["positionAmt"]), number(short["unRealizedProfit"])) == (Decimal("-0.2"), 200)


def test_an_unknown_symbol_is_refused(sim: Sim) -> None:
    refused(sim.wire.get("/fapi/v2/positionRisk", symbol="NONEUSDT"), -1121)


# ---------------------------------------------------------------- account and balance

TOTALS: Shape = dict.fromkeys(
    (
        "totalInitialMargin",
        "totalMaintMargin",
        "totalWalletBalance",
        "totalUnrealizedProfit",
        "totalMarginBalance",
        "totalPositionInitialMargin",
        "totalOpenOrderInitialMargin",
        "totalCrossWalletBalance",
        "totalCrossUnPnl",
        "availableBalance",
        "maxWithdrawAmount",
    ),
    is_decimal,
)
ASSET: Shape = {
    "asset": is_text,
    "updateTime": is_integer,
    **dict.fromkeys(
        (
            "walletBalance",
            "unrealizedProfit",
            "marginBalance",
            "maintMargin",
            "initialMargin",
            "positionInitialMargin",
            "openOrderInitialMargin",
            "crossWalletBalance",
            "crossUnPnl",
            "availableBalance",
            "maxWithdrawAmount",
        ),
        is_decimal,
    ),
}
POSITION: Shape = {
    "symbol": is_text,
    "positionSide": is_text,
    "updateTime": is_integer,
    **dict.fromkeys(
        (
            "positionAmt",
            "unrealizedProfit",
            "isolatedMargin",
            "notional",
            "isolatedWallet",
            "initialMargin",
            "maintMargin",
        ),
        is_decimal,
    ),
}


def test_account_v3(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010"))
    body = ok(sim.wire.get("/fapi/v3/account"))
    are_objects = listed(lambda one: isinstance(one, dict))
    shape(body, {**TOTALS, "assets": are_objects, "positions": are_objects})
    for asset in body["assets"]:
        shape(asset, ASSET, {"marginAvailable": is_flag})
    for position in body["positions"]:
        shape(position, POSITION)
    assert {row["symbol"] for row in body["positions"]} == {BTC}


def test_account_v2(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010"))
    body = ok(sim.wire.get("/fapi/v2/account"))
    are_objects = listed(lambda one: isinstance(one, dict))
    flags = ("feeBurn", "canTrade", "canDeposit", "canWithdraw", "multiAssetsMargin")
    shape(
        body,
        {
            **TOTALS,
            **dict.fromkeys(flags, is_flag),
            "feeTier": is_integer,
            "tradeGroupId": one_of(-1),
            "updateTime": is_integer,
            "assets": are_objects,
            "positions": are_objects,
        },
    )
    for asset in body["assets"]:
        shape(asset, {**ASSET, "marginAvailable": is_flag})
    decimals = ("leverage", "entryPrice", "breakEvenPrice", "maxNotional", "bidNotional", "askNotional")
    more = ("positionInitialMargin", "openOrderInitialMargin")
    for position in body["positions"]:
        known = {name: check for name, check in POSITION.items() if name != "isolatedMargin"}
        shape(
            position,
            {**known, **dict.fromkeys((*decimals, *more), is_decimal), "isolated": is_flag},
            {"isolatedMargin": is_decimal},
        )
    assert len(body["positions"]) == 4, "both legs of every symbol"
    assert all(row["leverage"] == "20" for row in body["positions"])


def test_balance_v3(sim: Sim) -> None:
    rows = ok(sim.wire.get("/fapi/v3/balance"))
    decimals = ("balance", "crossWalletBalance", "crossUnPnl", "availableBalance", "maxWithdrawAmount")
    for row in rows:
        shape(
            row,
            {
                **dict.fromkeys(decimals, is_decimal),
                "accountAlias": is_text,
                "asset": is_text,
                "marginAvailable": is_flag,
                "updateTime": is_integer,
            },
        )
    usdt = next(row for row in rows if row["asset"] == "USDT")
    assert number(usdt["balance"]) == 100_000


def test_balance_v2_is_served_too(sim: Sim) -> None:
    rows = ok(sim.wire.get("/fapi/v2/balance"))
    assert number(next(row for row in rows if row["asset"] == "USDT")["balance"]) == 100_000


# ---------------------------------------------------------------- income


def test_income_of_a_round_trip(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010"))
    sim.mark(BTC, "51000", bid="51000", ask="51000.1")
    ok(sim.order("SELL", "LONG", "0.010"))
    sim.funding(ETH, "0.0001")
    rows = sim.income()
    for row in rows:
        shape(row, INCOME)
    assert sorted((row["incomeType"], number(row["income"])) for row in rows) == [
        ("COMMISSION", Decimal("-0.255")),
        ("COMMISSION", Decimal("-0.25")),
        ("REALIZED_PNL", Decimal(10)),
    ]
    trades = {str(trade["id"]) for trade in sim.trades()}
    assert {row["tradeId"] for row in rows} == trades
    kinds = [(row["incomeType"], row["tranId"]) for row in rows]
    assert len(set(kinds)) == len(kinds)


def test_income_can_be_filtered(virtual: Sim) -> None:
    ok(virtual.order("BUY", "LONG", "0.010"))
    first = virtual.now_ms
    virtual.advance(60_000)
    ok(virtual.order("SELL", "LONG", "0.010"))
    ok(virtual.order("BUY", "LONG", "0.100", symbol=ETH))

    def number(**more: object) -> int:
        return len(virtual.income(**more))

    assert number() == 4
    assert number(symbol=BTC) == 3
    assert number(incomeType="REALIZED_PNL") == 1
    assert number(startTime=first, endTime=first) == 1
    assert number(startTime=first + 1) == 3
    assert number(limit=2) == 2
    virtual.advance(7 * 86_400_000 + 1000)
    assert number(incomeType="COMMISSION") == 0, "seven days by default"
    assert number(incomeType="COMMISSION", startTime=first) == 3


def test_income_is_paged(sim: Sim) -> None:
    for _ in range(5):
        ok(sim.order("BUY", "LONG", "0.010"))
    ids = [row["tranId"] for row in sim.income()]
    assert len(ids) == 5
    assert [row["tranId"] for page in (1, 2, 3) for row in sim.income(limit=2, page=page)] == ids


def test_funding_is_one_row_per_leg(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.020"))
    ok(sim.order("SELL", "SHORT", "0.010"))
    sim.funding(BTC, "0.0001")
    rows = sim.income(incomeType="FUNDING_FEE")
    assert sorted(number(row["income"]) for row in rows) == [Decimal("-0.1"), Decimal("0.05")]
    assert {(row["tradeId"], row["asset"]) for row in rows} == {("", "USDT")}
    assert len({row["tranId"] for row in rows}) == 2
