"""A shard at work: decide what has arrived, commit it as one record, and only then let leave what it calls for."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

import structlog
from msgspec import structs

from contracts.signal import Signal
from shared.clock import Clock
from shared.errors import EngineError, Fenced, OutcomeUnknown, RetrySafe
from tradeengine.domain.decide import preview, restore, step
from tradeengine.domain.demand import demand, lacks_room
from tradeengine.domain.events import AnyEvent, SignalDecided
from tradeengine.domain.inputs import AnyInput, SignalReceived, VenueObserved
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Journal, Snapshot
from tradeengine.journal.record import MAX_RECORD_BYTES, Entry, EntryTooLarge, Record, entry_size
from tradeengine.runtime.account import Account
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.inbox import Given, Inbox, SignalBatch, Work
from tradeengine.runtime.limits.escrow import Escrow
from tradeengine.runtime.limits.figures import Amounts
from tradeengine.runtime.observation import Mark, Observation
from tradeengine.runtime.pipeline import Answer, Outstanding, Pipeline
from tradeengine.runtime.recovery import load_state
from tradeengine.runtime.retry import answered, until_answered
from tradeengine.runtime.translate import to_input
from tradeengine.runtime.undecided import failed_decision, too_large

MAX_BATCH = 500
"""Most inputs in one record."""

MAX_WAITING = 20_000
"""Most signals that wait for a shard before it asks their senders to come again."""

SNAPSHOT_EVERY = 10_000
"""Events between two snapshots: what a start has to apply again, at most."""

_PATIENCE_S: Final = 0.05
"""How long the shard waits for the store before it decides reports meanwhile, and how long it gathers them, seconds."""

log = structlog.get_logger(__name__)

T = TypeVar("T")
CommitListener = Callable[[Record], None]


class Shard:
    """Owner of a part of the symbols.

    Signals wait for the commit of what was decided before them. Reports, timers and prices do not wait long: while the
    store takes its time they are decided all the same, each record behind those under way, for a fill that waits is a
    position without its stop.

    Parameters
    ----------
    state, sequence, unsaved
        The state, the position of the last record, and the events since the newest snapshot, as
        :func:`~tradeengine.runtime.recovery.load_state` gives them.
    listeners
        Called with each record once it is committed, in order; they must not block.
    overdue
        Called with a record whose commit takes long, once; it may be committed later, or never. It must not block.
    epoch
        Fencing token of the lease under which it works, for its records.
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
        overdue: CommitListener = lambda record: None,
        epoch: int = 0,
        unsaved: int = 0,
    ) -> None:
        self.state = state
        self.sequence = sequence
        self._journal = journal
        self._committer = committer
        self._account = account
        self._clock = clock
        self._listeners = listeners
        self._overdue = overdue
        self._epoch = epoch
        self._inbox = Inbox()
        self._pipeline = Pipeline()
        # What is decided and not handed over yet.
        self._entries: list[Entry] = []
        self._bytes = 0
        self._inputs: list[Given] = []
        self._answers: list[Answer] = []
        self._unsaved = unsaved
        self._snapshot_due = SNAPSHOT_EVERY
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

    def submit(self, given: Given) -> None:
        """Take an input that nobody waits for: a report, an observation, a timer, a setting."""
        self._inbox.put(given)

    def unworked(self, sequence: int) -> list[AnyInput]:
        """Inputs that nobody waits for and whose outcome is not committed: after a failure somebody must decide them.

        Parameters
        ----------
        sequence
            Where the journal ends now. Records that were under way at the failure may have landed.
        """
        # Observations are left out: they are to be held against the books that are gone.
        left = (*self._pipeline.unworked(sequence), *self._inputs, *self._inbox.reports)
        return [given for given in left if not isinstance(given, (Mark, Observation, VenueObserved))]

    async def run(self) -> None:
        """Work until cancelled.

        Raises
        ------
        Fenced
            If another process owns the shard; the state is worthless then.
        Rejected, OutcomeUnknown
            If a record was not committed; the state is worthless too.
        """
        works: list[Work] = []
        try:
            while True:
                while self._pipeline and not self._inbox:
                    await self._land(self.sequence + 1)
                works = await self._inbox.take(MAX_BATCH)
                await self.process(works)
                works = []
                if self._settled and self._unsaved >= self._snapshot_due:
                    await self._beside_reports(self.save_snapshot())
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

        Parameters
        ----------
        works
            Inputs that nobody waits for first, then signals.

        Raises
        ------
        Fenced, Rejected, OutcomeUnknown
            If the record was not committed: the state must be dropped.
        """
        self._inputs = [work for work in works if not isinstance(work, SignalBatch)]
        for work in works:
            if isinstance(work, SignalBatch):
                decisions = [await self._decide_signal(signal) for signal in work.signals]
                self._answers.append((work, decisions))
            else:
                self._decide_input(work)
        self._hand_over()
        await self._land(self.sequence + len(self._pipeline))

    def _decide_input(self, work: Given) -> None:
        if (given := self._as_of_now(work) if isinstance(work, Mark | Observation) else work) is None:
            return
        self._settled = False
        try:
            if events := step(self.state, given):
                self._note(Entry(given, tuple(events)))
        except Exception:
            # Whoever gave it to the next state would see it fail again, and the shard would never come back.
            self._inputs.remove(given)
            self.undecidable = given
            log.critical("input_failed", shard=self.state.shard, given=repr(given), action="it is left out")
            raise

    def _as_of_now(self, work: Mark | Observation) -> VenueObserved | None:
        """What is decided in place of an observation, ``None`` if there is nothing to decide."""
        at, given = self._inputs.index(work), None
        if isinstance(work, Mark):
            work.pass_by(self.state)
        else:
            given = work.held_against(self.state)
        self._inputs[at : at + 1] = [given] if given is not None else []
        return given

    def _note(self, entry: Entry) -> None:
        """Add what an input led to; where it has no room in the record, that one goes ahead without it.

        Raises
        ------
        EntryTooLarge
            If it has no room in a record of its own either.
        """
        size = entry_size(entry)
        if self._bytes + size > MAX_RECORD_BYTES:
            at = next((n for n, one in enumerate(self._inputs) if one is entry.input), len(self._inputs))
            self._inputs, later = self._inputs[:at], self._inputs[at:]
            self._hand_over()
            self._inputs = later
        self._entries.append(entry)
        self._bytes += size

    def _hand_over(self) -> None:
        """Give what has been decided to the committer, as one record behind those under way.

        Raises
        ------
        Fenced, Rejected, OutcomeUnknown
            If one of those will not be committed: what was decided on it must not be handed over.
        """
        self._pipeline.check()
        entries, inputs, answers = self._entries, self._inputs, self._answers
        self._entries, self._inputs, self._answers, self._bytes = [], [], [], 0
        if entries:
            sequence = self.sequence + len(self._pipeline) + 1
            record = Record(self.state.shard, sequence, tuple(entries), self._epoch)
            committed = self._committer.begin(record)
            self._pipeline.put(Outstanding(record, inputs, answers, committed, self._clock.monotonic()))
        elif self._pipeline:
            self._pipeline.attach(inputs, answers)
        else:
            self._settled = True
            _tell(answers)

    async def _land(self, sequence: int) -> None:
        """Return when the records up to a sequence are committed and handed out; later ones may be under way then."""
        while self.sequence < sequence and (oldest := self._pipeline.oldest) is not None:
            await self._wait_beside_reports(oldest)
            self._hand_out()

    def _hand_out(self) -> None:
        """Let leave what committed records call for, and tell what they decide."""
        for done in self._pipeline.committed():
            self.sequence = done.record.sequence
            self._unsaved += sum(len(entry.events) for entry in done.record.entries)
            for listener in self._listeners:
                listener(done.record)
            _tell(done.answers)
        if not (self._pipeline or self._entries):
            self._settled = True

    async def _wait_beside_reports(self, answer: "asyncio.Future[Any]") -> None:
        """Wait for the store; whenever it has not answered for a while, decide what else has been reported."""
        while True:
            if await answered(answer, _PATIENCE_S):
                return
            # First what has failed: nothing may be decided on it any more.
            self._hand_out()
            if self._pipeline.has_room:
                self._inputs = self._inbox.take_reports(MAX_BATCH)
                for given in tuple(self._inputs):
                    self._decide_input(given)
                self._hand_over()
            for record in self._pipeline.newly_overdue(self._clock.monotonic()):
                self._overdue(record)

    async def _beside_reports(self, request: Coroutine[Any, Any, T]) -> T:
        """Make a request to the store, and decide what is reported while it takes long."""
        asking = asyncio.ensure_future(request)
        try:
            await self._wait_beside_reports(asking)
            # Raises what has failed meanwhile: a record behind it might land behind another owner's claim.
            self._hand_out()
            return asking.result()
        finally:
            asking.cancel()

    async def save_snapshot(self) -> None:
        """Save the state as of the last record; not while a record is under way, whose events it holds already.

        A store that does not take it now costs the next start some time, and nothing else.
        """
        if not self._settled or not self._unsaved:
            return
        snapshot, covered = Snapshot(self.sequence, self.state.canonical()), self._unsaved
        # Counted from here on, whatever becomes of this one: a store that refuses is not asked with each record.
        self._snapshot_due = covered + SNAPSHOT_EVERY
        try:
            await self._journal.save_snapshot(self.state.shard, snapshot)
        except EngineError as error:
            # Whatever it is: the records are what counts.
            log.warning("snapshot_failed", shard=self.state.shard, reason=str(error), action="the records are kept")
        else:
            self._unsaved -= covered
            self._snapshot_due = SNAPSHOT_EVERY

    async def _decide_signal(self, signal: Signal) -> SignalDecided:
        now = self._clock.now_ms()
        given = to_input(signal, now, self._account.context(signal, self.state, now))
        if self.state.needs_lookup(given):
            # What is decided so far goes ahead: the store may take its time, and reports are decided meanwhile.
            self._hand_over()
            known = await self._beside_reports(self._is_decided(given.key))
            # The answer may have been long in coming: the signal is as old, and the market as it is, now.
            now = self._clock.now_ms()
            given = to_input(signal, now, self._account.context(signal, self.state, now), known=known)
        decided = None
        if self._account.escrow is not None:
            given, decided = await self._within_limits(self._account.escrow, signal, given)
        self._settled = False
        try:
            events = step(self.state, given, decided)
            self._note(Entry(given, tuple(events)))
        except EngineError:
            raise
        except Exception as error:
            # Supervised border: one signal that the core cannot decide must not stop the others.
            log.exception(
                "decision_failed", strategy_id=signal.strategy_id, signal_id=signal.signal_id, symbol=signal.symbol
            )
            await self._reload()
            failed: list[AnyEvent] = [failed_decision(given, error)]
            if isinstance(error, EntryTooLarge):
                given = structs.replace(given, carried={})
                failed.append(too_large(given, error))
            restore(self.state, failed)
            self._note(Entry(given, tuple(failed)))
            events = failed
        return next(event for event in events if isinstance(event, SignalDecided))

    async def _within_limits(
        self, escrow: Escrow, signal: Signal, given: SignalReceived
    ) -> tuple[SignalReceived, list[AnyEvent] | None]:
        """Ask for what a signal lacks of the account's limits; the signal as it is to be decided, and how, if known."""
        try:
            decided = preview(self.state, given)
            lacked = demand(self.state, given) if lacks_room(decided) else None
        except Exception:  # noqa: BLE001 - it fails once more when it is decided, and is dealt with there
            return given, None
        if lacked is None or not escrow.may_help(self.state.shard, Amounts(*lacked)):
            return given, decided
        self._hand_over()
        unknown = await self._beside_reports(escrow.ask(self.state.shard, Amounts(*lacked)))
        now = self._clock.now_ms()
        context = self._account.context(signal, self.state, now, unknown=unknown)
        return to_input(signal, now, context, known=given.known), None

    async def _is_decided(self, key: str) -> bool:
        def tell(reason: str) -> None:
            self.trouble = f"the journal does not tell what is decided: {reason}"
            log.warning("lookup_failed", shard=self.state.shard, reason=reason, action="it is repeated")

        retrying = until_answered(self._clock, tell, RetrySafe, OutcomeUnknown)
        found: bool = await retrying(self._journal.is_decided, key)
        self.trouble = None
        return found

    async def _reload(self) -> None:
        """Make the state anew from what is committed and what has been decided since."""
        while (oldest := self._pipeline.oldest) is not None:
            await asyncio.wait((oldest,))
            self._hand_out()
        state, sequence, unsaved = await load_state(self._journal, self.state.shard)
        if sequence != self.sequence:
            raise Fenced(
                f"shard {state.shard} was taken by {state.owner}, with epoch {state.epoch}: the journal is at "
                f"{sequence}, this process has written {self.sequence}; drop the shard and load it again"
            )
        self.state, self._unsaved = state, unsaved
        for entry in self._entries:
            restore(self.state, entry.events)
        self._account.attach(self.state)


def _tell(answers: Sequence[Answer]) -> None:
    for batch, decisions in answers:
        batch.answer(decisions)
