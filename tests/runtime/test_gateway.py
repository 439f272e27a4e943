"""The gateway: an order leaves once, and its outcome becomes known whatever happens to the answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal

import pytest

from contracts.enums import OrderPurpose, OrderStatus, Refusal, Severity
from shared.clock import ManualClock
from shared.errors import OutcomeUnknown, Rejected, RetrySafe
from tests.support.builders import T0, World, fill_of
from tests.support.deadline import PATIENCE_S
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.events import CancelPlanned
from tradeengine.domain.inputs import FillReported, OrderReported, TimeAdvanced
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import ApprovedOrder, OrderName
from tradeengine.journal.record import Entry, Record
from tradeengine.runtime.courier import NEVER_SENT
from tradeengine.runtime.gateway import NOT_AT_REST, Gateway
from tradeengine.runtime.lost import NEVER_ARRIVED
from tradeengine.runtime.outbox import Instruction, Task
from tradeengine.venue.base import Report


class LossyVenue:
    """A venue whose calls fail as scripted: ``before`` or ``after`` the order took effect."""

    settle_s = 2.0

    def __init__(
        self,
        *faults: tuple[str, Exception] | None,
        unanswered: int = 0,
        hidden: int = 0,
        before_place: Callable[[ApprovedOrder], object] = lambda order: None,
    ) -> None:
        self.before_place = before_place
        self.faults = list(faults)
        self.unanswered = unanswered
        self.hidden = hidden
        self.executed: list[str] = []
        self.cancelled: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.queries = 0

    def mark_price(self, symbol: str) -> Decimal | None:
        return Decimal(50_000)

    async def place(self, order: ApprovedOrder) -> None:
        self.before_place(order)
        self.requests.append(("place", order.client_order_id))
        self._call(self.executed, order)

    async def cancel(self, order: ApprovedOrder | OrderName) -> None:
        self.requests.append(("cancel", order.client_order_id))
        self._call(self.cancelled, order)

    def _call(self, done: list[str], order: ApprovedOrder | OrderName) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if fault and fault[0] == "before":
            raise fault[1]
        done.append(order.client_order_id)
        if fault:
            raise fault[1]

    async def query(self, order: ApprovedOrder) -> Sequence[Report] | None:
        self.queries += 1
        if self.unanswered:
            self.unanswered -= 1
            raise RetrySafe("no answer")
        if self.hidden:
            self.hidden -= 1
            return None
        if order.client_order_id not in self.executed:
            return None
        return [fill_of(order, "50000", time_ms=T0, trade_id="7")]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def order(world: World) -> ApprovedOrder:
    return world.order("buy", "A", quantity="0.1")


GatewayMaker = Callable[..., Gateway]


@pytest.fixture
def gateway(world: World) -> GatewayMaker:
    def make(venue: LossyVenue, reports: list[Report], clock: ManualClock | None = None) -> Gateway:
        return Gateway(lambda: world.state, venue, clock or ManualClock(T0), reports.append)

    return make


def ended(reports: Sequence[Report]) -> tuple[OrderStatus, str | None]:
    """How the order ended that the only report is about."""
    (report,) = reports
    assert isinstance(report, OrderReported)
    return report.status, report.reason


async def sent(subject: Gateway) -> None:
    """Let a gateway send all that it has queued."""
    while subject.waiting:
        line = subject._outbox.urgent if len(subject._outbox.urgent) else subject._outbox.openings
        instruction = await line.take()
        await subject.execute(instruction)
        line.done(instruction)


def committed(world: World) -> Record:
    """Make one record of everything that has happened in a world since the last time."""
    events, world.events = tuple(world.events), []
    return Record(0, 1, (Entry(TimeAdvanced(time_ms=world.now), events),))


async def test_what_protects_or_reduces_leaves_before_openings_and_each_in_order(
    gateway: GatewayMaker, world: World
) -> None:
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000")
    world.trade("buy", "B", "50000", "0.1")
    former = world.resting(OrderPurpose.STOP_LOSS)
    addition = world.order("buy", "A", quantity="0.1")
    committed(world)
    venue = LossyVenue()
    subject = gateway(venue, [])
    openings = [world.order("buy", name, quantity="0.1") for name in "CDE"]
    subject.take(committed(world))
    world.fill(addition, "50000")
    close = world.order("close", "B")
    subject.take(committed(world))
    stop = world.resting(OrderPurpose.STOP_LOSS)

    await sent(subject)
    assert stop != former
    assert venue.requests == [
        ("place", stop.client_order_id),
        ("place", close.client_order_id),
        ("cancel", former.client_order_id),
        *[("place", one.client_order_id) for one in openings],
    ]


async def test_an_order_that_is_cancelled_while_it_waits_ends_at_once_and_the_venue_never_hears_of_it(
    gateway: GatewayMaker, world: World
) -> None:
    venue = LossyVenue()
    reports: list[Report] = []
    subject = gateway(venue, reports)
    kept = world.order("buy", "B", quantity="0.1")
    world.order("buy", "A", quantity="0.1")
    subject.take(committed(world))
    world.signal("close", "A")
    subject.take(committed(world))

    assert ended(reports) == (OrderStatus.CANCELLED, NEVER_SENT)
    world.give(reports[0])
    assert list(world.state.orders) == [kept.client_order_id]
    await sent(subject)
    assert venue.requests == [("place", kept.client_order_id)]


async def test_a_close_right_after_a_buy_that_has_left_follows_it(gateway: GatewayMaker, world: World) -> None:
    venue = LossyVenue()
    subject = gateway(venue, [])
    order = world.order("buy", "A", quantity="0.1")
    subject.take(committed(world))
    await sent(subject)
    world.signal("close", "A")
    subject.take(committed(world))
    world.fill(order, "50000")
    subject.take(committed(world))
    (sale,) = world.live(OrderPurpose.CLOSE)
    await sent(subject)
    assert venue.requests == [
        ("place", order.client_order_id),
        ("cancel", order.client_order_id),
        ("place", sale.order.client_order_id),
    ]


async def test_a_cancel_that_the_venue_refuses_ends_nothing_and_is_asked_for_again(
    world: World, order: ApprovedOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradeengine.runtime.stuck._PAUSE_S", 0.001)
    refused = ("before", Rejected("it triggers just now"))
    venue = LossyVenue(*[refused] * 4)
    reports: list[Report] = []
    told: list[tuple[str, ...]] = []
    subject = Gateway(lambda: world.state, venue, ManualClock(T0), reports.append, lambda *words: told.append(words))
    async with running(subject):
        await subject.execute(Instruction(order, Task.CANCEL))
        await until(lambda: venue.cancelled)
    assert reports == []
    assert [(name, symbol) for name, _, symbol in told] == [("cancel_refused", "BTCUSDT")]
    assert order.client_order_id in told[0][1]


async def test_a_refused_order_is_reported_rejected_with_the_reason(
    gateway: GatewayMaker, order: ApprovedOrder
) -> None:
    reports: list[Report] = []
    await gateway(LossyVenue(("before", Rejected("no margin"))), reports).execute(Instruction(order, Task.PLACE))
    assert ended(reports) == (OrderStatus.REJECTED, "no margin")


async def test_an_order_that_surely_did_not_arrive_is_sent_again(gateway: GatewayMaker, order: ApprovedOrder) -> None:
    venue = LossyVenue(("before", RetrySafe("refused")), ("before", RetrySafe("refused")))
    reports: list[Report] = []
    await gateway(venue, reports).execute(Instruction(order, Task.PLACE))
    assert venue.executed == [order.client_order_id]
    assert reports == []


@pytest.mark.parametrize("hidden", [0, 3])
async def test_an_order_whose_answer_was_lost_is_found_and_never_sent_twice(
    gateway: GatewayMaker, order: ApprovedOrder, hidden: int
) -> None:
    venue = LossyVenue(("after", OutcomeUnknown("timeout")), unanswered=2, hidden=hidden)
    reports: list[Report] = []
    await gateway(venue, reports).execute(Instruction(order, Task.PLACE))
    assert venue.executed == [order.client_order_id]
    assert [type(report).__name__ for report in reports] == ["FillReported"]


async def test_an_order_that_is_not_found_for_long_enough_never_arrived(
    gateway: GatewayMaker, order: ApprovedOrder
) -> None:
    venue = LossyVenue(("before", OutcomeUnknown("timeout")))
    reports: list[Report] = []
    clock = ManualClock(T0)
    await gateway(venue, reports, clock).execute(Instruction(order, Task.PLACE))
    assert venue.executed == []
    assert clock.now_ms() - T0 >= 2000, "it is asked for until the venue must have seen it"
    assert venue.queries <= 8, "what asks costs weight that closing needs"
    assert ended(reports) == (OrderStatus.REJECTED, NEVER_ARRIVED)


async def test_a_cancel_is_repeated_until_it_is_answered(gateway: GatewayMaker, order: ApprovedOrder) -> None:
    venue = LossyVenue(("after", OutcomeUnknown("timeout")), ("before", RetrySafe("refused")))
    await gateway(venue, []).execute(Instruction(order, Task.CANCEL))
    assert venue.cancelled == [order.client_order_id] * 2


class SlowVenue(LossyVenue):
    """A venue whose answers to placing wait until a test lets them go."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()

    async def place(self, order: ApprovedOrder) -> None:
        await super().place(order)
        await self.answer.wait()


