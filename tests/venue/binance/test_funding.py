"""Funding as the exchange's own list has it: every settlement told, once, with its exact amount."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from shared.errors import EngineError, RetrySafe
from tests.venue.binance.liar import Lie, liar
from tests.venue.binance.live import KEY, UNLIMITED, Live, live
from tests.venue.binance.rig import rig
from tests.venue.paper.makers import D
from tradeengine.domain.inputs import FundingSettled
from tradeengine.domain.instrument import Instrument
from tradeengine.venue.base import Report
from tradeengine.venue.binance.addresses import Addresses, AddressKind
from tradeengine.venue.binance.budget import Budget
from tradeengine.venue.binance.client import BinanceClient
from tradeengine.venue.binance.funding import REACH_MS, UNRATED, FundingFeed, FundingPatience
from tradeengine.venue.binance.rest import RestCaller

HOUR_MS = 3_600_000
QUICK = FundingPatience(settle_s=0.02, after_s=0.1, longest_s=60, first_retry_s=0.01, most_retry_s=0.4)
LEGS = [
    {"symbol": "BTCUSDT", "positionSide": "LONG", "qty": "0.3", "entryPrice": "50000"},
    {"symbol": "BTCUSDT", "positionSide": "SHORT", "qty": "0.1", "entryPrice": "50000"},
    {"symbol": "ETHUSDT", "positionSide": "LONG", "qty": "2", "entryPrice": "3000"},
]


def settlements(told: Sequence[Report]) -> list[FundingSettled]:
    return [report for report in told if isinstance(report, FundingSettled)]


async def listed(sim: Live) -> list[tuple[str, str, Decimal, int]]:
    """What the exchange itself says that it booked."""
    rows = await sim.client.futures_income_history(incomeType="FUNDING_FEE", limit=1000)
    return [(row["symbol"], str(row["tranId"]), D(row["income"]), row["time"]) for row in rows]


def as_listed(told: Sequence[Report]) -> list[tuple[str, str | None, Decimal | None, int | None]]:
    return [(one.symbol, one.id, one.amount, one.settled_ms) for one in settlements(told)]


async def settle(sim: Live, rate: str = "0.0001", symbol: str = "BTCUSDT") -> None:
    await sim.control("funding", {"symbol": symbol, "rate": rate})


@pytest.fixture
async def sim() -> AsyncIterator[Live]:
    async with live(positions=LEGS) as made:
        yield made


def reading(sim: Live, rest: RestCaller | None = None, **changes: Any) -> FundingFeed:
    return FundingFeed(rest or sim.rest, sim.clock, sim.told.append, patience=QUICK, **changes)


@asynccontextmanager
async def lied_to(sim: Live, **lies: Lie) -> AsyncIterator[RestCaller]:
    async with liar(sim.server.url, dict(lies)) as url:
        client = BinanceClient(Addresses(url, sim.server.ws_url, AddressKind.LOCAL), *KEY)
        try:
            yield RestCaller(client, Budget(sim.clock, UNLIMITED), sim.clock)
        finally:
            await client.close_connection()


@asynccontextmanager
async def running(feed: FundingFeed) -> AsyncIterator[None]:
    task = asyncio.create_task(feed.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# ---------------------------------------------------------------- what is told


async def test_every_settlement_is_told_once_as_it_is_listed(sim: Live) -> None:
    feed = reading(sim)
    await sim.control("mark", {"symbol": "BTCUSDT", "price": "51234.5"})
    await settle(sim, "0.00012345")
    await settle(sim, "-0.0002", "ETHUSDT")
    assert await feed.read() == 3
    await settle(sim, "-0.0003")
    assert (await feed.read(), await feed.read()) == (2, 0)

    assert as_listed(sim.told) == await listed(sim)
    assert [(one.symbol, one.rate, one.mark_price) for one in settlements(sim.told)] == [
        ("BTCUSDT", D("0.00012345"), D("51234.5")),
        ("BTCUSDT", D("0.00012345"), D("51234.5")),
        ("ETHUSDT", D("-0.0002"), D("3000")),
        ("BTCUSDT", D("-0.0003"), D("51234.5")),
        ("BTCUSDT", D("-0.0003"), D("51234.5")),
    ]
    assert settlements(sim.told)[0].amount == -(D("0.3") * D("51234.5") * D("0.00012345")).quantize(
        D("1e-8"), "ROUND_DOWN"
    )


async def test_a_long_list_is_read_page_by_page(sim: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeengine.venue.binance.funding.PAGE", 2)
    for _ in range(3):
        await settle(sim, symbol="ETHUSDT")
    await settle(sim)
    feed = reading(sim)
    monkeypatch.setattr("tradeengine.venue.binance.funding.FundingFeed._rates", _no_rates)
    assert await feed.read() == 5
    assert as_listed(sim.told) == await listed(sim)


async def _no_rates(_feed: FundingFeed, _fresh: object) -> dict[str, Any]:
    return {}


async def test_no_more_than_a_week_is_read() -> None:
    async with live(positions=LEGS[:1], clock_ms=1_700_000_000_000) as sim:
        await sim.rest.measure_clock()
        await sim.control("clock", {"advance_ms": REACH_MS + 48 * HOUR_MS})
        await sim.rest.measure_clock()
        feed = reading(sim)
        await feed.read()
        assert feed.read_ms is not None
        reach_ms = feed.read_ms - REACH_MS
        rows = await sim.client.futures_income_history(incomeType="FUNDING_FEE", startTime=1, limit=1000)
        within = [row["time"] for row in rows if row["time"] >= reach_ms]
        assert [one.settled_ms for one in settlements(sim.told)] == within
        assert (len(within), len(rows)) == (21, 27)
        assert len({one.rate for one in settlements(sim.told)}) == 1


async def test_rows_that_say_nothing_for_the_books_hide_no_others(sim: Live) -> None:
    def lie(rows: Any) -> Any:
        if rows:
            rows[0].pop("tranId")
            rows[1]["asset"] = "BFUSD"
        return rows

    rules = Instrument(symbol="BTCUSDT", tick_size=D("0.1"), step_size=D("0.001"))
    await settle(sim)
    await settle(sim, symbol="ETHUSDT")
    async with lied_to(sim, income=lie) as rest:
        assert await reading(sim, rest, instruments=lambda: {"BTCUSDT": rules}).read() == 1
    assert as_listed(sim.told) == (await listed(sim))[2:]


# ---------------------------------------------------------------- what cannot be read


async def test_an_answer_that_fails_tells_nothing_and_loses_nothing(sim: Live) -> None:
    feed = reading(sim)
    await settle(sim)
    for path in ("/fapi/v1/income", "/fapi/v1/time", "/fapi/v1/fundingRate"):
        await sim.fault({"status": 503, "code": -1000, "msg": "Unknown error"}, {"path": path})
        with pytest.raises(EngineError):
            await feed.read()
        assert (sim.told, feed.read_ms) == ([], None)
    assert await feed.read() == 2
    assert as_listed(sim.told) == await listed(sim)


async def test_a_rate_that_is_never_listed_does_not_keep_the_amount_from_the_books(sim: Live) -> None:
    await settle(sim)
    async with lied_to(sim, fundingRate=lambda _: []) as rest:
        feed = reading(sim, rest)
        for _ in range(UNRATED):
            with pytest.raises(RetrySafe, match="BTCUSDT"):
                await feed.read()
        assert await feed.read() == 2
    assert as_listed(sim.told) == await listed(sim)
    assert {(one.rate, one.mark_price) for one in settlements(sim.told)} == {(None, None)}


async def test_the_first_look_may_fail_and_is_made_up_for(sim: Live) -> None:
    await settle(sim)
    await sim.fault({"status": 500}, {"path": "/fapi/v1/income"}, times=3)
    feed = reading(sim)
    await feed.first()
    assert sim.told == []
    async with running(feed):
        await sim.until(lambda: len(sim.told) == 2, "the settlements")


# ---------------------------------------------------------------- when is looked


async def test_what_was_announced_is_looked_for_until_it_is_listed(sim: Live) -> None:
    asked = 0

    def late(rows: Any) -> Any:
        nonlocal asked
        asked += 1
        return rows if asked > 3 else []

    async with lied_to(sim, income=late) as rest:
        feed = reading(sim, rest)
        async with running(feed):
            await settle(sim)
            feed.announced()
            await sim.until(lambda: len(sim.told) == 2, "the settlements")
    assert asked >= 4


async def test_without_a_word_it_is_looked_after_each_funding_time() -> None:
    # 2023-11-14 23:59:55 UTC: five seconds before a funding time.
    async with live(positions=LEGS[:1], clock_ms=1_700_006_395_000) as sim:
        await sim.rest.measure_clock()
        feed = reading(sim)
        await feed.first()
        assert sim.told == []
        async with running(feed):
            await sim.until(lambda: sim.told, "the settlement")
        (one,) = settlements(sim.told)
        assert one.settled_ms == 1_700_006_400_000
        assert as_listed(sim.told) == await listed(sim)


# ---------------------------------------------------------------- the whole venue


async def swallowed(sim: Live) -> None:
    await sim.fault("swallow_event", {"event": "ACCOUNT_UPDATE", "m": "FUNDING_FEE"}, times=None)


async def cut(sim: Live) -> None:
    await swallowed(sim)
    await sim.fault("drop_streams")


async def heard(sim: Live) -> None:
    """Nothing goes wrong."""


@pytest.mark.parametrize(("before", "after"), [(heard, heard), (swallowed, cut)])
async def test_the_venue_tells_what_the_exchange_booked(
    before: Callable[[Live], Any], after: Callable[[Live], Any]
) -> None:
    async with rig(positions=LEGS) as desk:
        await settle(desk.sim, "0.0002")
        await desk.open()
        assert as_listed(desk.told) == await listed(desk.sim), "what was settled before is read at the start"
        await before(desk.sim)
        await settle(desk.sim, "-0.0001")
        await settle(desk.sim, "0.0001", "ETHUSDT")
        await after(desk.sim)
        await desk.sim.until(lambda: len(settlements(desk.told)) == 5, "the settlements")
        assert as_listed(desk.told) == await listed(desk.sim)


async def test_the_venue_opens_though_funding_cannot_be_read() -> None:
    async with rig(positions=LEGS) as desk:
        await settle(desk.sim)
        await desk.sim.fault({"status": 503}, {"path": "/fapi/v1/income"}, times=1)
        await desk.open()
        assert desk.venue.state().trouble is None
        await desk.sim.until(lambda: len(settlements(desk.told)) == 2, "the settlements")
        assert desk.venue.state().details["funding_read_ms"] is not None
