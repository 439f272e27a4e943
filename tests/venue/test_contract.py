"""What every venue promises: the paper exchange and the real client against the simulator pass the same tests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

import pytest

from contracts.enums import OrderKind, OrderPurpose, OrderStatus, PositionSide, Refusal
from shared.clock import ManualClock
from shared.errors import OutcomeUnknown, Rejected, RetrySafe
from tests.venue.binance.rig import rig
from tests.venue.paper.makers import LONG, SHORT, D, book, close, limit, market, stop, target
from tests.venue.paper.makers import order as make
from tradeengine.domain.inputs import FillReported, OrderReported, VenueObserved, VenueOrder
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.base import Report, Venue
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS
from tradeengine.venue.paper.venue import PaperVenue

SYMBOL = "BTCUSDT"
OPEN, FILLED, CANCELLED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELLED
SIDES = pytest.mark.parametrize("side", PositionSide)
START = D(50_000)


@dataclass
class Bench:
    """A venue that is open, and what it told."""

    venue: Venue
    told: list[Report]
    price: Callable[[str], Awaitable[None]]
    until: Callable[[Callable[[], object]], Awaitable[None]]

    async def place(self, order: ApprovedOrder) -> ApprovedOrder:
        await self.venue.place(order)
        return order

    async def filled(self, order: ApprovedOrder) -> list[FillReported]:
        """Wait until an order is filled and ended; returns its fills."""
        await self.until(lambda: self.statuses(order)[-1:] == [FILLED] and self.executed(order) == order.quantity)
        return self.fills(order)

    async def ended(self, order: ApprovedOrder) -> OrderReported:
        await self.until(lambda: any(status.terminal for status in self.statuses(order)))
        return [report for report in self.of(order) if isinstance(report, OrderReported)][-1]

    def of(self, order: ApprovedOrder) -> list[OrderReported | FillReported]:
        return of(order, self.told)

    def statuses(self, order: ApprovedOrder) -> list[OrderStatus]:
        return [report.status for report in self.of(order) if isinstance(report, OrderReported)]

    def fills(self, order: ApprovedOrder) -> list[FillReported]:
        return [report for report in self.of(order) if isinstance(report, FillReported)]

    def executed(self, order: ApprovedOrder) -> Decimal:
        return sum((fill.quantity for fill in self.fills(order)), D(0))

    async def observe(self) -> VenueObserved:
        (observed,) = (await self.venue.observe({SYMBOL: None})).observed
        return observed


def of(order: ApprovedOrder, reports: list[Report]) -> list[OrderReported | FillReported]:
    return [
        report
        for report in reports
        if isinstance(report, OrderReported | FillReported) and report.client_order_id == order.client_order_id
    ]


async def paper() -> AsyncIterator[Bench]:
    venue = PaperVenue(book(), ManualClock(1_700_000_000_000), DEMO_INSTRUMENTS)
    told: list[Report] = []
    await venue.open(told.append)

    async def price(text: str) -> None:
        venue.post_price(SYMBOL, D(text))

    async def until(condition: Callable[[], object]) -> None:
        assert condition(), told  # on paper everything has happened when a request returns

    await price(str(START))
    yield Bench(venue, told, price, until)
    await venue.close()


async def binance() -> AsyncIterator[Bench]:
    async with rig() as made:
        await made.open()

        async def until(condition: Callable[[], object]) -> None:
            await made.sim.until(condition, "what was waited for")

        yield Bench(made.venue, made.told, made.mark, until)


@pytest.fixture(params=[paper, binance], ids=["paper", "binance"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async for made in request.param():
        yield made


def entry(side: PositionSide = LONG, quantity: str = "0.010") -> ApprovedOrder:
    return market(quantity, side)


def beyond(side: PositionSide, far: str = "1000") -> str:
    """A price on the losing side of a leg."""
    return str(START - side.sign * D(far))


def above(side: PositionSide, far: str = "1000") -> str:
    """A price on the winning side of a leg."""
    return str(START + side.sign * D(far))


# ---------------------------------------------------------------- placing


@SIDES
async def test_a_market_order_is_accepted_filled_and_ended_in_this_order(bench: Bench, side: PositionSide) -> None:
    order = await bench.place(entry(side))
    (fill,) = await bench.filled(order)

    assert bench.statuses(order) == [OPEN, FILLED]
    assert [type(report) for report in bench.of(order)] == [OrderReported, FillReported, OrderReported]
    assert (fill.symbol, fill.side, fill.position_side, fill.quantity) == (SYMBOL, side.opening, side, D("0.010"))
    assert abs(fill.price - START) <= D(1)
    assert fill.fee == fill.quantity * fill.price * D("0.0005")
    assert fill.fee_asset == "USDT"
    assert fill.trade_id
    assert not fill.maker


async def test_a_limit_order_rests_and_fills_at_its_price_as_maker(bench: Bench) -> None:
    order = await bench.place(limit("49000", "0.010"))
    assert bench.statuses(order) == [OPEN]
    await bench.price("48990")
    (fill,) = await bench.filled(order)

    assert (fill.price, fill.maker) == (D(49_000), True)


async def test_trade_ids_are_unique(bench: Bench) -> None:
    orders = [await bench.place(entry(side)) for side in (LONG, SHORT, LONG)]
    fills = [fill for order in orders for fill in await bench.filled(order)]

    assert len({fill.trade_id for fill in fills}) == 3


async def test_a_symbol_that_is_not_traded_is_refused(bench: Bench) -> None:
    order = market("1", symbol="NOSUCHUSDT")
    with pytest.raises(Rejected) as refused:
        await bench.venue.place(order)

    assert (refused.value.code, refused.value.refusal) == ("-1121", Refusal.NOT_ALLOWED)
    assert bench.of(order) == []


@SIDES
async def test_more_than_is_held_is_not_closed(bench: Bench, side: PositionSide) -> None:
    await bench.filled(await bench.place(entry(side)))
    with pytest.raises(Rejected) as refused:
        await bench.venue.place(close("0.011", side))

    assert refused.value.refusal is Refusal.NO_POSITION
    assert (await bench.observe()).positions[0].quantity == D("0.010")


async def test_an_id_that_is_open_is_not_taken_twice(bench: Bench) -> None:
    order = await bench.place(limit("49000", "0.010"))
    with pytest.raises((Rejected, OutcomeUnknown)):
        await bench.venue.place(order)

    assert len((await bench.observe()).orders) == 1


# ---------------------------------------------------------------- cancelling


async def test_a_cancelled_order_ends_once_however_often_it_is_cancelled(bench: Bench) -> None:
    order = await bench.place(limit("49000", "0.010"))
    for _ in range(3):
        await bench.venue.cancel(order)
    end = await bench.ended(order)

    assert bench.statuses(order) == [OPEN, CANCELLED]
    assert end.executed == 0
    assert (await bench.observe()).orders == ()


async def test_a_cancelled_stop_ends_once(bench: Bench) -> None:
    await bench.filled(await bench.place(entry()))
    order = await bench.place(stop(beyond(LONG), "0.010"))
    for _ in range(2):
        await bench.venue.cancel(order)
    await bench.ended(order)

    assert bench.statuses(order) == [OPEN, CANCELLED]


async def test_cancelling_what_was_filled_is_no_error_and_changes_nothing(bench: Bench) -> None:
    order = await bench.place(entry())
    await bench.filled(order)
    await bench.venue.cancel(order)

    assert [status for status in bench.statuses(order) if status.terminal] == [FILLED]
    assert {fill.trade_id for fill in bench.fills(order)} == {bench.fills(order)[0].trade_id}


async def test_cancelling_what_never_arrived_is_no_error(bench: Bench) -> None:
    order = limit("49000", "0.010")
    await bench.venue.cancel(order)

    assert bench.fills(order) == []
    assert OPEN not in bench.statuses(order)


# ---------------------------------------------------------------- conditional orders


@SIDES
@pytest.mark.parametrize("protect", [stop, target])
async def test_a_conditional_order_rests_and_closes_when_its_price_comes(
    bench: Bench, protect: Callable[..., ApprovedOrder], side: PositionSide
) -> None:
    await bench.filled(await bench.place(entry(side)))
    trigger = beyond(side) if protect is stop else above(side)
    order = await bench.place(protect(trigger, "0.010", side))
    assert bench.statuses(order) == [OPEN]
    (resting,) = (await bench.observe()).orders
    assert (resting.client_order_id, resting.trigger_price) == (order.client_order_id, D(trigger))
    await bench.price(beyond(side, "1100") if protect is stop else above(side, "1100"))
    (fill,) = await bench.filled(order)

    assert (fill.side, fill.position_side) == (side.closing, side)
    observed = await bench.observe()
    assert (observed.positions, observed.orders) == ((), ())


@SIDES
async def test_a_trailing_stop_follows_the_price(bench: Bench, side: PositionSide) -> None:
    await bench.filled(await bench.place(entry(side)))
    trailing, purpose = OrderKind.TRAILING_STOP_MARKET, OrderPurpose.STOP_LOSS
    order = await bench.place(make(trailing, "0.010", side=side, purpose=purpose, callback_pct=D("0.01")))
    await bench.price(above(side, "2000"))
    assert bench.fills(order) == []
    await bench.price(above(side, "1400"))
    await bench.filled(order)


@SIDES
async def test_a_stop_that_the_market_has_crossed_never_rests(bench: Bench, side: PositionSide) -> None:  # I01
    await bench.filled(await bench.place(entry(side)))
    order = stop(above(side), "0.010", side)
    if bench.venue.name == "paper":
        await bench.filled(await bench.place(order))
    else:
        with pytest.raises(Rejected) as refused:
            await bench.venue.place(order)
        assert refused.value.refusal is Refusal.WOULD_TRIGGER

    assert (await bench.observe()).orders == ()


async def test_a_conditional_entry_opens_when_its_price_comes(bench: Bench) -> None:  # I24, I62
    order = await bench.place(make(OrderKind.STOP_MARKET, "0.010", trigger="51000"))
    assert (await bench.observe()).positions == ()
    await bench.price("51010")
    (fill,) = await bench.filled(order)

    assert (fill.side, fill.position_side) == (LONG.opening, LONG)


# ---------------------------------------------------------------- asking


async def test_what_is_asked_for_is_what_was_told(bench: Bench) -> None:
    filled = await bench.place(entry())
    await bench.filled(filled)
    resting = await bench.place(limit("49000", "0.010"))
    cancelled = await bench.place(limit("48000", "0.010"))
    await bench.venue.cancel(cancelled)
    await bench.ended(cancelled)
    for order in (filled, resting, cancelled):
        answer = await bench.venue.query(order)

        assert answer is not None
        assert [plain(report) for report in answer] == [plain(report) for report in bench.of(order)]


async def test_a_triggered_stop_is_asked_for_under_its_own_id(bench: Bench) -> None:
    await bench.filled(await bench.place(entry()))
    order = await bench.place(stop(beyond(LONG), "0.010"))
    await bench.price(beyond(LONG, "1100"))
    (fill,) = await bench.filled(order)
    answer = await bench.venue.query(order)

    assert answer is not None
    assert [report.trade_id for report in answer if isinstance(report, FillReported)] == [fill.trade_id]
    assert isinstance(answer[-1], OrderReported)
    assert (answer[-1].status, answer[-1].client_order_id) == (FILLED, order.client_order_id)


async def test_what_never_arrived_is_not_known(bench: Bench) -> None:
    assert await bench.venue.query(entry()) is None
    assert await bench.venue.query(stop("49000", "0.010")) is None


async def test_what_was_refused_is_not_known(bench: Bench) -> None:
    order = close("0.010")
    with pytest.raises(Rejected):
        await bench.venue.place(order)

    assert await bench.venue.query(order) is None


async def test_observing_says_what_is_held_and_what_rests(bench: Bench) -> None:
    for side in PositionSide:
        await bench.filled(await bench.place(entry(side, "0.010" if side is LONG else "0.020")))
    resting = await bench.place(limit("49000", "0.010"))
    protecting = await bench.place(stop("49000", "0.010"))
    observed = await bench.observe()

    assert observed.symbol == SYMBOL
    assert observed.asked_ms <= observed.time_ms
    assert {(each.position_side, each.quantity) for each in observed.positions} == {
        (LONG, D("0.010")),
        (SHORT, D("0.020")),
    }
    assert all(abs(each.entry_price - START) <= 1 for each in observed.positions)
    orders = {each.client_order_id: each for each in observed.orders}
    assert shape(orders[resting.client_order_id]) == shape_of(resting)
    assert shape(orders[protecting.client_order_id]) == shape_of(protecting)
    assert len(orders) == 2


async def test_observing_nothing_is_flat(bench: Bench) -> None:
    observed = await bench.observe()

    assert (observed.positions, observed.orders) == ((), ())


async def test_instruments_and_prices_are_known(bench: Bench) -> None:
    instruments = {rules.symbol: rules for rules in await bench.venue.instruments()}

    assert instruments[SYMBOL].tick_size == D("0.1")
    assert bench.venue.mark_price(SYMBOL) == START
    assert bench.venue.state().trouble is None


# ---------------------------------------------------------------- closed


async def test_a_closed_venue_refuses_everything_as_not_sent(bench: Bench) -> None:
    resting = await bench.place(limit("49000", "0.010"))
    await bench.venue.close()
    for request in (
        bench.venue.place(entry()),
        bench.venue.cancel(resting),
        bench.venue.query(resting),
        bench.venue.observe({SYMBOL: None}),
    ):
        with pytest.raises(RetrySafe, match="open"):
            await request
    await bench.venue.open(bench.told.append)
    (kept,) = (await bench.observe()).orders

    assert kept.client_order_id == resting.client_order_id


def plain(report: Report) -> tuple[object, ...]:
    """A report without the moment that it was made at."""
    if isinstance(report, FillReported):
        return "fill", report.trade_id, report.side, report.position_side, report.quantity, report.price, report.fee
    assert isinstance(report, OrderReported)
    return "order", report.status, report.venue_order_id, report.executed


def shape(order: VenueOrder) -> tuple[object, ...]:
    return (
        order.side,
        order.position_side,
        order.kind,
        order.quantity,
        order.filled,
        order.price,
        order.trigger_price,
    )


def shape_of(order: ApprovedOrder) -> tuple[object, ...]:
    return (
        order.side,
        order.position_side,
        order.kind,
        order.quantity,
        D(0),
        order.price,
        order.trigger_price,
    )
