"""The orders' door tells of requests, and changes nothing about them."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from shared.clock import ManualClock
from shared.errors import OutcomeUnknown
from shared.tracing import Span
from tests.support.builders import T0, instrument
from tests.support.records import RecordedWorld
from tests.tracing.kept import Kept, NoRows
from tradeengine.domain.orders import ApprovedOrder, OrderName
from tradeengine.runtime.tracing import Tracing
from tradeengine.venue.base import Report

SECRET = "signature=of-the-account"


class LosingDoor:
    """A door whose first request gets no answer."""

    settle_s = 1.0

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.placed: list[str] = []

    def mark_price(self, symbol: str) -> Decimal | None:
        return Decimal(100)

    async def place(self, order: ApprovedOrder) -> None:
        self.placed.append(order.client_order_id)
        await self._clock.sleep(0.25)
        if len(self.placed) == 1:
            raise OutcomeUnknown(f"no answer to POST /order?{SECRET}")

    async def cancel(self, order: ApprovedOrder | OrderName) -> None:
        """Nothing rests."""

    async def query(self, order: ApprovedOrder) -> Sequence[Report] | None:
        return None


async def test_each_request_about_an_order_is_told_without_what_its_error_says() -> None:
    world = RecordedWorld(instrument())
    order = world.order("buy", "A", quantity="1", signal_id="s1")
    kept, clock = Kept(), ManualClock(T0)
    tracing = Tracing(kept, "paper", clock, NoRows())
    tracing.start()
    tracing.observe(world.cut())
    inner = LosingDoor(clock)
    door = tracing.door(inner)

    with pytest.raises(OutcomeUnknown, match=SECRET):
        await door.place(order)
    assert await door.query(order) is None
    await door.place(order)
    await door.cancel(order)
    await tracing.stop()

    assert (door.settle_s, door.mark_price("BTCUSDT"), len(inner.placed)) == (1.0, Decimal(100), 2)
    told = {span.name: span for span in kept.spans}
    (signal,) = [span for span in kept.spans if span.name == "receive signal"]
    first, again = [span for span in kept.spans if span.name == "place open"]
    assert (first.parent_id, first.error) == (signal.span_id, "OutcomeUnknown")
    assert (first.end_ms - first.start_ms, again.error) == (250, "")
    parts: list[Span] = [told["query open"], again, told["cancel open"]]
    assert {span.parent_id for span in parts} == {first.span_id}
    assert SECRET not in repr(kept.spans)
