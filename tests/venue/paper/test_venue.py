"""The paper exchange as a venue, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from contracts.enums import OrderStatus, Refusal
from shared.clock import ManualClock
from shared.errors import Rejected, RetrySafe
from tests.venue.paper.makers import (
    CANCELLED,
    LONG,
    OPEN,
    SHORT,
    SYMBOL,
    D,
    book,
    close,
    fills,
    limit,
    market,
    only_fill,
    prices,
    statuses,
    stop,
    trailing,
)
from tradeengine.domain.inputs import FundingSettled, VenuePosition
from tradeengine.domain.orders import ApprovedOrder, LiveOrder
from tradeengine.venue.base import Report, Venue
from tradeengine.venue.paper.funding import EIGHT_HOURS_MS, FundingSchedule
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS
from tradeengine.venue.paper.venue import PaperVenue

START_MS = 1_700_000_000_000


class Desk:
    """A venue, its clock, and what the sink was told."""

    def __init__(self, latency_s: float = 0, funding: FundingSchedule | None = None, **terms: Any) -> None:
        self.clock = ManualClock(START_MS)
        self.venue = PaperVenue(book(**terms), self.clock, DEMO_INSTRUMENTS, latency_s=latency_s, funding=funding)
        self.told: list[Report] = []

    async def open(self) -> "Desk":
        await self.venue.open(self.told.append)
        return self


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = await Desk().open()
    yield made
    await made.venue.close()


def test_it_is_a_venue() -> None:
    venue: Venue = Desk().venue

    assert (venue.name, venue.conditional_limit, venue.state().trouble) == ("paper", None, None)


async def test_it_trades_its_instruments_and_no_others(desk: Desk) -> None:
    assert [instrument.symbol for instrument in await desk.venue.instruments()] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    with pytest.raises(Rejected, match="DOGEUSDT is not traded here") as refused:
        await desk.venue.place(market(symbol="DOGEUSDT"))
    assert refused.value.code == "-1121"


async def test_orders_fill_at_posted_prices_at_the_clocks_time(desk: Desk) -> None:
    asked = limit("99")
    desk.venue.post_price(SYMBOL, D(100))
    await desk.venue.place(asked)
    desk.clock.set(START_MS + 5)
    desk.venue.post_price(SYMBOL, D(98))

    assert desk.venue.mark_price(SYMBOL) == D(98)
    assert [report.time_ms for report in desk.told] == [START_MS, START_MS + 5, START_MS + 5]
    assert prices(desk.told) == [D(99)]
    assert await desk.venue.query(asked) == tuple(desk.told)


async def test_no_price_means_no_mark_price(desk: Desk) -> None:
    assert desk.venue.mark_price(SYMBOL) is None


async def test_what_the_book_refuses_is_refused_to_the_caller_and_not_reported(desk: Desk) -> None:
    asked = limit("99")
    await desk.venue.place(asked)
    with pytest.raises(Rejected, match="open"):
        await desk.venue.place(asked)

    assert statuses(desk.told) == [OPEN]


async def test_a_cancel_is_reported_once_however_often_it_is_asked_for(desk: Desk) -> None:
    asked = limit("99")
    await desk.venue.place(asked)
    for _ in range(3):
        await desk.venue.cancel(asked)

    assert statuses(desk.told) == [OPEN, CANCELLED]


async def test_an_order_that_never_arrived_is_not_known(desk: Desk) -> None:
    assert await desk.venue.query(market()) is None


async def test_latency_delays_the_arrival() -> None:
    desk = await Desk(latency_s=0.25).open()
    desk.venue.post_price(SYMBOL, D(100))

    await desk.venue.place(market())

    assert only_fill(desk.told).time_ms == START_MS + 250


async def test_a_price_that_changes_while_an_order_travels_is_the_one_that_counts() -> None:
    desk = await Desk(latency_s=0.25).open()
    desk.venue.post_price(SYMBOL, D(100))
    travelling = asyncio.create_task(desk.venue.place(market()))
    await asyncio.sleep(0)  # it is under way now, and waits
    desk.venue.post_price(SYMBOL, D(103))
    await travelling

    assert prices(desk.told) == [D(103)]


async def test_nothing_happens_while_it_is_closed(desk: Desk) -> None:
    asked = limit("99")
    await desk.venue.place(asked)
    await desk.venue.close()
    for request in (desk.venue.place(market()), desk.venue.cancel(asked), desk.venue.query(asked)):
        with pytest.raises(RetrySafe, match="not open"):
            await request
    desk.venue.post_price(SYMBOL, D(90))
    assert statuses(desk.told) == [OPEN]

    await desk.open()
    desk.venue.post_price(SYMBOL, D(90))
    assert [fill.client_order_id for fill in fills(desk.told)] == [asked.client_order_id]


async def test_restored_orders_trade_after_opening() -> None:
    desk = Desk()
    asked = stop("95")
    desk.venue.restore([LiveOrder(order=asked, status=OrderStatus.OPEN)], {(SYMBOL, LONG): D(1)}, prefix="r3-")
    await desk.open()
    desk.venue.post_price(SYMBOL, D(94))

    assert only_fill(desk.told).trade_id == "r3-1"


# ---------------------------------------------------------------- what it holds


async def test_it_says_what_it_holds_and_what_rests(desk: Desk) -> None:
    desk.venue.post_price(SYMBOL, D(100))
    await desk.venue.place(market("1"))
    desk.venue.post_price(SYMBOL, D(130))
    await desk.venue.place(market("2"))
    await desk.venue.place(close("1.5"))
    resting = [stop("95", "1"), limit("90", "3"), trailing("0.01", "0.5", SHORT)]
    for asked in resting:
        await desk.venue.place(asked)

    held, nothing = (await desk.venue.observe({SYMBOL: "2", "ETHUSDT": None})).observed

    assert (held.symbol, held.mark_price, held.asked_ms, held.time_ms) == (SYMBOL, D(130), START_MS, START_MS)
    assert held.positions == (VenuePosition(position_side=LONG, quantity=D("1.5"), entry_price=D(120)),)
    assert [(o.client_order_id, o.kind, o.quantity, o.price, o.trigger_price) for o in held.orders] == [
        (asked.client_order_id, asked.kind, asked.quantity, asked.price, asked.trigger_price) for asked in resting
    ]
    assert (nothing.symbol, nothing.mark_price, nothing.positions, nothing.orders) == ("ETHUSDT", None, (), ())


async def test_it_says_how_much_of_a_resting_order_is_filled() -> None:
    desk = await Desk(max_fill_quantity=D(2)).open()
    await desk.venue.place(asked := limit("100", "3"))
    desk.venue.post_price(SYMBOL, D(100))

    (seen,) = (await desk.venue.observe({SYMBOL: None})).observed

    assert [(o.client_order_id, o.quantity, o.filled) for o in seen.orders] == [(asked.client_order_id, D(3), D(2))]


async def test_what_was_restored_is_held_at_the_prices_of_the_books() -> None:
    desk = Desk()
    leg = (SYMBOL, SHORT)
    desk.venue.restore([], {leg: D(2)}, entry_prices={leg: D("101.5")})
    await desk.open()

    (seen,) = (await desk.venue.observe({SYMBOL: None})).observed

    assert seen.positions == (VenuePosition(position_side=SHORT, quantity=D(2), entry_price=D("101.5")),)


async def test_nothing_is_said_of_what_is_held_while_it_is_closed() -> None:
    with pytest.raises(RetrySafe, match="not open"):
        await Desk().venue.observe({SYMBOL: None})


@pytest.mark.parametrize(
    ("asked", "why"),
    [(close("1"), Refusal.NO_POSITION), (market(symbol="DOGEUSDT"), Refusal.NOT_ALLOWED), (limit("-1"), Refusal.OTHER)],
)
async def test_a_refusal_says_why(desk: Desk, asked: ApprovedOrder, why: Refusal) -> None:
    with pytest.raises(Rejected) as refused:
        await desk.venue.place(asked)

    assert refused.value.refusal is why


# ---------------------------------------------------------------- prices that expire


async def test_a_price_that_is_too_old_is_none_and_orders_wait_for_the_next(desk: Desk) -> None:
    desk.venue.expire_prices(10)
    desk.venue.post_price(SYMBOL, D(100))
    desk.clock.set(START_MS + 10_000)
    assert desk.venue.mark_price(SYMBOL) == D(100)

    desk.clock.set(START_MS + 10_001)
    assert desk.venue.mark_price(SYMBOL) is None
    await desk.venue.place(market())
    assert fills(desk.told) == []

    desk.venue.post_price(SYMBOL, D(103))
    assert prices(desk.told) == [D(103)]
    assert desk.venue.mark_price(SYMBOL) == D(103)


# ---------------------------------------------------------------- funding


def settlements(reports: list[Report]) -> list[tuple[Decimal | None, Decimal | None]]:
    return [(report.rate, report.mark_price) for report in reports if isinstance(report, FundingSettled)]


async def test_posted_funding_is_settled_at_the_newest_price(desk: Desk) -> None:
    desk.venue.post_price(SYMBOL, D(100))
    desk.venue.post_funding(SYMBOL, D("0.0001"))

    assert settlements(desk.told) == [(D("0.0001"), D(100))]


async def test_funding_without_a_price_or_a_listener_is_refused(desk: Desk) -> None:
    with pytest.raises(RetrySafe, match="BTCUSDT: no price"):
        desk.venue.post_funding(SYMBOL, D("0.0001"))
    await desk.venue.close()
    with pytest.raises(RetrySafe, match="not open"):
        desk.venue.post_funding(SYMBOL, D("0.0001"))


async def test_scheduled_funding_is_settled_with_the_first_price_at_or_after_its_time() -> None:
    desk = await Desk(funding=FundingSchedule({SYMBOL: D("0.0003")})).open()
    due = (START_MS // EIGHT_HOURS_MS + 1) * EIGHT_HOURS_MS
    for time_ms, price in ((due - 1, 100), (due, 101), (due + 1, 102), (due + 2 * EIGHT_HOURS_MS, 103)):
        desk.clock.set(time_ms)
        desk.venue.post_price(SYMBOL, D(price))
        desk.venue.post_price("ETHUSDT", D(price))

    assert settlements(desk.told) == [(D("0.0003"), D(101)), (D("0.0003"), D(103)), (D("0.0003"), D(103))]


async def test_no_funding_is_settled_by_itself_by_default(desk: Desk) -> None:
    for step in range(4):
        desk.clock.set(START_MS + step * EIGHT_HOURS_MS)
        desk.venue.post_price(SYMBOL, D(100))

    assert desk.told == []
