"""The engine: all shards of this process, from the journal to the venue."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from functools import partial

import structlog

from contracts.signal import Signal
from contracts.subjects import shard_of
from shared.clock import Clock
from shared.errors import ConfigError, Fenced
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.ids import base36, shard_in
from tradeengine.domain.inputs import OrderReported
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Journal
from tradeengine.runtime.account import Account
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.host import ShardHost
from tradeengine.runtime.shard import CommitListener
from tradeengine.venue.base import Report, Venue

_TICK_S = 1.0

log = structlog.get_logger(__name__)


class Engine:
    """Decides signals of every shard that this process owns (today all), and keeps them at work.

    Parameters
    ----------
    shards
        Number of shards; it must not change for a journal that has records.
    config
        Trading configuration that holds from the start on.
    initial_equity
        Quote currency that the paper account started with.
    listeners
        Called with each committed record, in order per shard; they must not block.
    """

    def __init__(
        self,
        *,
        shards: int,
        journal: Journal,
        venue: Venue,
        clock: Clock,
        config: TradingConfig,
        initial_equity: Decimal,
        committer: Committer,
        listeners: Sequence[CommitListener] = (),
    ) -> None:
        self.shards = shards
        self._journal = journal
        self._venue = venue
        self._clock = clock
        self._config = config
        self._committer = committer
        self.account = Account(initial_equity, venue.mark_price)
        self.hosts = [
            ShardHost(
                number,
                journal=journal,
                committer=committer,
                account=self.account,
                venue=venue,
                clock=clock,
                listeners=listeners,
            )
            for number in range(shards)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._working: set[int] = set()

    @property
    def owned(self) -> frozenset[int]:
        """Shards that this process decides now."""
        return frozenset(host.number for host in self.hosts if not host.fenced and host.failure is None)

    @property
    def states(self) -> list[ShardState]:
        """States of the shards that are loaded now.

        For views. What limits are held against is the :attr:`account`'s, which goes on counting a shard that is being
        loaded again.
        """
        found = [host.state_if_loaded for host in self.hosts]
        return [state for state in found if state is not None]

    @property
    def trouble(self) -> str | None:
        """Why the engine cannot decide everything now, or ``None``."""
        if self._committer.trouble is not None:
            return f"the journal takes nothing: {self._committer.trouble}"
        broken = [f"shard {host.number}: {host.trouble}" for host in self.hosts if host.trouble is not None]
        if broken:
            return "; ".join(broken)
        waiting = self.shards - len(self._working)
        return f"{waiting} of {self.shards} shards are still resolving orders with the venue" if waiting else None

    async def load(self) -> None:
        """Read every shard back, and record configuration and trading rules where they changed.

        Raises
        ------
        ConfigError
            If the journal cannot be used, or was written with another number of shards.
        """
        for host in self.hosts:
            await host.load()
            written = host.state.shards
            if written not in (0, self.shards):
                raise ConfigError(
                    f"the journal was written with SHARDS={written}, the setting says {self.shards}: "
                    f"set SHARDS={written}, or start with an empty data folder"
                )
        known = [host.state.journal_id for host in self.hosts if host.state.journal_id]
        journal_id = known[0] if known else base36(self._clock.now_ms())
        instruments = await self._venue.instruments()
        for host in self.hosts:
            own = [i for i in instruments if shard_of(i.symbol, self.shards) == host.number]
            await host.prepare(journal_id, self.shards, self._config, own)

    async def start(self) -> None:
        """Go to work; :meth:`load` comes first."""
        await self._venue.open(self.deliver)
        for host in self.hosts:
            task = asyncio.create_task(host.run(partial(self._working.add, host.number)), name=f"host-{host.number}")
            self._tasks.append(task)
        self._tasks.append(asyncio.create_task(self._tick(), name="ticker"))

    async def stop(self) -> None:
        """Stop working; what is not committed stays undecided, and a copy of its signal will be decided later."""
        await self._venue.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for host in self.hosts:
            await host.save_snapshot()
        await self._committer.close()

    async def decide(self, shard: int, signals: Sequence[Signal]) -> list[SignalDecided]:
        """Decide signals of one shard; see ``SignalDesk.decide``."""
        host = self.hosts[shard]
        if host.fenced:
            raise Fenced(f"shard {shard} is owned by another process: {host.failure}")
        return await host.decide(signals)

    def deliver(self, report: Report) -> None:
        """Hand a venue's report to its shard."""
        if isinstance(report, OrderReported):
            shard = shard_in(report.client_order_id)
            if shard is None or shard >= self.shards:
                log.warning("foreign_order", client_order_id=report.client_order_id, status=report.status)
                return
        else:
            shard = shard_of(report.symbol, self.shards)
        self.hosts[shard].submit(report)

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(_TICK_S)
            for host in self.hosts:
                host.tick()
