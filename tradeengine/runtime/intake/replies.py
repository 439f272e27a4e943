"""Answers to publishers that asked for one."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts.enums import Outcome, RejectionSource
from contracts.subjects import SIGNALS, SIGNALS_WILDCARD
from contracts.values import iso_millis
from shared.clock import Clock
from tradeengine.domain.events import SignalDecided
from tradeengine.runtime.firsts import FirstDecisions
from tradeengine.runtime.intake.connection import INBOX_PREFIX, Connection, Link
from tradeengine.runtime.intake.counts import Counts

_log = structlog.get_logger(__name__)

REPLY_TO_HEADER: Final = "Reply-To"

INVALID_SIGNAL: Final = "invalid_signal"
"""The reason in the answer to a message that was parked."""

# The engine may publish where its clients may not: an answer must never become a command to JetStream or a signal.
_ANSWERABLE = re.compile(r"(_INBOX[^.*>\s]*|_R_|replies)(\.[^.*>\s]+)+")
_MAX_NOTES: Final = 20_000
_MAX_NOTED_BYTES: Final = 32 * 1024 * 1024
_NOTE_SECONDS: Final = 120.0
_MAX_QUEUED_BATCHES: Final = 200
_SUBSCRIPTION_MESSAGES: Final = 65_536


Answer = tuple[Msg, SignalDecided | str]
"""A message, and the decision on it or what is wrong with it."""


class FirstReply(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher of a duplicate is told about its first copy."""

    outcome: Outcome
    reason: str | None
    source: RejectionSource | None
    detail: str | None
    orders: tuple[str, ...]
    decided_at: str


