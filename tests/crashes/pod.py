"""A process with everything that the service gives its engine: leases, journal, both copies, the exchange."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Final

from contracts.signal import Signal
from contracts.subjects import shard_of
from shared.errors import OutcomeUnknown, RetrySafe
from shared.leases.mongodb import MongoLeases
from shared.settings import Settings
from tests.campaigns.warp import WarpClock, WarpLoop
from tests.crashes.databases import Databases, StagedMySql
from tests.crashes.fates import Plan
from tests.crashes.life import Life
from tests.projection.mongodb_stage import StagedStore
from tests.support.pods import StoppingClock
from tradeengine.domain.events import SignalDecided
from tradeengine.journal.archive import Archive
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.projection.mongodb import MongoReadModel
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.copies import Copies
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.fencing import window_fence
from tradeengine.runtime.ownership import LeasedOwnership
from tradeengine.runtime.retry import until_answered
from tradeengine.runtime.stores import MONGODB, Stores
from tradeengine.runtime.trading_config import trading_config
from tradeengine.venue.binance.build import build_venue

SHARDS: Final = 3
TTL_S: Final = 12.0


class Pod:
    """A process of a play.

    Parameters
    ----------
    plan
        Decides the fates of its commands.
    folder
        Where archives would be.
    ending
        Its end in good order, once it was asked for.
    """

    def __init__(
        self, name: str, loop: WarpLoop, databases: Databases, settings: Settings, plan: Plan, folder: Path
    ) -> None:
        self.name = name
        self.ending: asyncio.Task[None] | None = None
        clock = StoppingClock(WarpClock(loop))
        self.life = Life(loop, clock, plan)
        self.venue = build_venue(settings, clock, fence=window_fence)
        store = StagedStore(databases.store, self.life)
        kept = self.venue.name
        self._copy = StagedMySql(self.life, databases.address, venue=kept, clock=clock)
        self._stores = Stores(
            MONGODB,
            MongoJournal(store),
            MongoLeases(store),
            MongoReadModel(store, venue=kept, clock=clock),
            self._copy,
            Archive(folder),
        )
        self.copies = Copies(self._stores, clock)
        self._committer = Committer(self._stores.journal, clock)
        self._clock = clock
        self.engine = Engine(
            shards=SHARDS,
            journal=self._stores.journal,
            venue=self.venue,
            clock=clock,
            config=trading_config(settings),
            initial_equity=Decimal(0),
            committer=self._committer,
            ownership=LeasedOwnership(self._stores.leases, clock, name, SHARDS, TTL_S),
            listeners=[self.copies.notify],
            followers=[self.copies],
        )

    @property
    def works(self) -> bool:
        """Whether it is neither dead nor standing still."""
        return not self.life.dead and not self.life.frozen.is_set()

    def start(self) -> "asyncio.Task[None]":
        """Begin, as the service does: what is not answered is asked again."""
        return self.life.spawn(self._start())

    async def _start(self) -> None:
        again = until_answered(self._clock, lambda reason: None, RetrySafe, OutcomeUnknown)
        for step in (self._open, self.engine.prepare, self.engine.start, self.engine.read):
            await again(step)

    async def _open(self) -> None:
        stack = await self._stores.open()
        try:
            await self.copies.start()
        except BaseException:
            await stack.aclose()
            raise

    def decide(self, signal: Signal) -> "asyncio.Task[list[SignalDecided]]":
        """Bring a signal to it once."""
        return self.life.spawn(self.engine.decide(shard_of(signal.symbol, SHARDS), [signal]))

    async def stop(self) -> bool:
        """End it in good order when everything is projected; ``False`` if it died of it, or stands still.

        Who stood still is asked again when it goes on.
        """
        if self.ending is None:
            self.ending = self.life.spawn(self._stop())
        still = asyncio.create_task(self.life.frozen.wait())
        await asyncio.wait([self.ending, still], return_when=asyncio.FIRST_COMPLETED)
        still.cancel()
        if not self.ending.done():
            return False
        survived = not self.ending.cancelled()
        if survived:
            self.ending.result()
        await self.discard()
        return survived

    async def _stop(self) -> None:
        for projector in self.copies.projectors.values():
            await projector.catch_up()
        await self.engine.stop()
        await self.copies.stop()

    @property
    def behind(self) -> list[str]:
        """Copies that are not up with the journal."""
        projectors = self.copies.projectors.items()
        lags = {name: (projector.lag().records, projector.trouble) for name, projector in projectors}
        return [f"{name} of {self.name}: {lag}" for name, lag in lags.items() if lag != (0, None)]

    async def discard(self) -> None:
        """End it as a kill does."""
        self.life.die()
        await self.life.bury()
        await self._copy.close()
