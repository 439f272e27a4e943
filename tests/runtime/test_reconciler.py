"""The reconciler: how long what the exchange holds has been unknown."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal

from shared.clock import ManualClock
from shared.errors import RetrySafe
from tests.support.deadline import PATIENCE_S
from tradeengine.runtime.account import Account
from tradeengine.runtime.observation import Mark
from tradeengine.runtime.reconciler import Reconciler
from tradeengine.venue.base import Sight
from tradeengine.venue.paper.book import PaperBook
from tradeengine.venue.paper.venue import PaperVenue


class MuteVenue(PaperVenue):
    """A venue that does not say what it holds, as often as it is told to."""

    def __init__(self, clock: ManualClock, failures: int) -> None:
        super().__init__(PaperBook(maker_fee=Decimal(0), taker_fee=Decimal(0), slippage_bps=Decimal(0)), clock, [])
        self.failures = failures

    async def observe(self, last_trades: Mapping[str, str | None]) -> Sight:
        if self.failures:
            self.failures -= 1
            raise RetrySafe("no answer")
        return Sight([])


def reconciler(clock: ManualClock, failures: int) -> Reconciler:
    venue = MuteVenue(clock, failures)
    account = Account(Decimal(10_000), venue.mark_price)
    return Reconciler(venue, clock, account, states=list, mark=Mark, submit=lambda seen, look: None, interval_s=60)


async def test_trouble_lasts_once_looks_have_failed_for_a_while() -> None:
    lasting: list[str | None] = []

    class Watch(ManualClock):
        async def sleep(self, seconds: float) -> None:
            lasting.append(subject.lasting_trouble)
            await super().sleep(seconds)

    clock = Watch()
    subject = reconciler(clock, failures=6)
    # A look that fails late is not what is called lasting: it counts from the first that failed.
    clock.set(60_000)
    running = asyncio.create_task(subject.run())
    async with asyncio.timeout(PATIENCE_S):
        await subject.first()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    unknown = "what the exchange holds is unknown: no answer"
    assert lasting == [None, None, None, None, unknown, unknown]
    assert (subject.trouble, subject.lasting_trouble) == (None, None)
