"""The engine: the shards of this process, from the journal to the venue."""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

import structlog

from contracts.signal import Signal
from contracts.subjects import shard_of
from shared.clock import Clock
from shared.errors import OutcomeUnknown, RetrySafe
from shared.registers.base import Register
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.ids import base36, shard_in
from tradeengine.domain.inputs import OrderReported
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Journal
from tradeengine.runtime.account import Account
from tradeengine.runtime.alarm import Alarm, nobody
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.host import ShardHost
from tradeengine.runtime.limits.escrow import Escrow
from tradeengine.runtime.limits.figures import Limits
from tradeengine.runtime.limits.orders import OrderShare
from tradeengine.runtime.observation import Mark, Observation
from tradeengine.runtime.ownership import AlwaysHeld, Ownership
from tradeengine.runtime.reconciler import Reconciler
from tradeengine.runtime.recovery import check_journal, load_state
from tradeengine.runtime.shard import CommitListener
from tradeengine.runtime.tenancy import Follower, Tenancy
from tradeengine.runtime.trading_config import check_armable
from tradeengine.runtime.workplace import Briefing, Workplace, as_it_is
from tradeengine.venue.base import OrderDoor, Report, Venue

_TICK_S = 0.25
_TICKS_PER_LOOK = 4
RECONCILE_S = 5.0
_RULES_S = 3600.0
_LEAVE_S = 12.0
"""How long a stop may take to hand shards over: well within the 30 s that an orchestrator grants a pod by default."""

log = structlog.get_logger(__name__)


class _FirstLook(NamedTuple):
    """The look at the venue that a shard waits for before it decides signals, and the first that counts for it."""

    number: int
    symbols: frozenset[str]


