"""The gateway: an order leaves once, and its outcome becomes known whatever happens to the answer."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from contracts.enums import OrderStatus
from shared.clock import ManualClock
from shared.errors import OutcomeUnknown, Rejected, RetrySafe
from tests.support.builders import T0, World, fill_of
from tradeengine.domain.inputs import OrderReported
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import ApprovedOrder, LiveOrder
from tradeengine.runtime.gateway import NEVER_ARRIVED, Gateway
from tradeengine.venue.base import Report, ReportSink


class LossyVenue:
    """A venue whose calls fail as scripted: ``before`` or ``after`` the order took effect."""

    name = "lossy"

    def __init__(self, *faults: tuple[str, Exception] | None, unanswered: int = 0, hidden: int = 0) -> None:
        self.faults = list(faults)
        self.unanswered = unanswered
        self.hidden = hidden
        self.executed: list[str] = []
        self.cancelled: list[str] = []
        self.queries = 0

    async def open(self, sink: ReportSink) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def instruments(self) -> Sequence[Instrument]:
        return ()

    def mark_price(self, symbol: str) -> Decimal | None:
        return None

    async def place(self, order: ApprovedOrder) -> None:
        self._call(self.executed, order)

    async def cancel(self, order: ApprovedOrder) -> None:
        self._call(self.cancelled, order)

    def _call(self, done: list[str], order: ApprovedOrder) -> None:
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
def order() -> ApprovedOrder:
    return World().order("buy", "A", quantity="0.1")


def gateway(venue: LossyVenue, reports: list[Report], clock: ManualClock | None = None) -> Gateway:
    return Gateway(lambda: World().state, venue, clock or ManualClock(T0), reports.append, settle_s=2)


async def test_a_refused_order_is_reported_rejected_with_the_reason(order: ApprovedOrder) -> None:
    reports: list[Report] = []
    await gateway(LossyVenue(("before", Rejected("no margin"))), reports).execute(order, cancel=False)
    (report,) = reports
    assert isinstance(report, OrderReported)
    assert (report.status, report.reason) == (OrderStatus.REJECTED, "no margin")


async def test_an_order_that_surely_did_not_arrive_is_sent_again(order: ApprovedOrder) -> None:
    venue = LossyVenue(("before", RetrySafe("refused")), ("before", RetrySafe("refused")))
    reports: list[Report] = []
    await gateway(venue, reports).execute(order, cancel=False)
    assert venue.executed == [order.client_order_id]
    assert reports == []


@pytest.mark.parametrize("hidden", [0, 3])
async def test_an_order_whose_answer_was_lost_is_found_and_never_sent_twice(order: ApprovedOrder, hidden: int) -> None:
    venue = LossyVenue(("after", OutcomeUnknown("timeout")), unanswered=2, hidden=hidden)
    reports: list[Report] = []
    await gateway(venue, reports).execute(order, cancel=False)
    assert venue.executed == [order.client_order_id]
    assert [type(report).__name__ for report in reports] == ["FillReported"]


async def test_an_order_that_is_not_found_for_long_enough_never_arrived(order: ApprovedOrder) -> None:
    venue = LossyVenue(("before", OutcomeUnknown("timeout")))
    reports: list[Report] = []
    clock = ManualClock(T0)
    await gateway(venue, reports, clock).execute(order, cancel=False)
    assert venue.executed == []
    assert clock.now_ms() - T0 >= 2000, "it is asked for until the venue must have seen it"
    (report,) = reports
    assert isinstance(report, OrderReported)
    assert (report.status, report.reason) == (OrderStatus.REJECTED, NEVER_ARRIVED)


async def test_a_cancel_is_repeated_until_it_is_answered(order: ApprovedOrder) -> None:
    venue = LossyVenue(("after", OutcomeUnknown("timeout")), ("before", RetrySafe("refused")))
    await gateway(venue, []).execute(order, cancel=True)
    assert venue.cancelled == [order.client_order_id] * 2


async def test_after_a_restart_an_order_that_arrived_is_not_sent_again(order: ApprovedOrder) -> None:
    venue = LossyVenue()
    reports: list[Report] = []
    await venue.place(order)
    subject = gateway(venue, reports)
    await subject.resume([LiveOrder(order=order)])
    assert [type(report).__name__ for report in reports] == ["FillReported"]
    assert subject.waiting == 0


async def test_after_a_restart_an_order_that_never_left_is_sent_once(order: ApprovedOrder) -> None:
    venue = LossyVenue()
    reports: list[Report] = []
    clock = ManualClock(T0)
    subject = gateway(venue, reports, clock)
    await subject.resume([LiveOrder(order=order)])
    assert clock.now_ms() - order.planned_ms >= 2000, "a request may still be under way"
    assert subject.waiting == 1
    assert reports == []


async def test_after_a_long_pause_an_entry_that_never_left_is_given_up(order: ApprovedOrder) -> None:
    reports: list[Report] = []
    subject = gateway(LossyVenue(), reports, ManualClock(T0 + 3_600_000))
    await subject.resume([LiveOrder(order=order)])
    assert subject.waiting == 0
    (report,) = reports
    assert isinstance(report, OrderReported)
    assert report.status is OrderStatus.REJECTED
    assert "before a restart" in (report.reason or "")


async def test_after_a_restart_a_cancel_under_way_is_repeated(order: ApprovedOrder) -> None:
    venue = LossyVenue()
    await venue.place(order)
    subject = gateway(venue, [])
    await subject.resume([LiveOrder(order=order, status=OrderStatus.OPEN, cancelling=True)])
    assert subject.waiting == 1
