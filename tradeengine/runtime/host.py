"""One shard's life in this process: load, take over, resume, work; after an unexpected failure, all of it again."""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import structlog

from contracts.enums import OrderKind, OrderStatus
from contracts.signal import Signal
from shared.errors import ConfigError, Fenced, RetrySafe
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import (
    AnyInput,
    ConfigChanged,
    InstrumentsChanged,
    JournalOpened,
    PriceReached,
    ShardTaken,
    TimeAdvanced,
)
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.domain.state import PriceWatch, ShardState
from tradeengine.journal.record import Record
from tradeengine.runtime.fencing import FencedDoor, ShardFence
from tradeengine.runtime.gateway import Gateway
from tradeengine.runtime.inbox import Given
from tradeengine.runtime.poison import PoisonReports
from tradeengine.runtime.recovery import check_journal, load_state
from tradeengine.runtime.shard import Shard
from tradeengine.runtime.workplace import Workplace

NOT_LOADED: Final = "not loaded yet"
"""What keeps a shard from working that was taken just now: no failure."""

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0

log = structlog.get_logger(__name__)


class _Running(NamedTuple):
    shard: Shard
    gateway: Gateway
    unresolved: tuple[ApprovedOrder, ...]


class ShardHost:
    """Keeps one shard at work, for as long as this process holds it under one lease.

    Parameters
    ----------
    shard
        Its number.
    epoch
        Fencing token of the lease; 0 without one, and then no takeover is recorded.
    on_work
        Called each time when the shard, newly loaded, begins to work.
    """

    def __init__(self, shard: int, epoch: int, place: Workplace, *, on_work: Callable[[], None] = lambda: None) -> None:
        self.number = shard
        self.epoch = epoch
        self._place = place
        self._clock = place.clock
        self._fence = ShardFence(place.ownership, shard, epoch, place.clock, place.refusals)
        self._on_work = on_work
        self._running: _Running | None = None
        self._former: Shard | None = None
        self._early: list[Given] = []
        self._poison = PoisonReports()
        self._watches: dict[str, PriceWatch] = {}
        self._claim: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_ours = False
        self.failure: str | None = NOT_LOADED
        """Why the shard does not work now, ``None`` while it does."""
        self.resolved = False
        """Whether the venue has said what became of every order that was live when the shard was taken."""
        self.fenced = False
        """Whether it has ended because somebody else owns the shard, or its lease is over."""
        self.leaving = False
        """Whether the shard is being brought to rest: it takes no signals any more."""

    # ---------------------------------------------------------------- what it is like

    @property
    def state(self) -> ShardState:
        """State of the shard.

        Raises
        ------
        RetrySafe
            While the shard is not loaded.
        """
        return self._loaded().state

    @property
    def state_if_loaded(self) -> ShardState | None:
        """State of the shard, ``None`` while it is not loaded."""
        running = self._running
        return running.shard.state if running is not None else None

    @property
    def working(self) -> bool:
        """Whether it decides what arrives."""
        return self.failure is None

    @property
    def trouble(self) -> str | None:
        """Why the shard cannot decide now, or what it had to leave out, or ``None``."""
        running = self._running
        return self.failure or (running.shard.trouble if running is not None else None) or self._poison.trouble

    @property
    def sequence(self) -> int:
        """Sequence of the shard's last committed record."""
        return self._loaded().sequence

    def under_way(self) -> list[str]:
        """Orders that have not reached the venue, or whose fill is on its way."""
        state = self.state_if_loaded
        orders = state.orders.items() if state is not None and self.working else ()
        return [
            order_id
            for order_id, live in orders
            if live.status is OrderStatus.PLANNED or live.order.kind is OrderKind.MARKET
        ]

    # ---------------------------------------------------------------- what it is told

    async def decide(self, signals: Sequence[Signal]) -> list[SignalDecided]:
        """Decide signals; see ``SignalDesk.decide``."""
        if self.leaving:
            raise RetrySafe(f"shard {self.number} is handed over to another process; send again later")
        shard = self._loaded()
        if self.failure is not None:
            raise RetrySafe(self._not_ready())
        return await shard.decide(signals)

    def submit(self, given: Given) -> None:
        """Take an input that nobody waits for; while the shard does not work, it is kept for it.

        A report that the shard failed on is told again whenever the shard is loaded, and passed over.
        """
        if given in self._poison:
            return
        if self._running is not None and self.working:
            self._running.shard.submit(given)
        elif not self.fenced:
            self._early.append(given)

    def renew(self, rule: Instrument) -> None:
        """Take over a symbol's trading rules, if they changed."""
        if self.working and self.state.instruments.get(rule.symbol) != rule:
            self.submit(InstrumentsChanged(time_ms=self._clock.now_ms(), instruments=(rule,)))

    def tick(self) -> None:
        """Let time pass: what has a deadline, or is to be tried again, is looked at."""
        if self.working and self.state.waits_for_time:
            self.submit(TimeAdvanced(time_ms=self._clock.now_ms()))

    def watch_prices(self, mark_price: Callable[[str], Decimal | None]) -> None:
        """Tell the shard of the prices that its positions wait for, once the market has come to them."""
        if not self.working:
            return
        for symbol, watch in self._watches.items():
            mark = mark_price(symbol)
            if mark is not None and watch.reached(mark):
                self.submit(PriceReached(time_ms=self._clock.now_ms(), symbol=symbol, price=mark))

    def _note_watches(self, _: Record) -> None:
        self._watches = self.state.price_watches

    # ---------------------------------------------------------------- its life

    async def claimed(self) -> None:
        """Return when the shard is loaded and taken over.

        Raises
        ------
        EngineError
            What failed at the last attempt; another one may follow.
        """
        await asyncio.shield(self._claim)

    async def save_snapshot(self) -> None:
        """Save the state, so that the next start need not read every record."""
        if self._running is not None and self.working:
            await self._running.shard.save_snapshot()

    async def run(self) -> None:
        """Work until cancelled; an unexpected failure makes the shard anew from the journal.

        Raises
        ------
        Fenced
            If somebody else owns the shard now, or the lease is over: all that is known of it is worthless.
        """
        pause = _FIRST_PAUSE_S
        while True:
            started = self._clock.monotonic()
            try:
                await self._live()
            except asyncio.CancelledError as error:
                self._fail_claim(error)
                raise
            except Fenced as error:
                self.fenced, self.failure, self._running = True, str(error), None
                self._early.clear()
                self._fail_claim(error)
                raise
            except Exception as error:
                # Supervised border: the state may be half-changed, so it is dropped and read back.
                if self.working and self._running is not None:
                    # A shard that fails before it works has been given nothing.
                    self._former = self._running.shard
                self.failure = f"{type(error).__name__}: {error}"
                self._fail_claim(error)
                expected = isinstance(error, (ConfigError, RetrySafe))
                told = {"shard": self.number, "reason": self.failure, "action": "it is loaded again"}
                log.exception("shard_failed", **told, exc_info=not expected)
                if self._left_out(error):
                    pause = _FIRST_PAUSE_S
                self._running = None
            if self._clock.monotonic() - started > _LONGEST_PAUSE_S:
                pause = _FIRST_PAUSE_S
            await self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _fail_claim(self, error: BaseException) -> None:
        if self._claim.done():
            return
        self._claim.set_exception(error if isinstance(error, Exception) else Fenced(f"shard {self.number}: {error!r}"))
        # Nobody may be waiting for it.
        self._claim.exception()
        self._claim = asyncio.get_running_loop().create_future()

    def _left_out(self, error: Exception) -> bool:
        """Whether a single input made the shard fail, which it will not meet again."""
        given = self._running.shard.undecidable if self._running is not None else None
        if given is None:
            return False
        self._poison.add(given, error)
        return given in self._poison

    async def _live(self) -> None:
        running = await self._take_over()
        # Before anything else is recorded, perhaps where a record of the failed shard was to land.
        self._keep_unworked(running.shard.sequence)
        await self._prepare(running.shard)
        self._watches = running.shard.state.price_watches
        self.failure = None
        early, self._early = self._early, []
        for given in early:
            self.submit(given)
        self._on_work()
        await self._work(running)

    async def _take_over(self) -> _Running:
        """Load the shard, and claim the next position of its journal for this lease.

        What a former owner, or a former life in this process, still has under way may land at any time before that;
        then the claim collides with it, and all is read again. Afterwards it cannot land any more.
        """
        while True:
            await self._settle()
            running = await self._load()
            state = running.shard.state
            check_journal(state, self._place.shards, self._place.venue.name)
            if self._has_claimed(state):
                break
            if self._is_ours:
                raise Fenced(f"shard {self.number} was taken by {state.owner}, with epoch {state.epoch}; drop it")
            self._fence.check()
            if state.epoch > self.epoch:
                log.warning("epochs_went_back", shard=self.number, journal=state.epoch, lease=self.epoch)
            try:
                await running.shard.process([self._claim_of(state)])
            except Fenced as error:
                log.info("shard_not_settled", shard=self.number, reason=str(error), action="it is read again")
                continue
            log.info("shard_taken", shard=self.number, epoch=self.epoch, sequence=running.shard.sequence)
            break
        if not self._is_ours:
            self._place.venue.take_over(running.shard.state)
            if (escrow := self._place.account.escrow) is not None:
                escrow.speak_for(self.number, running.shard.sequence)
        self._is_ours = True
        if not self._claim.done():
            self._claim.set_result(None)
        return running

    def _claim_of(self, state: ShardState) -> ShardTaken:
        ownership = self._place.ownership
        held = ownership.held.get(self.number)
        return ShardTaken(
            time_ms=self._clock.now_ms(),
            owner=ownership.owner,
            epoch=self.epoch,
            former=state.owner,
            cause=held.cause if held is not None and held.epoch == self.epoch else None,
        )

    def _has_claimed(self, state: ShardState) -> bool:
        """Whether the journal names this lease's tenure; without fencing tokens there is nothing to claim."""
        if self.epoch == 0:
            return state.epoch == 0
        # The owner too: epochs begin anew when somebody deletes the leases.
        return (state.owner, state.epoch) == (self._place.ownership.owner, self.epoch)

    async def _settle(self) -> None:
        """Wait for records of the shard that are under way in this process: read before one lands, the state lacks it.

        Raises
        ------
        Fenced
            If one of this lease collided with another owner's.
        """
        try:
            await self._place.committer.settle(self.number)
        except Fenced:
            if self._is_ours:
                raise

    async def _load(self) -> _Running:
        place = self._place
        state, sequence, unsaved = await load_state(place.journal, self.number)
        # From here on in one go: an order that is planned once the shard takes signals goes through the gateway's
        # queue, and must not be among the unresolved ones too.
        unresolved = tuple([live.order for live in state.orders.values()])
        door = place.before_door(FencedDoor(place.venue, self._fence))
        gateway = Gateway(lambda: shard.state, door, self._clock, self.submit, place.alarm)
        shard = Shard(
            state,
            sequence,
            journal=place.journal,
            committer=place.committer,
            account=place.account,
            clock=self._clock,
            listeners=[*place.listeners, gateway.take, self._note_watches],
            overdue=gateway.take_stops,
            epoch=self.epoch,
            unsaved=unsaved,
        )
        self._running = _Running(shard, gateway, unresolved)
        return self._running

    async def _prepare(self, shard: Shard) -> None:
        """Record what holds from now on, as far as the state does not know it yet."""
        place = self._place
        brief, now = await place.briefing(self.number), self._clock.now_ms()
        given: list[AnyInput] = []
        if not shard.state.journal_id:
            opened = JournalOpened(
                time_ms=now, journal_id=brief.journal_id, shards=place.shards, venue=place.venue.name
            )
            given.append(opened)
        if shard.state.config != brief.config:
            given.append(ConfigChanged(time_ms=now, config=brief.config))
        changed = tuple([i for i in brief.instruments if shard.state.instruments.get(i.symbol) != i])
        if changed:
            given.append(InstrumentsChanged(time_ms=now, instruments=changed))
        await shard.process(given)

    def _keep_unworked(self, sequence: int) -> None:
        """Keep the reports that the failed shard did not get to, before those that came since."""
        former, self._former = self._former, None
        if former is not None:
            self._early[:0] = former.unworked(sequence)

    async def _work(self, running: _Running) -> None:
        tasks = [
            asyncio.create_task(running.shard.run(), name=f"shard-{self.number}"),
            asyncio.create_task(running.gateway.run(), name=f"gateway-{self.number}"),
            asyncio.create_task(self._resume(running), name=f"resume-{self.number}"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def _resume(self, running: _Running) -> None:
        # Beside the gateway's work: what the venue says nothing about must not keep stops and closings from leaving.
        await running.gateway.resume(running.unresolved)
        self.resolved = True

    def _loaded(self) -> Shard:
        if self._running is None:
            raise RetrySafe(self._not_ready())
        return self._running.shard

    def _not_ready(self) -> str:
        return f"shard {self.number} is not ready: {self.failure}; send again later"