class Engine:
    """Decides signals of every shard that this process owns, and keeps those shards at work.

    Parameters
    ----------
    shards
        Number of shards; it must not change for a journal that has records.
    config
        Trading configuration that holds from the start on.
    initial_equity
        Quote currency that the paper account started with.
    ownership
        Says which shards are this process's; without it, all are for ever.
    listeners
        Called with each committed record, in order per shard; they must not block.
    followers
        Told which shards are worked on here.
    register
        Where processes that share the account deal its limits out, which takes an ``ownership`` with fencing tokens;
        without it, this process is alone with the account.
    reconcile_s
        Seconds between two looks at what the venue really holds.
    alarm
        Tells operators what no decision is about.
    before_door
        Puts something before the door that orders go through.
    """

    def __init__(  # noqa: PLR0913 - here everything is put together
        self,
        *,
        shards: int,
        journal: Journal,
        venue: Venue,
        clock: Clock,
        config: TradingConfig,
        initial_equity: Decimal,
        committer: Committer,
        ownership: Ownership | None = None,
        listeners: Sequence[CommitListener] = (),
        followers: Sequence[Follower] = (),
        register: Register | None = None,
        reconcile_s: float = RECONCILE_S,
        alarm: Alarm = nobody,
        before_door: Callable[[OrderDoor], OrderDoor] = as_it_is,
    ) -> None:
        self.shards = shards
        self.ownership = ownership or AlwaysHeld(shards)
        self._journal = journal
        self._venue = venue
        self._clock = clock
        self._config = config
        self._committer = committer
        self.account = Account(initial_equity, venue.mark_price, conditional_limit=venue.conditional_limit)
        self._escrow = self.account.escrow = self._make_escrow(register) if register is not None else None
        sharers: list[Follower] = []
        if self._escrow is not None:
            sharers = [self._escrow, OrderShare(venue.share_limits, shards)]
        self.reconciler = Reconciler(
            venue,
            clock,
            self.account,
            states=lambda: self.states,
            mark=self._mark,
            submit=self._observed,
            interval_s=reconcile_s,
        )
        self._place = Workplace(
            shards=shards,
            ownership=self.ownership,
            journal=journal,
            committer=committer,
            account=self.account,
            venue=venue,
            clock=clock,
            listeners=[*listeners, self.reconciler.observe, *([self._escrow.observe] if self._escrow else [])],
            briefing=self._brief,
            alarm=alarm,
            before_door=before_door,
        )
        self.fence_refusals = self._place.refusals
        """Orders and cancels that a fence kept here since the start, by reason."""
        self.tenancy = Tenancy(self.ownership, self._make_host, self.account, clock, [*followers, *sharers])
        self._begun = False
        self._rules: Sequence[Instrument] = ()
        self._started_ms = 0
        self._opened = asyncio.Event()
        self._looks: dict[int, _FirstLook] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._leaving = False

    def _make_escrow(self, register: Register) -> Escrow:
        config, limit = self._config, self._venue.conditional_limit
        conditional = max(0, limit - config.conditional_reserve) if limit is not None else None
        return Escrow(
            register,
            self._clock,
            Limits(config.max_exposure_usd, conditional),
            self.shards,
            figures=self.account.figures,
            show=self.account.show,
            losses=config.max_daily_loss_usd is not None or config.max_drawdown_pct is not None,
        )

    def _make_host(self, shard: int, epoch: int) -> ShardHost:
        self._looks.pop(shard, None)
        return ShardHost(shard, epoch, self._place, on_work=lambda: self._begin_to_work(shard))

    def _begin_to_work(self, shard: int) -> None:
        symbols = frozenset(self.hosts[shard].state.instruments)
        self._looks[shard] = _FirstLook(self.reconciler.order(symbols), symbols)

    # ---------------------------------------------------------------- what it is like

    @property
    def hosts(self) -> dict[int, ShardHost]:
        """Hosts of the shards that are held, by number."""
        return self.tenancy.hosts

    @property
    def owned(self) -> frozenset[int]:
        """Shards that this process decides now."""
        return self.tenancy.owned

    @property
    def states(self) -> list[ShardState]:
        """States of the shards that are loaded now.

        For views. What limits are held against is the :attr:`account`'s, which goes on counting a shard that is being
        loaded again.
        """
        return self.tenancy.states

    @property
    def trouble(self) -> str | None:
        """Why the engine cannot decide everything now, or ``None``."""
        return self.failure or self.settling

    @property
    def failure(self) -> str | None:
        """What is wrong, so that the engine cannot decide everything, or ``None``."""
        if self._committer.trouble is not None:
            return f"the journal takes nothing: {self._committer.trouble}"
        if (trouble := self.tenancy.failure) is not None:
            return trouble
        ended = [task.get_name() for task in self._tasks if task.done()]
        if ended:
            return f"{', '.join(ended)} ended unexpectedly: restart the engine"
        if self.reconciler.overdue is not None:
            return self.reconciler.overdue
        if self._escrow is not None and not self._escrow.is_beginning:
            return self._escrow.overdue
        return None

    @property
    def settling(self) -> str | None:
        """What a start, or shards that were taken just now, still wait for, or ``None``."""
        if (waiting := self.tenancy.settling) is not None:
            return waiting
        if self._escrow is not None and self._escrow.is_beginning:
            return self._escrow.overdue
        unseen = sorted(shard for shard in self.owned if self._unseen(shard))
        return f"shards {unseen} are not compared with the exchange yet" if unseen else None

    def _unseen(self, shard: int) -> bool:
        """Whether a shard's books have not been held against the exchange since they were loaded."""
        first = self._looks.get(shard)
        return first is None or not self.reconciler.has_made(first.number, first.symbols)

    # ---------------------------------------------------------------- life

    async def check_journal(self) -> None:
        """See that this process could work on the journal, before it takes a shard from one that does.

        Raises
        ------
        ConfigError
            If the journal was written with another number of shards, or for another venue.
        RetrySafe
            If the journal does not answer.
        """
        for shard in await self._journal.shards():
            state = (await load_state(self._journal, shard)).state
            if state.shards:
                check_journal(state, self.shards, self._venue.name)
                return

    async def read(self) -> None:
        """Begin to take shards, and return when those that are held are read and taken over.

        Where others may hold shards too, call it when the venue is open: a process that cannot reach the venue should
        take nothing.

        Raises
        ------
        ConfigError
            If the journal cannot be used, was written with another number of shards, or for another venue.
        """
        if not self._begun:
            self._begun = True
            await self.ownership.begin(self.tenancy)
        await asyncio.gather(*[host.claimed() for host in self.hosts.values()])

    async def prepare(self) -> None:
        """Ask for the venue's trading rules.

        Raises
        ------
        ConfigError
            If no stop could rest in a symbol that is to be traded.
        RetrySafe
            If the venue does not answer.
        """
        self._rules = await self._ask_rules()
        narrow = check_armable(self._config, self._rules)
        if narrow:
            log.warning("stops_out_of_band", symbols=narrow, action="openings that want a stop are refused there")

    async def _brief(self, shard: int) -> Briefing:
        """What a shard must know before it works, once the venue is open."""
        await self._opened.wait()
        known = [state.journal_id for state in self.states if state.journal_id]
        own = [rule for rule in self._rules if shard_of(rule.symbol, self.shards) == shard]
        return Briefing(known[0] if known else base36(self._started_ms), self._config, own)

    async def _ask_rules(self) -> list[Instrument]:
        """Trading rules of the symbols that may be traded here."""
        allowed = self._config.allowed_symbols
        return [i for i in await self._venue.instruments() if not allowed or i.symbol in allowed]

    async def _renew_rules(self) -> None:
        """Take over what the exchange changes of its rules while the engine works."""
        while True:
            await self._clock.sleep(_RULES_S)
            try:
                self._rules = await self._ask_rules()
            except (RetrySafe, OutcomeUnknown) as error:
                log.warning("rules_unknown", reason=str(error), action="the former ones hold")
                continue
            for rule in self._rules:
                host = self.hosts.get(shard_of(rule.symbol, self.shards))
                if host is not None:
                    host.renew(rule)

    async def load(self) -> None:
        """:meth:`read`, then :meth:`prepare`."""
        await self.read()
        await self.prepare()

    async def start(self) -> None:
        """Open the venue and go to work; :meth:`prepare` comes first."""
        self._venue.on_gap(self.reconciler.kick)
        self._venue.on_leap(self._leapt)
        await self._venue.open(self.deliver)
        self._started_ms = self._clock.now_ms()
        self._opened.set()
        self._tasks.append(asyncio.create_task(self._tick(), name="ticker"))
        self._tasks.append(asyncio.create_task(self.reconciler.run(), name="reconciler"))
        self._tasks.append(asyncio.create_task(self._renew_rules(), name="rules"))
        if self._escrow is not None:
            self._tasks.append(asyncio.create_task(self._escrow.run(), name="limits"))

    async def hand_over(self) -> None:
        """Let other processes take the shards, one after another, while this one works on; :meth:`stop` comes next."""
        await self.ownership.leave(_LEAVE_S)

    async def stop(self) -> None:
        """Stop working; what is not committed stays undecided, and a copy of its signal will be decided later.

        What has left is seen through first, for a few seconds: an opening that filled while nobody listened would have
        no stop before the next start. Only then others may take the shards.
        """
        self._leaving = True
        self.tenancy.close()
        left = await self.tenancy.rest(tuple(self.hosts.values()))
        if left:
            log.critical("stopped_meanwhile", orders=left, action="the next start finds out what became of them")
        at_work = {shard for shard in map(shard_in, left) if shard is not None}
        await self._venue.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.tenancy.stop()
        await self._committer.close()
        for shard in at_work:
            self.ownership.drop(shard, "stopped with orders under way")
        await self.ownership.end()

    def _leapt(self, seconds: float) -> None:
        """Others may have taken shards in time that no clock here has counted."""
        self.ownership.distrust(f"the exchange's clock has moved {seconds:.1f} s ahead of this machine's")

    # ---------------------------------------------------------------- what it is told

    async def decide(self, shard: int, signals: Sequence[Signal]) -> list[SignalDecided]:
        """Decide signals of one shard; see ``SignalDesk.decide``."""
        if self._leaving:
            raise RetrySafe("the engine is stopping; send again when it is back")
        host = self.tenancy.host(shard)
        if self._unseen(shard) and host.working:
            # What is opened before the books know what is held already would be opened twice.
            trouble = f" ({self.reconciler.trouble})" if self.reconciler.trouble else ""
            raise RetrySafe(f"shard {shard} is being compared with the exchange{trouble}; send again later")
        return await host.decide(signals)

    def deliver(self, report: Report) -> None:
        """Hand a venue's report to its shard; what is of another process's shards is its affair."""
        if isinstance(report, OrderReported):
            shard = shard_in(report.client_order_id)
            if shard is None or shard >= self.shards:
                log.warning("foreign_order", client_order_id=report.client_order_id, status=report.status)
                return
        else:
            shard = shard_of(report.symbol, self.shards)
        host = self.hosts.get(shard)
        if host is not None:
            host.submit(report)

    def _mark(self, state: ShardState) -> Mark:
        """Let a shard know where among its reports it was that the venue was asked."""
        mark = Mark(state)
        self.hosts[state.shard].submit(mark)
        return mark

    def _observed(self, seen: Observation, look: int) -> None:
        """Hand an observation to its shard, if the look began after the shard was loaded.

        The venue tells every trade before it says what is held, but to the books that were here when the look began: to
        those that came since, a position that such a trade has closed would be missing for no reason.
        """
        shard = shard_of(seen.observed.symbol, self.shards)
        host, first = self.hosts.get(shard), self._looks.get(shard)
        if host is not None and first is not None and look >= first.number:
            host.submit(seen)

    async def _tick(self) -> None:
        ticks = 0
        while True:
            await self._clock.sleep(_TICK_S)
            ticks += 1
            for host in tuple(self.hosts.values()):
                host.watch_prices(self._venue.mark_price)
                if ticks % _TICKS_PER_LOOK == 0:
                    host.tick()