class OutcomeReply(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher is told about its signal; JSON on the wire, absent never, null means not known."""

    signal_id: str | None
    strategy_id: str | None
    symbol: str | None
    outcome: Outcome
    reason: str | None
    source: RejectionSource | None
    detail: str | None
    orders: tuple[str, ...]
    decided_at: str
    first: FirstReply | None = None
    """Of a duplicate whose first decision is known."""


@dataclass(slots=True)
class _Note:
    inbox: str
    noted: float


class Replies:
    """Remembers who asked for an answer and sends it once the decision is committed.

    JetStream does not store a message's reply subject: it answers there itself, that the message is stored. So a
    plain subscription notes the reply subjects, by payload, while JetStream stores the same message. That needs a
    running engine; the header ``Reply-To`` is stored with the message and is answered whenever it is decided.

    A publisher therefore gets two messages at its reply inbox: JetStream's ``{"stream": …, "seq": …}`` first, then
    the outcome. ``nc.request`` returns the first and drops the second; to get both, subscribe to an inbox of your
    own and publish with ``reply=inbox``. Only subjects that begin with ``_INBOX`` or ``replies.`` are answered.

    Answers wait in a bounded queue with a sender of its own, so that nobody who does not read can slow the intake.
    """

    def __init__(self, connection: Connection, clock: Clock, counts: Counts, firsts: FirstDecisions) -> None:
        self._connection = connection
        self._clock = clock
        self._counts = counts
        self._firsts = firsts
        self._notes: OrderedDict[bytes, list[_Note]] = OrderedDict()
        self._noted_bytes = 0
        self._queue: asyncio.Queue[Sequence[Answer]] = asyncio.Queue(_MAX_QUEUED_BATCHES)
        self._sender: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        """Whether nobody sends what is queued."""
        return self._sender is None or self._sender.done()

    def start(self) -> None:
        """Begin to send."""
        self._sender = asyncio.create_task(self._send(), name="intake-replies")

    async def listen(self, link: Link) -> None:
        """Note reply subjects on a new link."""
        for subject in (SIGNALS_WILDCARD, SIGNALS):
            await link.client.subscribe(subject, cb=self._note, pending_msgs_limit=_SUBSCRIPTION_MESSAGES)

    async def close(self, grace: float) -> None:
        """Send what is queued, for at most so many seconds, and stop."""
        if self._sender is None:
            return
        if self._connection.current:
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._queue.join()
        self._sender.cancel()
        with suppress(asyncio.CancelledError):
            await self._sender
        self._sender = None

    def answer(self, answers: Sequence[Answer]) -> None:
        """Queue what became of messages, for those who wait for an answer.

        Parameters
        ----------
        answers
            Each message, as JetStream delivered it, with the committed decision, or with what is wrong with it if it
            was parked.
        """
        try:
            self._queue.put_nowait(answers)
        except asyncio.QueueFull:
            self._counts.add("reply_dropped", len(answers))

    async def _note(self, message: Msg) -> None:
        inbox = message.reply
        # Engines publish too, such as signals that came by the bare subject; they want no answer.
        if not inbox or inbox.startswith(INBOX_PREFIX):
            return
        payload, now = message.data, self._clock.monotonic()
        notes = self._notes.get(payload)
        if notes is None:
            notes = self._notes[payload] = []
            self._noted_bytes += len(payload)
        notes.append(_Note(inbox, now))
        while self._notes and self._must_forget(now):
            forgotten, _ = self._notes.popitem(last=False)
            self._noted_bytes -= len(forgotten)

    def _must_forget(self, now: float) -> bool:
        oldest = next(iter(self._notes.values()))
        return (
            len(self._notes) > _MAX_NOTES
            or self._noted_bytes > _MAX_NOTED_BYTES
            or now - oldest[-1].noted > _NOTE_SECONDS
        )

    def _inboxes(self, message: Msg) -> list[str]:
        notes = self._notes.pop(message.data, None)
        inboxes = []
        if notes is not None:
            self._noted_bytes -= len(message.data)
            inboxes = [note.inbox for note in notes]
        if header := (message.headers or {}).get(REPLY_TO_HEADER):
            inboxes.append(header)
        return [inbox for inbox in dict.fromkeys(inboxes) if _ANSWERABLE.fullmatch(inbox)]

    async def _send(self) -> None:
        while True:
            answers = await self._queue.get()
            try:
                await self._send_all(answers)
            finally:
                self._queue.task_done()

    async def _send_all(self, answers: Sequence[Answer]) -> None:
        firsts = await self._firsts_behind(answers)
        for message, outcome in answers:
            if inboxes := self._inboxes(message):
                await self._publish(inboxes, msgspec.json.encode(self._reply(outcome, firsts.get(message.reply))))

    async def _firsts_behind(self, answers: Sequence[Answer]) -> dict[str, SignalDecided | None]:
        """First decisions behind the copies that somebody wants an answer to, by their subjects for acknowledging."""
        copies = [
            (message.reply, outcome)
            for message, outcome in answers
            if isinstance(outcome, SignalDecided) and outcome.outcome is Outcome.DUPLICATE and self._is_asked(message)
        ]
        found = await self._firsts.of([outcome for _, outcome in copies])
        return dict(zip([subject for subject, _ in copies], found, strict=True))

    def _is_asked(self, message: Msg) -> bool:
        return message.data in self._notes or REPLY_TO_HEADER in (message.headers or {})

    async def _publish(self, inboxes: Sequence[str], body: bytes) -> None:
        link = await self._connection.link()
        try:
            for inbox in inboxes:
                await link.client.publish(inbox, body)
            self._counts.add("replied", len(inboxes))
        except NatsError as error:
            self._counts.add("reply_dropped", len(inboxes))
            _log.debug("reply_dropped", error=str(error))

    def _reply(self, outcome: SignalDecided | str, first: SignalDecided | None) -> OutcomeReply:
        if isinstance(outcome, str):
            return OutcomeReply(
                signal_id=None,
                strategy_id=None,
                symbol=None,
                outcome=Outcome.REJECTED,
                reason=INVALID_SIGNAL,
                source=RejectionSource.VALIDATION,
                detail=outcome,
                orders=(),
                decided_at=iso_millis(self._clock.now_ms()),
            )
        return OutcomeReply(
            signal_id=outcome.signal_id,
            strategy_id=outcome.strategy_id,
            symbol=outcome.symbol,
            outcome=outcome.outcome,
            reason=outcome.reason,
            source=outcome.source,
            detail=outcome.detail,
            orders=outcome.orders,
            decided_at=iso_millis(outcome.time_ms),
            first=_first_reply(first) if first is not None else None,
        )


def _first_reply(first: SignalDecided) -> FirstReply:
    return FirstReply(
        outcome=first.outcome,
        reason=first.reason,
        source=first.source,
        detail=first.detail,
        orders=first.orders,
        decided_at=iso_millis(first.time_ms),
    )
