"""Prices, candles, and recorded prices that are played."""

from typing import Any

import pytest

from tests.simulator.core.driver import BTC, START_MS, Driver, refused
from tradeengine.simulator.candles import span
from tradeengine.simulator.prices import PricePath

MINUTE_MS = 60_000


def test_what_is_listed() -> None:
    exchange = Driver()
    info = exchange.call("GET", "v1/exchangeInfo")
    btc = info["symbols"][0]
    assert (btc["symbol"], btc["orderTypes"][0], btc["marketTakeBound"]) == (BTC, "LIMIT", "0.30")
    assert {row["filterType"] for row in btc["filters"]} == {
        "PRICE_FILTER",
        "LOT_SIZE",
        "MARKET_LOT_SIZE",
        "MAX_NUM_ORDERS",
        "MIN_NOTIONAL",
        "PERCENT_PRICE",
    }
    assert [row["symbol"] for row in info["symbols"]] == [BTC, "ETHUSDT"]
    assert exchange.call("GET", "v1/time") == {"serverTime": START_MS}
    assert exchange.call("GET", "v1/ping") == {}


def test_prices() -> None:
    exchange = Driver()
    exchange.mark("50123.45678901")
    assert exchange.call("GET", "v1/premiumIndex", symbol=BTC)["markPrice"] == "50123.45678901"
    assert exchange.call("GET", "v2/ticker/price", symbol=BTC) == {"symbol": BTC, "price": "50123.40", "time": START_MS}
    book = exchange.call("GET", "v1/ticker/bookTicker", symbol=BTC)
    assert (book["bidPrice"], book["askPrice"]) == ("50123.30", "50123.60")
    exchange.mark(50000, bid="49990", ask="50010")
    depth = exchange.call("GET", "v1/depth", symbol=BTC, limit=5)
    assert [row[0] for row in depth["bids"]] == ["49990.00", "49989.90", "49989.80", "49989.70", "49989.60"]
    assert depth["asks"][0][0] == "50010.00"
    assert len(exchange.call("GET", "v1/ticker/bookTicker")) == len(exchange.call("GET", "v1/premiumIndex")) == 2
    day = exchange.call("GET", "v1/ticker/24hr", symbol=BTC)
    assert (day["highPrice"], day["lastPrice"]) == ("50123.40", "50000.00")


@pytest.mark.parametrize(("price", "bid"), [("0", None), ("-1", None), ("50000", "-1")])
def test_prices_are_above_zero(price: str, bid: str | None) -> None:
    with refused(-4001):
        Driver().mark(price, **({} if bid is None else {"bid": bid}))


def test_an_unknown_symbol() -> None:
    with refused(-1121):
        Driver().mark(1, "NONEUSDT")
    with refused(-1121):
        Driver().call("GET", "v1/depth", symbol="NONEUSDT")


def test_public_trades() -> None:
    exchange = Driver()
    for side in ("BUY", "SELL"):
        exchange.order(side, "LONG", "0.010")
    rows = exchange.call("GET", "v1/aggTrades", symbol=BTC)
    assert [(row["a"], row["p"], row["m"]) for row in rows] == [(1, "50000.10", False), (2, "49999.90", True)]
    assert exchange.call("GET", "v1/aggTrades", symbol=BTC, fromId=2) == rows[1:]
    assert [row["id"] for row in exchange.call("GET", "v1/trades", symbol=BTC, limit=1)] == [2]


# ---------------------------------------------------------------- candles and recorded prices

CSV = """time,open,high,low,close,volume
1700000040,100,120,90,110,5
1700000100,110,111,100,105,7
1700000160,105,140,104,130,9
"""


def playing(at_ms: int = START_MS) -> Driver:
    exchange = Driver({"filters": "off"}, clock_ms=at_ms)
    exchange.exchange.play(PricePath.parse(BTC, CSV))
    return exchange


def klines(exchange: Driver, path: str = "v1/klines", **more: Any) -> list[Any]:
    rows: list[Any] = exchange.call("GET", path, **{"symbol": BTC, "interval": "1m", **more})
    return rows


def test_recorded_prices_are_played_as_time_passes() -> None:
    exchange = playing()
    seen = []
    for _ in range(60):
        exchange.advance(5_000)
        seen.append(exchange.call("GET", "v1/premiumIndex", symbol=BTC)["markPrice"])
    path = [float(price) for price in dict.fromkeys(seen)]
    assert path == [50000, 100, 90, 120, 110, 111, 105, 104, 140, 130]
    assert [[row[0], *map(float, row[1:6])] for row in klines(exchange)[-3:]] == [
        [1_700_000_040_000, 100, 120, 90, 110, 5],
        [1_700_000_100_000, 110, 111, 100, 105, 7],
        [1_700_000_160_000, 105, 140, 104, 130, 9],
    ]


def test_a_jump_in_time_meets_every_price_on_the_way() -> None:
    exchange = playing()
    stop = exchange.algo("BUY", "LONG", "TAKE_PROFIT_MARKET", "90", quantity="0.010")["algoId"]
    limit = exchange.order("SELL", "SHORT", "0.010", "130000", timeInForce="GTC")["orderId"]
    exchange.advance(10 * MINUTE_MS)
    row = exchange.get_algo(stop)
    assert (row["algoStatus"], row["triggerTime"]) == ("FINISHED", 1_700_000_040_000 + 19_999)
    assert exchange.get_order(limit)["status"] == "NEW"


def test_prices_of_the_past_are_history_only() -> None:
    exchange = playing(1_700_000_130_000)
    exchange.events()
    assert exchange.leg("LONG")["markPrice"] == "50000.00000000"
    exchange.advance(1)
    assert len(klines(exchange, startTime=1_700_000_040_000, endTime=1_700_000_099_999)) == 1
    exchange.advance(10 * MINUTE_MS)
    assert float(klines(exchange)[-1][4]) == 130


def test_candles_of_other_intervals() -> None:
    exchange = playing()
    exchange.advance(10 * MINUTE_MS)
    row = klines(exchange, interval="5m", startTime=1_700_000_100_000)[0]
    assert [row[0], *map(float, row[1:6])] == [1_700_000_100_000, 110, 140, 100, 130, 16]
    by_pair = exchange.call("GET", "v1/continuousKlines", pair=BTC, contractType="PERPETUAL", interval="1m")
    assert by_pair == klines(exchange) == klines(exchange, "v1/markPriceKlines")
    assert len(klines(exchange, limit=2)) == 2
    with refused(-1120):
        klines(exchange, interval="7m")


@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [
        ("1m", 1_699_999_980_000, 1_700_000_040_000),
        ("1d", 1_699_920_000_000, 1_700_006_400_000),
        ("1w", 1_699_833_600_000, 1_700_438_400_000),
        ("1M", 1_698_796_800_000, 1_701_388_800_000),
    ],
)
def test_spans(interval: str, start: int, end: int) -> None:
    assert span(START_MS, interval) == (start, end)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "header"),
        ("time,open,high,low\n", "close"),
        ("time,open,high,low,close\n", "no line"),
        ("time,open,high,low,close\n1700000000,1,1,1,x\n", ":2:"),
        ("time,open,high,low,close\n1700000000,1,1,1,1\n1700000000,1,1,1,1\n", ":3:.*rise"),
        ("time,open,high,low,close\n1700000000,1,1,1,2\n", "between"),
        ("time,open,high,low,close\n1700000000,0,1,0,1\n", "above 0"),
        ("time,open,high,low,close\n1700000000,1,1\n", ":2:"),
    ],
)
def test_files_that_hold_no_prices(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PricePath.parse(BTC, text, "prices.csv")