@contextlib.asynccontextmanager
async def running(subject: Gateway) -> AsyncIterator[None]:
    task = asyncio.create_task(subject.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - nothing tells when a fake has been called
            await asyncio.sleep(0)


async def test_a_stop_waits_for_the_answer_to_no_other_position_s_order(gateway: GatewayMaker, world: World) -> None:
    venue = SlowVenue()
    subject = gateway(venue, [])
    opening = world.order("buy", "A", quantity="0.1")
    world.trade("buy", "B", "50000", "0.1", stop_loss="49000")
    world.trade("buy", "C", "50000", "0.1", stop_loss="48000")
    stops = [live.order.client_order_id for live in world.live(OrderPurpose.STOP_LOSS)]
    subject.take(committed(world))
    async with running(subject):
        await until(lambda: {opening.client_order_id, *stops} <= {name for _, name in venue.requests})


async def test_a_cancel_never_overtakes_its_order(gateway: GatewayMaker, world: World) -> None:
    venue = SlowVenue()
    subject = gateway(venue, [])
    order = world.order("buy", "A", quantity="0.1")
    subject.take(committed(world))
    async with running(subject):
        await until(lambda: venue.requests)
        world.signal("close", "A")
        subject.take(committed(world))
        await until(lambda: not subject.waiting)
        for _ in range(10):
            await asyncio.sleep(0)
        assert venue.requests == [("place", order.client_order_id)]
        venue.answer.set()
        await until(lambda: venue.cancelled)
    assert venue.requests == [("place", order.client_order_id), ("cancel", order.client_order_id)]


async def test_a_market_order_whose_fill_does_not_come_is_asked_about(gateway: GatewayMaker, world: World) -> None:
    venue = LossyVenue()
    reports: list[Report] = []
    subject = gateway(venue, reports)
    world.order("buy", "A", quantity="0.1")
    subject.take(committed(world))
    async with running(subject):
        await until(lambda: reports)
    assert [type(report).__name__ for report in reports][:1] == ["FillReported"]


MAX_AGE_MS = TradingConfig().max_signal_age_ms


async def test_an_opening_that_could_not_be_sent_in_time_is_given_up(
    gateway: GatewayMaker, world: World, order: ApprovedOrder
) -> None:
    down = RetrySafe("the venue is down")
    venue = LossyVenue(*[("before", down)] * 200)
    reports: list[Report] = []
    clock = ManualClock(T0)
    await gateway(venue, reports, clock).execute(Instruction(order, Task.PLACE))
    assert venue.executed == []
    status, reason = ended(reports)
    assert status is OrderStatus.REJECTED
    assert "could not be sent for" in (reason or "")
    assert MAX_AGE_MS < clock.now_ms() - order.planned_ms <= MAX_AGE_MS + 10_000
    world.give(reports[0])
    assert world.state.orders == {}


async def test_a_close_is_never_too_old_to_be_sent(gateway: GatewayMaker, world: World) -> None:
    world.trade("buy", "A", "50000", "0.1")
    close = world.order("close", "A")
    venue = LossyVenue(("before", RetrySafe("the venue is down")))
    reports: list[Report] = []
    await gateway(venue, reports, ManualClock(T0 + 24 * 3_600_000)).execute(Instruction(close, Task.PLACE))
    assert venue.executed == [close.client_order_id]
    assert reports == []


async def test_an_order_whose_cancel_was_planned_before_it_left_is_not_sent(
    gateway: GatewayMaker, world: World, order: ApprovedOrder
) -> None:
    world.signal("close", "A")
    venue = LossyVenue()
    reports: list[Report] = []
    await gateway(venue, reports).execute(Instruction(order, Task.PLACE))
    assert venue.executed == []
    (report,) = reports
    assert isinstance(report, OrderReported)
    assert (report.status, report.executed) == (OrderStatus.CANCELLED, ZERO)
    world.give(report)
    assert world.state.orders == {}


async def test_an_order_that_is_cancelled_while_the_venue_is_down_is_not_sent_later(
    gateway: GatewayMaker, world: World, order: ApprovedOrder
) -> None:
    venue = LossyVenue(("before", RetrySafe("the venue is down")), before_place=lambda _: world.signal("close", "A"))
    reports: list[Report] = []
    await gateway(venue, reports).execute(Instruction(order, Task.PLACE))
    assert venue.executed == []
    assert ended(reports)[0] is OrderStatus.CANCELLED


@pytest.mark.parametrize("status", [OrderStatus.OPEN, OrderStatus.CANCELLED])
async def test_an_order_that_the_venue_has_told_of_is_not_sent_again(
    gateway: GatewayMaker, world: World, order: ApprovedOrder, status: OrderStatus
) -> None:
    world.report(order, status)
    venue = LossyVenue()
    await gateway(venue, []).execute(Instruction(order, Task.PLACE))
    assert venue.executed == []


async def test_after_a_restart_an_order_that_arrived_is_not_sent_again(
    gateway: GatewayMaker, order: ApprovedOrder
) -> None:
    venue = LossyVenue()
    reports: list[Report] = []
    await venue.place(order)
    subject = gateway(venue, reports)
    await subject.resume([order])
    assert [type(report).__name__ for report in reports] == ["FillReported"]
    assert subject.waiting == 0


async def test_after_a_restart_an_order_that_left_just_before_is_not_sent_again_however_old_it_is(
    gateway: GatewayMaker, order: ApprovedOrder
) -> None:
    venue = LossyVenue(hidden=1)
    reports: list[Report] = []
    await venue.place(order)
    subject = gateway(venue, reports, ManualClock(order.planned_ms + 6_000))
    await subject.resume([order])
    assert [type(report).__name__ for report in reports] == ["FillReported"]
    assert subject.waiting == 0


async def test_after_a_restart_orders_that_never_left_are_sent_once_after_one_wait_for_all(
    gateway: GatewayMaker, world: World, order: ApprovedOrder
) -> None:
    orders = [order, *[world.order("buy", name, quantity="0.1") for name in "BCDEFGH"]]
    venue = LossyVenue()
    reports: list[Report] = []
    clock = ManualClock(T0)
    subject = gateway(venue, reports, clock)
    await subject.resume(orders)
    assert venue.executed == []
    assert 2000 <= clock.now_ms() - T0 < 3000, "a request may still be under way, and it is waited for once"
    await sent(subject)
    assert venue.executed == [one.client_order_id for one in orders]
    assert reports == []


async def test_after_a_long_pause_an_entry_that_never_left_is_given_up(
    gateway: GatewayMaker, order: ApprovedOrder
) -> None:
    venue = LossyVenue()
    reports: list[Report] = []
    subject = gateway(venue, reports, ManualClock(T0 + 3_600_000))
    await subject.resume([order])
    await sent(subject)
    assert venue.executed == []
    assert ended(reports)[0] is OrderStatus.REJECTED


async def test_after_a_restart_a_cancel_under_way_is_repeated(
    gateway: GatewayMaker, world: World, order: ApprovedOrder
) -> None:
    venue = LossyVenue()
    await venue.place(order)
    world.report(order, OrderStatus.OPEN)
    world.signal("close", "A")
    subject = gateway(venue, [])
    await subject.resume([order])
    await sent(subject)
    assert venue.cancelled == [order.client_order_id]


async def test_after_a_restart_an_order_that_never_left_and_is_unwanted_is_neither_sent_nor_cancelled(
    gateway: GatewayMaker, world: World, order: ApprovedOrder
) -> None:
    world.signal("close", "A")
    venue = LossyVenue()
    reports: list[Report] = []
    subject = gateway(venue, reports)
    await subject.resume([order])
    await sent(subject)
    assert (venue.executed, venue.cancelled) == ([], [])
    (report,) = reports
    assert isinstance(report, OrderReported)
    assert (report.status, report.executed) == (OrderStatus.CANCELLED, ZERO)


async def test_after_a_restart_an_order_that_has_ended_meanwhile_is_let_be(
    gateway: GatewayMaker, world: World, order: ApprovedOrder
) -> None:
    world.report(order, OrderStatus.CANCELLED)
    reports: list[Report] = []
    subject = gateway(LossyVenue(), reports)
    await subject.resume([order])
    assert (subject.waiting, reports) == (0, [])


class StubbornVenue(LossyVenue):
    """A venue that never takes orders of one kind, and hides what it knows of them."""

    def __init__(self, purpose: OrderPurpose, error: Exception) -> None:
        super().__init__()
        self._purpose = purpose
        self._error = error

    async def place(self, order: ApprovedOrder) -> None:
        await asyncio.sleep(0)
        if order.purpose is self._purpose:
            self.requests.append(("refused", order.client_order_id))
            raise self._error
        await super().place(order)


async def test_a_target_that_the_venue_does_not_take_keeps_no_close_from_leaving(
    gateway: GatewayMaker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradeengine.runtime.gateway._HOLD_S", 0.01)
    venue = StubbornVenue(OrderPurpose.TAKE_PROFIT, RetrySafe("try later"))
    subject = gateway(venue, [])
    world.trade("buy", "A", "50000", "0.1", take_profit="60000")
    subject.take(committed(world))
    async with running(subject):
        await until(lambda: venue.requests)
        close = world.order("close", "A")
        subject.take(committed(world))
        await until(lambda: close.client_order_id in venue.executed)


async def test_stops_that_the_venue_does_not_take_keep_no_other_stop_from_leaving(
    gateway: GatewayMaker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of one symbol are stuck: each position's protection leaves by itself."""
    monkeypatch.setattr("tradeengine.runtime.gateway._HOLD_S", 0.01)
    venue = StubbornVenue(OrderPurpose.STOP_LOSS, RetrySafe("try later"))
    subject = gateway(venue, [])
    for number in range(20):
        world.trade("buy", f"S{number}", "50000", "0.1", stop_loss="49000")
    stuck = {live.order.client_order_id for live in world.live(OrderPurpose.STOP_LOSS)}
    world.trade("buy", "T", "50000", "0.1", take_profit="60000")
    (target,) = world.live(OrderPurpose.TAKE_PROFIT)
    subject.take(committed(world))
    async with running(subject):
        await until(lambda: target.order.client_order_id in venue.executed)
        await until(lambda: stuck == {name for what, name in venue.requests if what == "refused"})


async def test_i11_a_stop_that_does_not_come_to_rest_is_given_up_so_that_its_position_is_closed(
    gateway: GatewayMaker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradeengine.runtime.gateway._HOLD_S", 0.01)
    venue = StubbornVenue(OrderPurpose.STOP_LOSS, RetrySafe("try later"))
    reports: list[Report] = []
    clock = ManualClock(T0)
    subject = gateway(venue, reports, clock)
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000")
    (stop,) = world.live(OrderPurpose.STOP_LOSS)
    subject.take(committed(world))
    async with running(subject):
        await until(lambda: reports)
    (report,) = reports
    assert isinstance(report, OrderReported)
    assert (report.client_order_id, report.status) == (stop.order.client_order_id, OrderStatus.REJECTED)
    world.give(report)
    assert [live.order.quantity for live in world.live(OrderPurpose.FLATTEN)] == [Decimal("0.1")]


async def test_a_stop_that_comes_to_rest_after_it_was_given_up_is_cancelled(
    gateway: GatewayMaker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(LossyVenue):
        takes = asyncio.Event()

        async def place(self, order: ApprovedOrder) -> None:
            await self.takes.wait()
            await super().place(order)

    monkeypatch.setattr("tradeengine.runtime.gateway._HOLD_S", 0.01)
    venue = Late()
    reports: list[Report] = []
    subject = gateway(venue, reports)
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000")
    (stop,) = world.live(OrderPurpose.STOP_LOSS)
    subject.take(committed(world))
    async with running(subject):
        await until(lambda: reports)
        status, reason = ended(reports)
        assert (status, (reason or "").startswith(NOT_AT_REST)) == (OrderStatus.REJECTED, True)
        world.give(reports[0])
        assert venue.cancelled == []
        venue.takes.set()
        await until(lambda: venue.cancelled)
    assert venue.executed == venue.cancelled == [stop.order.client_order_id]


async def test_a_stop_that_replaces_one_that_rests_is_never_given_up(
    gateway: GatewayMaker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradeengine.runtime.gateway._HOLD_S", 0.01)
    world.trade("buy", "A", "50000", "0.2", stop_loss="49000")
    world.report(world.resting(OrderPurpose.STOP_LOSS), OrderStatus.OPEN)
    committed(world)
    close = world.order("close", "A", quantity="0.1")
    world.fill(close, "50000")
    venue = StubbornVenue(OrderPurpose.STOP_LOSS, RetrySafe("try later"))
    reports: list[Report] = []
    clock = ManualClock(T0)
    subject = gateway(venue, reports, clock)
    subject.take(committed(world))
    async with running(subject):
        await until(lambda: clock.now_ms() > T0 + 60_000)
    assert reports == []


async def test_a_stop_whose_request_was_lost_is_sent_again_under_its_id_once_the_venue_does_not_know_it(
    gateway: GatewayMaker, world: World
) -> None:
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000")
    (stop,) = world.live(OrderPurpose.STOP_LOSS)
    venue = LossyVenue(("before", OutcomeUnknown("connection reset")))
    reports: list[Report] = []
    clock = ManualClock(T0)
    await gateway(venue, reports, clock).execute(Instruction(stop.order, Task.PLACE))
    assert venue.executed == [stop.order.client_order_id]
    assert venue.queries == 1, "it is asked for first"
    assert clock.now_ms() == T0, "its position has waited for long enough"
    assert reports == []


async def test_a_lost_stop_that_is_refused_when_it_is_sent_again_has_ended_so_that_its_position_is_closed(
    gateway: GatewayMaker, world: World
) -> None:
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000")
    (stop,) = world.live(OrderPurpose.STOP_LOSS)
    crossed = Rejected("order would immediately trigger", code="-2021", refusal=Refusal.WOULD_TRIGGER)
    venue = LossyVenue(("before", OutcomeUnknown("connection reset")), ("before", crossed))
    reports: list[Report] = []
    await gateway(venue, reports).execute(Instruction(stop.order, Task.PLACE))
    assert ended(reports) == (OrderStatus.REJECTED, str(crossed))
    world.give(reports[0])
    assert [live.order.quantity for live in world.live(OrderPurpose.FLATTEN)] == [Decimal("0.1")]


async def test_a_lost_stop_that_is_refused_when_it_is_sent_again_because_it_had_arrived_is_told_as_it_is(
    gateway: GatewayMaker, world: World
) -> None:
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000")
    (stop,) = world.live(OrderPurpose.STOP_LOSS)
    crossed = Rejected("order would immediately trigger", code="-2021", refusal=Refusal.WOULD_TRIGGER)
    venue = LossyVenue(("after", OutcomeUnknown("connection reset")), ("before", crossed), hidden=1)
    reports: list[Report] = []
    await gateway(venue, reports).execute(Instruction(stop.order, Task.PLACE))
    assert [type(report) for report in reports] == [FillReported]


async def test_after_a_restart_an_order_that_the_venue_never_tells_of_keeps_no_other_from_being_sent(
    gateway: GatewayMaker, world: World, order: ApprovedOrder
) -> None:
    class Mute(LossyVenue):
        async def query(self, asked: ApprovedOrder) -> Sequence[Report] | None:
            await asyncio.sleep(0)
            if asked == order:
                raise RetrySafe("no answer, whatever happens")
            return await super().query(asked)

    world.trade("buy", "B", "50000", "0.1", stop_loss="49000")
    (stop,) = world.live(OrderPurpose.STOP_LOSS)
    committed(world)
    venue = Mute()
    subject = gateway(venue, [])
    async with running(subject):
        resuming = asyncio.create_task(subject.resume([order, stop.order]))
        await until(lambda: venue.executed)
        assert not resuming.done()
        resuming.cancel()
    assert venue.executed == [stop.order.client_order_id]


# ------------------------------------------------------------ before the commit


def names(world: World, *purposes: OrderPurpose) -> list[str]:
    """Ids of the orders of some purposes that are alive."""
    return [live.order.client_order_id for live in world.live() if live.order.purpose in purposes]


async def test_of_a_record_that_waits_for_its_commit_only_the_stops_leave(gateway: GatewayMaker, world: World) -> None:
    venue = LossyVenue()
    subject = gateway(venue, [])
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000", take_profit="60000")
    world.take(world.resting(OrderPurpose.STOP_LOSS))
    former = names(world, OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT)
    committed(world)
    world.trade("buy", "A", "50000", "0.1")
    world.order("buy", "B", quantity="0.1")
    world.trade("buy", "C", "50000", "0.1")
    world.order("close", "C")
    record = committed(world)
    subject.take_stops(record)
    await sent(subject)
    (stop,) = set(names(world, OrderPurpose.STOP_LOSS)) - set(former)
    assert venue.requests == [("place", stop)]

    subject.take(record)
    await sent(subject)
    placed = [name for what, name in venue.requests if what == "place"]
    assert placed.count(stop) == 1
    others = (OrderPurpose.OPEN, OrderPurpose.CLOSE, OrderPurpose.TAKE_PROFIT)
    assert set(placed) - {stop} >= set(names(world, *others)) - set(former)


async def test_a_stop_is_cancelled_before_the_commit_only_if_the_one_that_replaces_it_rests(
    gateway: GatewayMaker, world: World
) -> None:
    """Two that rest ask for more than is held: of what the market takes first the exchange refuses the other."""
    venue = LossyVenue()
    subject = gateway(venue, [])
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000", take_profit="60000")
    former = world.resting(OrderPurpose.STOP_LOSS)
    world.take(former)
    committed(world)
    world.trade("buy", "A", "50000", "0.1")
    (stop,) = [live.order for live in world.live(OrderPurpose.STOP_LOSS) if live.order != former]
    subject.take_stops(committed(world))
    await sent(subject)
    assert venue.requests == [("place", stop.client_order_id)], "until it rests, the former one protects"

    world.take(stop)
    subject.take_stops(committed(world))
    await sent(subject)
    assert venue.requests[1:] == [("cancel", former.client_order_id)]


async def test_a_stop_whose_replacement_has_ended_again_is_not_cancelled_before_the_commit(
    gateway: GatewayMaker, world: World
) -> None:
    venue = LossyVenue()
    subject = gateway(venue, [])
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000")
    former = world.resting(OrderPurpose.STOP_LOSS)
    world.take(former)
    world.trade("buy", "A", "50000", "0.1")
    committed(world)
    (stop,) = [live.order for live in world.live(OrderPurpose.STOP_LOSS) if live.order != former]
    world.take(stop)
    record = committed(world)
    assert any(isinstance(event, CancelPlanned) for event in record.events())
    world.report(stop, OrderStatus.CANCELLED)
    subject.take_stops(record)
    await sent(subject)
    assert venue.requests == [], "it is all that protects until the next one rests"


async def test_a_stop_that_left_before_its_commit_is_not_sent_again_while_its_answer_is_owed(
    gateway: GatewayMaker, world: World
) -> None:
    venue = SlowVenue()
    subject = gateway(venue, [])
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000", take_profit="60000")
    (stop,) = names(world, OrderPurpose.STOP_LOSS)
    record = committed(world)
    async with running(subject):
        subject.take_stops(record)
        await until(lambda: venue.requests)
        subject.take(record)
        venue.answer.set()
        await until(lambda: not subject.waiting and len(venue.executed) > 1)
    assert venue.requests == [("place", stop), ("place", *names(world, OrderPurpose.TAKE_PROFIT))]


async def test_a_stop_that_is_to_leave_before_its_commit_and_has_not_left_is_queued_once(
    gateway: GatewayMaker, world: World
) -> None:
    venue = LossyVenue()
    subject = gateway(venue, [])
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000")
    record = committed(world)
    subject.take_stops(record)
    subject.take(record)
    await sent(subject)
    assert venue.requests == [("place", *names(world, OrderPurpose.STOP_LOSS))]
    subject.take(record)
    assert subject.waiting == len(subject.instructions(record)), "once its record is committed it is as any other"


@pytest.mark.parametrize("what", ["rests", "has ended", "is not wanted"])
async def test_a_stop_that_need_not_leave_does_not_leave_before_its_commit(
    gateway: GatewayMaker, world: World, what: str
) -> None:
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000")
    stop = world.resting(OrderPurpose.STOP_LOSS)
    record = committed(world)
    if what == "rests":
        world.take(stop)
    elif what == "has ended":
        world.report(stop, OrderStatus.CANCELLED)
    else:
        world.fill(world.order("close", "A"), "50000")
    venue = LossyVenue()
    subject = gateway(venue, [])
    subject.take_stops(record)
    await sent(subject)
    assert venue.requests == []


async def test_operators_are_warned_of_a_stop_that_leaves_before_its_commit(world: World) -> None:
    told: list[tuple[str, str, Severity]] = []

    def alarm(name: str, text: str, symbol: str, severity: Severity = Severity.CRITICAL) -> None:
        told.append((name, symbol, severity))

    subject = Gateway(lambda: world.state, LossyVenue(), ManualClock(T0), lambda report: None, alarm)
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000")
    subject.take_stops(committed(world))
    assert told == [("stop_before_commit", "BTCUSDT", Severity.WARNING)]
