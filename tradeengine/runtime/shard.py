"""A shard at work: decide what has arrived, commit it as one record, and only then let anything leave."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from contracts.enums import Outcome, Reason, RejectionSource
from contracts.signal import Signal
from shared.clock import Clock
from shared.errors import EngineError, Fenced, OutcomeUnknown, RetrySafe
from tradeengine.domain.decide import restore, step
from tradeengine.domain.events import AnyEvent, SignalDecided
from tradeengine.domain.inputs import AnyInput, SignalReceived
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Journal, Snapshot
from tradeengine.journal.record import Entry, Record
from tradeengine.runtime.account import Account
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.inbox import Inbox, SignalBatch, Work
from tradeengine.runtime.recovery import load_state
from tradeengine.runtime.retry import until_answered
from tradeengine.runtime.translate import to_input

MAX_BATCH = 500
"""Most inputs in one record."""

MAX_WAITING = 20_000
"""Most signals that wait for a shard before it asks their senders to come again."""

SNAPSHOT_EVERY = 2_000
"""Records between two snapshots."""

log = structlog.get_logger(__name__)

CommitListener = Callable[[Record], None]


class Shard:
    """Owner of a part of the symbols.

    Parameters
    ----------
    state, sequence
        The state and the position of the last record, as :func:`~tradeengine.runtime.recovery.load_state` gives them.
    listeners
        Called with each record once it is committed, in order; they must not block.
    """

    def __init__(
        self,
        state: ShardState,
        sequence: int,
        *,
        journal: Journal,
        committer: Committer,
        account: Account,
        clock: Clock,
        listeners: Sequence[CommitListener],
    ) -> None:
        self.state = state
        self.sequence = sequence
        self._journal = journal
        self._committer = committer
        self._account = account
        self._clock = clock
        self._listeners = listeners
        self._inbox = Inbox()
        self._uncommitted: list[AnyInput] = []
        self._snapshot_at = sequence
        self._settled = True
        self.failure: str | None = None
        self.trouble: str | None = None
        """What it waits for instead of deciding, for people."""
        self.undecidable: AnyInput | None = None
        """The input that nobody waits for and that it failed on, if that is why it stopped."""
        account.attach(state)

    async def decide(self, signals: Sequence[Signal]) -> list[SignalDecided]:
        """Decide signals and return when the decisions are committed; see ``SignalDesk.decide``."""
        if self.failure is not None:
            raise RetrySafe(self._stopped())
        if self._inbox.signals + len(signals) > MAX_WAITING:
            raise RetrySafe(f"shard {self.state.shard} has {self._inbox.signals} signals waiting; send again later")
        done: asyncio.Future[list[SignalDecided]] = asyncio.get_running_loop().create_future()
        self._inbox.put_signals(SignalBatch(signals, done))
        return await done

    def submit(self, given: AnyInput) -> None:
        """Take an input that nobody waits for: a report, a timer, a setting."""
        self._inbox.put(given)

    def unworked(self, sequence: int) -> list[AnyInput]:
        """Inputs that nobody waits for and whose outcome is not committed: after a failure somebody must decide them.

        Parameters
        ----------
        sequence
            Where the journal ends now. The record that was under way at the failure may have landed.
        """
        in_hand = self._uncommitted if sequence == self.sequence else []
        return [*in_hand, *self._inbox.reports]

    async def run(self) -> None:
        """Work until cancelled.

        Raises
        ------
        Fenced
            If another process owns the shard; the state is worthless then.
        """
        works: list[Work] = []
        try:
            while True:
                works = await self._inbox.take(MAX_BATCH)
                await self.process(works)
                works = []
                if self.sequence - self._snapshot_at >= SNAPSHOT_EVERY:
                    await self.save_snapshot()
        except BaseException as error:
            self.failure = f"{type(error).__name__}: {error}"
            self._abandon(works, error)
            raise

    def _abandon(self, works: list[Work], error: BaseException) -> None:
        """Tell everyone who waits that the shard has stopped."""
        in_hand, queued = OutcomeUnknown(self._stopped()), RetrySafe(self._stopped())
        for work in works:
            if isinstance(work, SignalBatch):
                work.fail(error if isinstance(error, Fenced) else in_hand)
        self._inbox.refuse_signals(error if isinstance(error, Fenced) else queued)

    def _stopped(self) -> str:
        return f"shard {self.state.shard} has stopped: {self.failure}; send again later"

    async def process(self, works: Sequence[Work]) -> None:
        """Decide works in order, commit their events as one record, then hand the record out.

        Raises
        ------
        Fenced, OutcomeUnknown
            If the record was not committed: the state must be dropped.
        """
        self._settled = False
        self._uncommitted = [work for work in works if not isinstance(work, SignalBatch)]
        entries: list[Entry] = []
        answers: list[tuple[SignalBatch, list[SignalDecided]]] = []
        for work in works:
            if isinstance(work, SignalBatch):
                decisions = [await self._decide_signal(signal, entries) for signal in work.signals]
                answers.append((work, decisions))
            else:
                events = self._step(work)
                if events:
                    entries.append(Entry(work, tuple(events)))
        if entries:
            record = Record(self.state.shard, self.sequence + 1, tuple(entries))
            await self._committer.commit(record)
            self.sequence += 1
            self._uncommitted = []
            for listener in self._listeners:
                listener(record)
        self._uncommitted = []
        self._settled = True
        for batch, decisions in answers:
            batch.answer(decisions)

    def _step(self, given: AnyInput) -> list[AnyEvent]:
        try:
            return step(self.state, given)
        except Exception:
            # Whoever gave it to the next state would see it fail again, and the shard would never come back.
            self._uncommitted.remove(given)
            self.undecidable = given
            log.critical("input_failed", shard=self.state.shard, given=repr(given), action="it is left out")
            raise

    async def save_snapshot(self) -> None:
        """Save the state as of the last record; not while a record is under way, whose events it holds already.

        A store that does not take it now costs the next start some time, and nothing else.
        """
        if not self._settled or self.sequence <= self._snapshot_at:
            return
        try:
            await self._journal.save_snapshot(self.state.shard, Snapshot(self.sequence, self.state.canonical()))
        except (RetrySafe, OutcomeUnknown) as error:
            log.warning("snapshot_failed", shard=self.state.shard, reason=str(error), action="the records are kept")
        self._snapshot_at = self.sequence

    async def _decide_signal(self, signal: Signal, entries: list[Entry]) -> SignalDecided:
        now = self._clock.now_ms()
        given = to_input(signal, now, self._account.context(signal, self.state.config, now))
        if self.state.needs_lookup(given):
            known = await self._is_decided(given.key)
            # The answer may have been long in coming: the signal is as old, and the market as it is, now.
            now = self._clock.now_ms()
            given = to_input(signal, now, self._account.context(signal, self.state.config, now), known=known)
        try:
            events: Sequence[AnyEvent] = step(self.state, given)
        except EngineError:
            raise
        except Exception as error:
            # Supervised border: one signal that the core cannot decide must not stop the others.
            log.exception("decision_failed", strategy_id=signal.strategy_id, signal_id=signal.signal_id)
            await self._reload(entries)
            events = [_failed(given, error)]
            restore(self.state, events)
        entries.append(Entry(given, tuple(events)))
        return next(event for event in events if isinstance(event, SignalDecided))

    async def _is_decided(self, key: str) -> bool:
        def tell(reason: str) -> None:
            self.trouble = f"the journal does not tell what is decided: {reason}"
            log.warning("lookup_failed", shard=self.state.shard, reason=reason, action="it is repeated")

        retrying = until_answered(self._clock, tell, RetrySafe, OutcomeUnknown)
        found: bool = await retrying(self._journal.is_decided, key)
        self.trouble = None
        return found

    async def _reload(self, entries: list[Entry]) -> None:
        """Make the state anew from what is committed and what this batch has decided so far."""
        self.state, self.sequence = await load_state(self._journal, self.state.shard)
        for entry in entries:
            restore(self.state, entry.events)
        self._account.attach(self.state)


def _failed(given: SignalReceived, error: Exception) -> SignalDecided:
    return SignalDecided(
        time_ms=given.time_ms,
        strategy_id=given.strategy_id,
        signal_id=given.signal_id,
        symbol=given.symbol,
        action=given.action,
        outcome=Outcome.REJECTED,
        reason=Reason.INTERNAL_ERROR,
        source=RejectionSource.ENGINE,
        detail=f"{type(error).__name__}: {error}"[:500],
    )
