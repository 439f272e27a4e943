"""Market data by request (Binance docs, market-data/rest-api)."""

from decimal import Decimal

import pytest

from tests.simulator.conformance.documents import (
    is_decimal,
    is_empty_or_decimal,
    is_flag,
    is_integer,
    is_price_list,
    is_text,
    number,
    one_of,
    shape,
)
from tests.simulator.conformance.sim import BTC, ETH, Sim
from tests.simulator.conformance.wire import ok, refused

PREMIUM = {
    "symbol": is_text,
    "markPrice": is_decimal,
    "indexPrice": is_decimal,
    "estimatedSettlePrice": is_decimal,
    "lastFundingRate": is_decimal,
    "nextFundingTime": is_integer,
    "interestRate": is_decimal,
    "time": is_integer,
}


def test_premium_index(sim: Sim) -> None:
    row = ok(sim.wire.public("/fapi/v1/premiumIndex", symbol=BTC))
    shape(row, PREMIUM)
    assert number(row["markPrice"]) == 50000
    rows = ok(sim.wire.public("/fapi/v1/premiumIndex"))
    for one in rows:
        shape(one, PREMIUM)
    assert {one["symbol"] for one in rows} == {BTC, ETH}


def test_the_next_funding_time_is_a_multiple_of_eight_hours(virtual: Sim) -> None:
    eight_hours = 8 * 3_600_000
    row = ok(virtual.wire.public("/fapi/v1/premiumIndex", symbol=BTC))
    assert row["nextFundingTime"] == (virtual.now_ms // eight_hours + 1) * eight_hours
    virtual.advance(eight_hours)
    assert (
        ok(virtual.wire.public("/fapi/v1/premiumIndex", symbol=BTC))["nextFundingTime"]
        == row["nextFundingTime"] + eight_hours
    )


HOUR_MS = 3_600_000
INTERVALS = {BTC: 4, ETH: 1}


def test_the_intervals_of_funding_differ_by_symbol(virtual: Sim) -> None:
    virtual.reset(fundingIntervalHours=INTERVALS)
    rows = ok(virtual.wire.public("/fapi/v1/fundingInfo"))
    for row in rows:
        shape(
            row,
            {
                "symbol": is_text,
                "fundingIntervalHours": is_integer,
                **dict.fromkeys(("adjustedFundingRateCap", "adjustedFundingRateFloor"), is_decimal),
            },
            {"disclaimer": lambda value: isinstance(value, bool)},
        )
    assert {row["symbol"]: row["fundingIntervalHours"] for row in rows} == INTERVALS
    for symbol, hours in INTERVALS.items():
        due = (virtual.now_ms // (hours * HOUR_MS) + 1) * hours * HOUR_MS
        assert ok(virtual.wire.public("/fapi/v1/premiumIndex", symbol=symbol))["nextFundingTime"] == due


def test_funding_is_settled_at_the_symbol_s_interval(virtual: Sim) -> None:
    legs = [
        {"symbol": symbol, "positionSide": "LONG", "qty": "1", "entryPrice": price}
        for symbol, price in ((BTC, "50000"), (ETH, "3000"))
    ]
    virtual.reset(fundingIntervalHours=INTERVALS, positions=legs)
    began = virtual.now_ms
    virtual.advance(8 * HOUR_MS)
    for symbol, hours in INTERVALS.items():
        step = hours * HOUR_MS
        due = list(range((began // step + 1) * step, began + 8 * HOUR_MS + 1, step))
        rows = ok(virtual.wire.public("/fapi/v1/fundingRate", symbol=symbol))
        assert [row["fundingTime"] for row in rows] == due
        paid = virtual.income(symbol=symbol, incomeType="FUNDING_FEE")
        assert [row["time"] for row in paid] == due
        following = ok(virtual.wire.public("/fapi/v1/premiumIndex", symbol=symbol))["nextFundingTime"]
        assert following == due[-1] + step


@pytest.mark.parametrize("intervals", [{BTC: 3}, {"NONEUSDT": 4}])
def test_other_intervals_are_refused(sim: Sim, intervals: dict[str, int]) -> None:
    assert sim.try_reset(fundingIntervalHours=intervals).status == 422


def test_mark_price_and_last_price_part(sim: Sim) -> None:
    sim.mark(BTC, "50000", last="50400")
    assert number(ok(sim.wire.public("/fapi/v1/premiumIndex", symbol=BTC))["markPrice"]) == 50000
    assert number(ok(sim.wire.public("/fapi/v2/ticker/price", symbol=BTC))["price"]) == 50400
    sim.mark(BTC, "50100")
    assert number(ok(sim.wire.public("/fapi/v2/ticker/price", symbol=BTC))["price"]) == 50100


def test_funding_rates_are_ascending(sim: Sim) -> None:
    for rate in ("0.0001", "-0.0375", "0.0002"):
        sim.funding(BTC, rate)
    rows = ok(sim.wire.public("/fapi/v1/fundingRate", symbol=BTC))
    for row in rows:
        shape(
            row,
            {"symbol": is_text, "fundingRate": is_decimal, "fundingTime": is_integer, "markPrice": is_empty_or_decimal},
            {"rateType": is_text},
        )
    assert [number(row["fundingRate"]) for row in rows] == [number(one) for one in ("0.0001", "-0.0375", "0.0002")]
    assert len(ok(sim.wire.public("/fapi/v1/fundingRate", symbol=BTC, limit=2))) == 2


def test_funding_rates_of_a_window(virtual: Sim) -> None:
    times = []
    for _ in range(3):
        virtual.funding(BTC, "0.0001")
        times.append(virtual.now_ms)
        virtual.advance(60_000)

    def between(**window: int) -> list[int]:
        rows = ok(virtual.wire.public("/fapi/v1/fundingRate", symbol=BTC, **window))
        return [row["fundingTime"] for row in rows]

    assert between(startTime=times[1]) == times[1:]
    assert between(startTime=times[0], endTime=times[1]) == times[:2]


def test_funding_info_is_a_list(sim: Sim) -> None:
    assert isinstance(ok(sim.wire.public("/fapi/v1/fundingInfo")), list)


def test_book_ticker(sim: Sim) -> None:
    row = ok(sim.wire.public("/fapi/v1/ticker/bookTicker", symbol=BTC))
    decimals = ("bidPrice", "bidQty", "askPrice", "askQty")
    shape(
        row,
        {"symbol": is_text, "time": is_integer, **dict.fromkeys(decimals, is_decimal)},
        {"lastUpdateId": is_integer, "pair": is_text},
    )
    assert (number(row["bidPrice"]), number(row["askPrice"])) == (Decimal("49999.9"), 50000)
    assert {one["symbol"] for one in ok(sim.wire.public("/fapi/v1/ticker/bookTicker"))} == {BTC, ETH}


def test_the_book_surrounds_the_mark_when_it_is_not_given(sim: Sim) -> None:
    sim.mark(BTC, "60000")
    row = ok(sim.wire.public("/fapi/v1/ticker/bookTicker", symbol=BTC))
    assert number(row["bidPrice"]) <= 60000 <= number(row["askPrice"])
    assert 0 < number(row["askPrice"]) - number(row["bidPrice"]) <= Decimal("0.2")


@pytest.mark.parametrize("version", [1, 2])
def test_price_ticker(sim: Sim, version: int) -> None:
    row = ok(sim.wire.public(f"/fapi/v{version}/ticker/price", symbol=BTC))
    shape(row, {"symbol": one_of(BTC), "price": is_decimal, "time": is_integer})
    assert number(row["price"]) == 50000
    assert {one["symbol"] for one in ok(sim.wire.public(f"/fapi/v{version}/ticker/price"))} == {BTC, ETH}


def test_depth(sim: Sim) -> None:
    body = ok(sim.wire.public("/fapi/v1/depth", symbol=BTC, limit=5))
    shape(
        body,
        {"lastUpdateId": is_integer, "E": is_integer, "T": is_integer, "bids": is_price_list, "asks": is_price_list},
    )
    bids, asks = ([number(price) for price, _ in body[side]] for side in ("bids", "asks"))
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert (bids[0], asks[0]) == (Decimal("49999.9"), 50000)
    assert 1 <= len(bids) <= 5


def test_klines(virtual: Sim) -> None:
    for price in ("50000", "50500", "49500", "50100"):
        virtual.mark(BTC, price)
        virtual.advance(30_000)
    rows = ok(virtual.wire.public("/fapi/v1/klines", symbol=BTC, interval="1m", limit=10))
    assert rows, "prices moved, so there are klines"
    for row in rows:
        assert len(row) == 12
        assert all(is_integer(row[index]) for index in (0, 6, 8))
        assert all(is_decimal(row[index]) for index in (1, 2, 3, 4, 5, 7, 9, 10, 11))
        assert (row[0] % 60_000, row[6]) == (0, row[0] + 59_999)
        low, high = number(row[3]), number(row[2])
        assert low <= min(number(row[1]), number(row[4])) <= max(number(row[1]), number(row[4])) <= high
    opens = [row[0] for row in rows]
    assert opens == sorted(set(opens))


def test_klines_need_a_known_interval(sim: Sim) -> None:
    refused(sim.wire.public("/fapi/v1/klines", symbol=BTC, interval="7m"), -1120)
    refused(sim.wire.public("/fapi/v1/klines", symbol=BTC), -1102)


def test_aggregate_trades(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010"))
    rows = ok(sim.wire.public("/fapi/v1/aggTrades", symbol=BTC))
    assert rows
    for row in rows:
        shape(
            row,
            {
                "a": is_integer,
                "p": is_decimal,
                "q": is_decimal,
                "f": is_integer,
                "l": is_integer,
                "T": is_integer,
                "m": is_flag,
            },
            {"nq": is_decimal},
        )
    assert (number(rows[-1]["p"]), number(rows[-1]["q"]), rows[-1]["m"]) == (50000, Decimal("0.01"), False)


@pytest.mark.parametrize(
    "path",
    [
        "/fapi/v1/premiumIndex",
        "/fapi/v1/ticker/bookTicker",
        "/fapi/v2/ticker/price",
        "/fapi/v1/depth",
        "/fapi/v1/aggTrades",
    ],
)
def test_unknown_symbols_are_refused(sim: Sim, path: str) -> None:
    refused(sim.wire.public(path, symbol="NONEUSDT"), -1121)


@pytest.mark.parametrize("path", ["/fapi/v1/depth", "/fapi/v1/aggTrades"])
def test_a_symbol_is_mandatory(sim: Sim, path: str) -> None:
    refused(sim.wire.public(path), -1102)
