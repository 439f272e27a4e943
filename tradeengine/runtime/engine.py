"""The engine: all shards of this process, from the journal to the venue."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from functools import partial

import structlog

from contracts.enums import OrderKind, OrderStatus
from contracts.signal import Signal
from contracts.subjects import shard_of
from shared.clock import Clock
from shared.errors import ConfigError, Fenced, OutcomeUnknown, RetrySafe
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.ids import base36, shard_in
from tradeengine.domain.inputs import OrderReported, VenueObserved
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Journal
from tradeengine.runtime.account import Account
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.gateway import Alarm, nobody
from tradeengine.runtime.host import ShardHost
from tradeengine.runtime.reconciler import Reconciler
from tradeengine.runtime.shard import CommitListener
from tradeengine.runtime.trading_config import check_armable
from tradeengine.venue.base import Report, Venue

_TICK_S = 0.25
_TICKS_PER_LOOK = 4
RECONCILE_S = 5.0
_RULES_S = 3600.0
_LEAVE_S = 5.0
"""How long a stop waits for what is under way to come to rest."""
_LEAVE_LOOK_S = 0.02

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
    reconcile_s
        Seconds between two looks at what the venue really holds.
    alarm
        Tells operators what no decision is about: a name, a text and the symbol.
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
        reconcile_s: float = RECONCILE_S,
        alarm: Alarm = nobody,
    ) -> None:
        self.shards = shards
        self._journal = journal
        self._venue = venue
        self._clock = clock
        self._config = config
        self._committer = committer
        self.account = Account(initial_equity, venue.mark_price, conditional_limit=venue.conditional_limit)
        self.reconciler = Reconciler(
            venue, clock, self.account, states=lambda: self.states, submit=self._observed, interval_s=reconcile_s
        )
        self.hosts = [
            ShardHost(
                number,
                journal=journal,
                committer=committer,
                account=self.account,
                venue=venue,
                clock=clock,
                listeners=[*listeners, self.reconciler.observe],
                alarm=alarm,
            )
            for number in range(shards)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._working: set[int] = set()
        self._leaving = False

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
        if waiting:
            return f"{waiting} of {self.shards} shards are still resolving orders with the venue"
        ended = [task.get_name() for task in self._tasks if task.done()]
        if ended:
            return f"{', '.join(ended)} ended unexpectedly: restart the engine"
        return self.reconciler.overdue

    async def read(self) -> None:
        """Read every shard back from the journal.

        Raises
        ------
        ConfigError
            If the journal cannot be used, was written with another number of shards, or for another venue.
        """
        for host in self.hosts:
            await host.load()
            written = host.state.shards
            if written not in (0, self.shards):
                raise ConfigError(
                    f"the journal was written with SHARDS={written}, the setting says {self.shards}: "
                    f"set SHARDS={written}, or start with an empty data folder"
                )
            if written and host.state.venue != self._venue.name:
                raise ConfigError(
                    f"the journal holds orders of the venue {host.state.venue}, TRADING_MODE means {self._venue.name}, "
                    "and orders of the one must never reach the other: set the former mode, or another data folder"
                )

    async def prepare(self) -> None:
        """Record configuration and the venue's trading rules where they changed; :meth:`read` comes first.

        Raises
        ------
        ConfigError
            If no stop could rest in a symbol that is to be traded.
        RetrySafe
            If the venue does not answer.
        """
        known = [host.state.journal_id for host in self.hosts if host.state.journal_id]
        journal_id = known[0] if known else base36(self._clock.now_ms())
        instruments = await self._rules()
        narrow = check_armable(self._config, instruments)
        if narrow:
            log.warning("stops_out_of_band", symbols=narrow, action="openings that want a stop are refused there")
        for host in self.hosts:
            own = [i for i in instruments if shard_of(i.symbol, self.shards) == host.number]
            await host.prepare(journal_id, self.shards, self._config, own)

    async def _rules(self) -> list[Instrument]:
        """Trading rules of the symbols that may be traded here."""
        allowed = self._config.allowed_symbols
        return [i for i in await self._venue.instruments() if not allowed or i.symbol in allowed]

    async def _renew_rules(self) -> None:
        """Take over what the exchange changes of its rules while the engine works."""
        while True:
            await self._clock.sleep(_RULES_S)
            try:
                rules = await self._rules()
            except (RetrySafe, OutcomeUnknown) as error:
                log.warning("rules_unknown", reason=str(error), action="the former ones hold")
                continue
            for rule in rules:
                self.hosts[shard_of(rule.symbol, self.shards)].renew(rule)

    async def load(self) -> None:
        """:meth:`read`, then :meth:`prepare`."""
        await self.read()
        await self.prepare()

    async def start(self) -> None:
        """Go to work; :meth:`load` comes first."""
        self._venue.on_gap(self.reconciler.kick)
        await self._venue.open(self.deliver)
        for host in self.hosts:
            task = asyncio.create_task(host.run(partial(self._working.add, host.number)), name=f"host-{host.number}")
            self._tasks.append(task)
        self._tasks.append(asyncio.create_task(self._tick(), name="ticker"))
        self._tasks.append(asyncio.create_task(self.reconciler.run(), name="reconciler"))
        self._tasks.append(asyncio.create_task(self._renew_rules(), name="rules"))

    async def stop(self) -> None:
        """Stop working; what is not committed stays undecided, and a copy of its signal will be decided later.

        What has left is seen through first, for a few seconds: an opening that filled while nobody listened would have
        no stop before the next start.
        """
        self._leaving = True
        deadline = self._clock.monotonic() + _LEAVE_S
        while self._under_way() and self._clock.monotonic() < deadline:
            await self._clock.sleep(_LEAVE_LOOK_S)
        if left := self._under_way():
            log.critical("stopped_meanwhile", orders=left, action="the next start finds out what became of them")
        await self._venue.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for host in self.hosts:
            await host.save_snapshot()
        await self._committer.close()

    def _under_way(self) -> list[str]:
        """Orders that have not reached the venue, or whose fill is on its way, while somebody works on them."""
        if not any(not task.done() for task in self._tasks):
            return []
        return [
            order_id
            for state in self.states
            for order_id, live in state.orders.items()
            if live.status is OrderStatus.PLANNED or live.order.kind is OrderKind.MARKET
        ]

    async def decide(self, shard: int, signals: Sequence[Signal]) -> list[SignalDecided]:
        """Decide signals of one shard; see ``SignalDesk.decide``."""
        if self._leaving:
            raise RetrySafe("the engine is stopping; send again when it is back")
        host = self.hosts[shard]
        if host.fenced:
            raise Fenced(f"shard {shard} is owned by another process: {host.failure}")
        if not self.reconciler.has_looked:
            # What is opened before the books know what is held already would be opened twice.
            raise RetrySafe(f"{self.reconciler.trouble}; send again later")
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

    def _observed(self, observed: VenueObserved) -> None:
        self.hosts[shard_of(observed.symbol, self.shards)].submit(observed)

    async def _tick(self) -> None:
        ticks = 0
        while True:
            await self._clock.sleep(_TICK_S)
            ticks += 1
            for host in self.hosts:
                host.watch_prices(self._venue.mark_price)
                if ticks % _TICKS_PER_LOOK == 0:
                    host.tick()
