"""One shard's life in this process: load, resume, work; after an unexpected failure, all of it again."""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

import structlog

from contracts.signal import Signal
from shared.clock import Clock
from shared.errors import Fenced, RetrySafe
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import (
    AnyInput,
    ConfigChanged,
    InstrumentsChanged,
    JournalOpened,
    PriceReached,
    TimeAdvanced,
)
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.domain.state import PriceWatch, ShardState
from tradeengine.journal.base import Journal
from tradeengine.journal.record import Record
from tradeengine.runtime.account import Account
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.gateway import Alarm, Gateway, nobody
from tradeengine.runtime.poison import PoisonReports
from tradeengine.runtime.recovery import load_state
from tradeengine.runtime.shard import CommitListener, Shard
from tradeengine.venue.base import Venue

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0

log = structlog.get_logger(__name__)


class _Running(NamedTuple):
    shard: Shard
    gateway: Gateway
    unresolved: tuple[ApprovedOrder, ...]


class ShardHost:
    """Keeps one shard at work.

    Parameters
    ----------
    shard
        Its number.
    listeners
        Called with each committed record; the gateway is served beside them.
    alarm
        Tells operators.
    """

    def __init__(
        self,
        shard: int,
        *,
        journal: Journal,
        committer: Committer,
        account: Account,
        venue: Venue,
        clock: Clock,
        listeners: Sequence[CommitListener],
        alarm: Alarm = nobody,
    ) -> None:
        self.number = shard
        self._journal = journal
        self._committer = committer
        self._account = account
        self._venue = venue
        self._clock = clock
        self._listeners = listeners
        self._alarm = alarm
        self._running: _Running | None = None
        self._former: Shard | None = None
        self._early: list[AnyInput] = []
        self._poison = PoisonReports()
        self._watches: dict[str, PriceWatch] = {}
        self.failure: str | None = "not started"
        self.fenced = False

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
    def trouble(self) -> str | None:
        """Why the shard cannot decide now, or what it had to leave out, or ``None``."""
        running = self._running
        return self.failure or (running.shard.trouble if running is not None else None) or self._poison.trouble

    @property
    def sequence(self) -> int:
        """Sequence of the shard's last committed record."""
        return self._loaded().sequence

    async def load(self) -> "_Running":
        """Read the shard's state and make it ready to work; nothing is sent yet."""
        state, sequence = await load_state(self._journal, self.number)
        # From here on in one go: an order that is planned once the shard takes signals goes through the gateway's
        # queue, and must not be among the unresolved ones too.
        unresolved = tuple([live.order for live in state.orders.values()])
        gateway = Gateway(lambda: shard.state, self._venue, self._clock, self.submit, self._alarm)
        shard = Shard(
            state,
            sequence,
            journal=self._journal,
            committer=self._committer,
            account=self._account,
            clock=self._clock,
            listeners=[*self._listeners, gateway.take, self._note_watches],
        )
        self._running = _Running(shard, gateway, unresolved)
        self._watches = state.price_watches
        for given in self._left(sequence):
            self.submit(given)
        self.failure = None
        return self._running

    def _left(self, sequence: int) -> list[AnyInput]:
        """Reports that the failed shard did not get to, and those that came since."""
        former, self._former = self._former, None
        early, self._early = self._early, []
        return [*(former.unworked(sequence) if former is not None else ()), *early]

    async def prepare(
        self, journal_id: str, shards: int, config: TradingConfig, instruments: Sequence[Instrument]
    ) -> None:
        """Record what holds from now on, as far as the state does not know it yet."""
        shard, now = self._loaded(), self._clock.now_ms()
        given: list[AnyInput] = []
        if not shard.state.journal_id:
            given.append(JournalOpened(time_ms=now, journal_id=journal_id, shards=shards, venue=self._venue.name))
        if shard.state.config != config:
            given.append(ConfigChanged(time_ms=now, config=config))
        changed = tuple([i for i in instruments if shard.state.instruments.get(i.symbol) != i])
        if changed:
            given.append(InstrumentsChanged(time_ms=now, instruments=changed))
        await shard.process(given)

    def renew(self, rule: Instrument) -> None:
        """Take over a symbol's trading rules, if they changed."""
        if self._running is not None and self.state.instruments.get(rule.symbol) != rule:
            self.submit(InstrumentsChanged(time_ms=self._clock.now_ms(), instruments=(rule,)))

    async def decide(self, signals: Sequence[Signal]) -> list[SignalDecided]:
        """Decide signals; see ``SignalDesk.decide``."""
        return await self._loaded().decide(signals)

    def submit(self, given: AnyInput) -> None:
        """Take an input that nobody waits for; while the shard is not loaded, it is kept for it.

        A report that the shard failed on is told again whenever the shard is loaded, and passed over.
        """
        if given in self._poison:
            return
        if self._running is not None:
            self._running.shard.submit(given)
        elif not self.fenced:
            self._early.append(given)

    def tick(self) -> None:
        """Let time pass: what has a deadline, or is to be tried again, is looked at."""
        if self._running is None:
            return
        if self.state.waits_for_time:
            self.submit(TimeAdvanced(time_ms=self._clock.now_ms()))

    def watch_prices(self, mark_price: Callable[[str], Decimal | None]) -> None:
        """Tell the shard of the prices that its positions wait for, once the market has come to them."""
        for symbol, watch in self._watches.items():
            mark = mark_price(symbol)
            if mark is not None and watch.reached(mark):
                self.submit(PriceReached(time_ms=self._clock.now_ms(), symbol=symbol, price=mark))

    def _note_watches(self, _: Record) -> None:
        self._watches = self.state.price_watches

    async def save_snapshot(self) -> None:
        """Save the state, so that the next start need not read every record."""
        if self._running is not None and self.failure is None:
            await self._running.shard.save_snapshot()

    async def run(self, ready: Callable[[], None]) -> None:
        """Work until cancelled; an unexpected failure makes the shard anew from the journal.

        Parameters
        ----------
        ready
            Called when the shard works for the first time.
        """
        pause = _FIRST_PAUSE_S
        while True:
            started = self._clock.monotonic()
            try:
                await self._work(ready)
            except Fenced as error:
                self.fenced, self.failure = True, str(error)
                self._running = self._former = None
                self._early.clear()
                self._account.detach(self.number)
                log.critical("shard_fenced", shard=self.number, reason=str(error), action="the shard is dropped")
                return
            except asyncio.CancelledError:
                raise
            except Exception as error:
                # Supervised border: the state may be half-changed, so it is dropped and read back.
                self.failure = f"{type(error).__name__}: {error}"
                log.exception("shard_failed", shard=self.number, action="it is loaded again from the journal")
                if self._left_out(error):
                    pause = _FIRST_PAUSE_S
                if self._running is not None:
                    self._former = self._running.shard
                self._running = None
            if self._clock.monotonic() - started > _LONGEST_PAUSE_S:
                pause = _FIRST_PAUSE_S
            await self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _left_out(self, error: Exception) -> bool:
        """Whether a single input made the shard fail, which it will not meet again."""
        given = self._running.shard.undecidable if self._running is not None else None
        if given is None:
            return False
        self._poison.add(given, error)
        return given in self._poison

    async def _work(self, ready: Callable[[], None]) -> None:
        running = self._running
        if running is None:
            # The failed shard's last record may still land: read before that, the state would lack it, and the next
            # record would be taken for another owner's.
            await self._committer.settle(self.number)
            running = await self.load()
        tasks = [
            asyncio.create_task(running.shard.run(), name=f"shard-{self.number}"),
            asyncio.create_task(running.gateway.run(), name=f"gateway-{self.number}"),
            asyncio.create_task(self._resume(running, ready), name=f"resume-{self.number}"),
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

    @staticmethod
    async def _resume(running: "_Running", ready: Callable[[], None]) -> None:
        # Beside the gateway's work: what the venue says nothing about must not keep stops and closings from leaving.
        await running.gateway.resume(running.unresolved)
        ready()

    def _loaded(self) -> Shard:
        if self._running is None:
            raise RetrySafe(f"shard {self.number} is not ready: {self.failure}; send again later")
        return self._running.shard
