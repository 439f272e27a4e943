"""Requests to public routes, against a simulated exchange: the weight budget, and what the exchange asks for."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shared.clock import ManualClock
from shared.errors import Rejected, RetrySafe
from tests.prices.market import MINUTE_MS, START_MS, SYMBOL, Market, market, recorded
from tradeengine.prices.client import PublicClient
from tradeengine.prices.fetch import Span, fetch_bars
from tradeengine.prices.series import BAR_COLUMNS
from tradeengine.prices.series_file import SeriesFile

MINUTES = 400
END_MS = START_MS + MINUTES * MINUTE_MS
KLINES = {"method": "GET", "path": "/fapi/v1/klines"}


class SharedClock(ManualClock):
    """Virtual time of client and exchange alike: what the one sleeps passes for the other."""

    def __init__(self, exchange: Market) -> None:
        super().__init__(END_MS)
        self._exchange = exchange
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._exchange.control("POST", "clock", {"advance_ms": int(seconds * 1000)})
        await super().sleep(seconds)


@pytest.fixture
def exchange() -> Iterator[Market]:
    with market(recorded(MINUTES)) as made:
        yield made


@pytest.fixture
async def client(exchange: Market) -> AsyncIterator[PublicClient]:
    async with PublicClient(exchange.url, SharedClock(exchange)) as made:
        yield made


def slept(client: PublicClient) -> list[float]:
    clock = client._clock
    assert isinstance(clock, SharedClock)
    return clock.slept


async def test_what_the_exchange_says_was_used_is_adopted(exchange: Market, client: PublicClient) -> None:
    await client.prepare([SYMBOL])
    await client.klines(SYMBOL, "1m", START_MS, END_MS)

    # time 1, exchangeInfo 1, 1000 klines 5
    assert (client.budget.used, client.budget.limit) == (7, 2400)


async def test_it_pauses_at_four_fifths_of_the_limit_and_is_never_refused(
    exchange: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradeengine.prices.fetch.PAGE", 20)
    monkeypatch.setattr("tradeengine.prices.client._KLINES_WEIGHT", 1)
    told: list[str] = []
    clock = SharedClock(exchange)
    async with PublicClient(exchange.url, clock, lambda why, seconds: told.append(why)) as client:
        await client.prepare([SYMBOL])
        client.budget.limit = 10
        with SeriesFile(tmp_path / "x.csv", BAR_COLUMNS) as file:
            done = await fetch_bars(client, file, SYMBOL, "1m", Span(START_MS, END_MS), lambda time_ms: None)

    asked = exchange.asked("/klines")
    assert done.added == MINUTES
    assert {entry["status"] for entry in asked} == {200}
    # twenty pages and the last, empty one at up to eight a minute, after two requests of preparation
    assert len(asked) == 21
    assert len(clock.slept) == 2
    assert all(59 < seconds <= 60.5 for seconds in clock.slept)
    assert told == ["the request weight of this minute is used"] * 2
    minutes = [entry["time"] // MINUTE_MS for entry in asked]
    assert max(minutes.count(minute) for minute in minutes) <= 8


@pytest.mark.parametrize("status", [429, 418])
async def test_it_is_silent_for_as_long_as_the_exchange_asks(
    exchange: Market, client: PublicClient, status: int
) -> None:
    effect = {"status": status, "code": -1003, "msg": "Too many requests", "retry_after": 7}
    exchange.faults({"match": KLINES, "times": 2, "effect": effect})

    rows = await client.klines(SYMBOL, "1m", START_MS, END_MS)

    assert len(rows) == MINUTES
    assert slept(client) == [7, 7]


async def test_a_refusal_without_a_time_is_waited_for_too(exchange: Market, client: PublicClient) -> None:
    exchange.faults({"match": KLINES, "effect": {"status": 429, "code": -1003, "msg": "Too many requests"}})
    await client.klines(SYMBOL, "1m", START_MS, END_MS)

    assert slept(client) == [60]


async def test_a_ban_of_hours_is_an_error_that_says_how_long(exchange: Market, client: PublicClient) -> None:
    effect = {"status": 418, "code": -1003, "msg": "banned", "retry_after": 7200}
    exchange.faults({"match": KLINES, "effect": effect})
    with pytest.raises(RetrySafe, match="for 7200 s"):
        await client.klines(SYMBOL, "1m", START_MS, END_MS)

    assert slept(client) == []


async def test_pauses_grow_until_it_gives_up(exchange: Market, client: PublicClient) -> None:
    exchange.faults({"match": KLINES, "times": None, "effect": {"html_503": True}})
    with pytest.raises(RetrySafe, match=r"no answer in 6 tries \(HTTP 503\)"):
        await client.klines(SYMBOL, "1m", START_MS, END_MS)

    assert slept(client) == [0.5, 1, 2, 4, 8]
    assert len(exchange.asked("/klines")) == 6


async def test_what_is_refused_is_not_asked_again(exchange: Market, client: PublicClient) -> None:
    with pytest.raises(Rejected, match="Invalid symbol") as refused:
        await client.klines("NOSUCH", "1m", START_MS, END_MS)

    assert (refused.value.code, slept(client), len(exchange.asked("/klines"))) == ("-1121", [], 1)


async def test_no_request_is_signed(exchange: Market, client: PublicClient) -> None:
    await client.prepare([SYMBOL])
    await client.klines(SYMBOL, "1m", START_MS, END_MS)
    await client.funding_rates(SYMBOL, START_MS, END_MS)
    await client.mark_prices(symbol=SYMBOL)

    asked = [entry for entry in exchange.asked() if entry["path"].startswith("/fapi")]
    assert len(asked) == 5
    assert all(entry["method"] == "GET" and entry["status"] == 200 for entry in asked)
    assert {"signature", "timestamp", "recvwindow"} & {name for entry in asked for name in entry["parameters"]} == set()
    assert client._client.API_KEY is None
    assert "X-MBX-APIKEY" not in client._client.session.headers
