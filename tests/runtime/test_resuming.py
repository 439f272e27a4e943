"""After a restart: what is unwanted by now is only told ended once its request can arrive no more."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from contracts.enums import OrderPurpose, OrderStatus, Severity
from shared.clock import ManualClock
from shared.errors import Rejected
from tests.runtime.test_gateway import LossyVenue, ended, sent
from tests.support.builders import T0, World
from tradeengine.domain.inputs import OrderReported
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.runtime.courier import NEVER_SENT, Courier
from tradeengine.runtime.gateway import Gateway
from tradeengine.runtime.lost import LostOrders
from tradeengine.runtime.outbox import Outbox
from tradeengine.runtime.resuming import Resuming
from tradeengine.venue.base import Report


class LateVenue(LossyVenue):
    """A request that left before the crash arrives while the venue is asked for the third time."""

    async def query(self, order: ApprovedOrder) -> Sequence[Report] | None:
        self.queries += 1
        if self.queries < 3:
            return None
        rests = OrderReported(time_ms=T0, client_order_id=order.client_order_id, status=OrderStatus.OPEN)
        return [rests]


@pytest.fixture
def stop() -> tuple[World, ApprovedOrder]:
    """A stop that was planned, and then its cancel: its position is gone."""
    world = World()
    world.trade("buy", "A", "50000", "0.1", stop_loss="49000")
    (live,) = world.live(OrderPurpose.STOP_LOSS)
    world.trade("close", "A", "50000")
    assert world.state.orders[live.order.client_order_id].cancelling
    return world, live.order


async def test_an_unwanted_stop_whose_request_arrives_late_is_cancelled(stop: tuple[World, ApprovedOrder]) -> None:
    world, order = stop
    venue, reports = LateVenue(), list[Report]()
    subject = Gateway(lambda: world.state, venue, ManualClock(T0), reports.append)
    await subject.resume([order])
    await sent(subject)
    assert venue.cancelled == [order.client_order_id], "it rests, and nobody wants it"
    assert [report.status for report in reports if isinstance(report, OrderReported)] == [OrderStatus.OPEN]


async def test_an_unwanted_stop_that_never_arrives_has_ended_after_the_wait(stop: tuple[World, ApprovedOrder]) -> None:
    world, order = stop
    reports: list[Report] = []
    clock = ManualClock(T0)
    subject = Gateway(lambda: world.state, LossyVenue(), clock, reports.append)
    await subject.resume([order])
    await sent(subject)
    assert clock.now_ms() - T0 >= 2_000
    assert ended(reports) == (OrderStatus.CANCELLED, NEVER_SENT)


async def test_a_stop_whose_answer_was_lost_and_that_is_unwanted_by_now_is_waited_for(
    stop: tuple[World, ApprovedOrder],
) -> None:
    world, order = stop
    reports: list[Report] = []
    clock = ManualClock(T0)
    await LostOrders(Courier(lambda: world.state, LateVenue(), clock, reports.append), clock).resolve(order, again=True)
    assert [report.status for report in reports if isinstance(report, OrderReported)] == [OrderStatus.OPEN]


class Delisted(LossyVenue):
    """The exchange refuses to say anything of one order, and all others rest."""

    def __init__(self, order: ApprovedOrder) -> None:
        super().__init__()
        self.order = order

    async def query(self, order: ApprovedOrder) -> Sequence[Report] | None:
        if order != self.order:
            return [OrderReported(time_ms=T0, client_order_id=order.client_order_id, status=OrderStatus.OPEN)]
        self.queries += 1
        raise Rejected("Invalid symbol.", code="-1121")


async def test_i56_an_order_that_the_venue_refuses_to_tell_of_is_given_up_after_a_few_tries() -> None:
    world = World()
    order = world.order("buy", "A", quantity="0.1")
    other = world.order("buy", "B", quantity="0.2")
    venue, reports, told = Delisted(order), list[Report](), list[tuple[str, str, str]]()

    def alarm(name: str, text: str, symbol: str, severity: Severity = Severity.CRITICAL) -> None:
        told.append((name, text, symbol))

    clock = ManualClock(T0)
    courier = Courier(lambda: world.state, venue, clock, reports.append)
    await Resuming(courier, Outbox(), clock, alarm).run([order, other])
    assert venue.queries == 6, "bounded"
    ends = [r for r in reports if isinstance(r, OrderReported) and r.client_order_id == order.client_order_id]
    assert [(end.status, end.executed) for end in ends] == [(OrderStatus.REJECTED, Decimal(0))]
    assert "refuses to tell what became of it: Invalid symbol" in (ends[0].reason or "")
    assert [(name, symbol) for name, _, symbol in told] == [("order_unknown", "BTCUSDT")]
