"""Signals of shards that another process decides: stored with the broker, answered by whoever owns the shard."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.errors import NoStreamResponseError

from contracts.enums import Reason
from contracts.signal import Signal
from contracts.subjects import signal_subject
from contracts.values import parse_timestamp, to_millis
from shared.errors import Fenced, OutcomeUnknown, RetrySafe
from tradeengine.domain.events import SignalDecided
from tradeengine.runtime.desk import SignalDesk
from tradeengine.runtime.intake.connection import Connection, Link
from tradeengine.runtime.intake.replies import REPLY_TO_HEADER, FirstReply, OutcomeReply

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")

ANSWER_S: Final = 30.0
"""How long the owner's answer is waited for, seconds: a shard that changes hands is decided by its next owner."""

MAX_UNDER_WAY: Final = 1_000
"""Most signals whose answer is waited for at once: as many as one batch may have."""


class ForwardingDesk:
    """The desk for whoever cannot choose a process: what is decided elsewhere goes there, over the signals' stream.

    A signal is stored without a message id, for the broker would drop the copy of a signal that it has seen and nobody
    would answer. Its owner knows a copy by its ``signal_id`` and answers that it is a duplicate.

    Parameters
    ----------
    desk
        The desk of this process.
    connection
        Gives the connection to the broker that every process of this account takes its signals from; ``None`` while
        there is none yet, or without a broker.
    answer_s
        How long an answer is waited for, seconds.
    on_first
        Told of the decision on the first copy, where the owner answers that a signal is a duplicate, and knows it.
    """

    def __init__(
        self,
        desk: SignalDesk,
        connection: Callable[[], Connection | None],
        answer_s: float = ANSWER_S,
        *,
        on_first: Callable[[SignalDecided], None] = lambda first: None,
    ) -> None:
        self._desk = desk
        self._connection = connection
        self._answer_s = answer_s
        self._on_first = on_first
        self._under_way = 0

    @property
    def shards(self) -> int:
        """Number of shards that symbols are dealt to."""
        return self._desk.shards

    @property
    def owned(self) -> frozenset[int]:
        """Shards that this process decides now."""
        return self._desk.owned

    async def decide(self, shard: int, signals: Sequence[Signal]) -> list[SignalDecided]:
        """Decide signals of one shard, wherever it is; see ``SignalDesk.decide``.

        Raises
        ------
        Fenced
            If another process owns the shard and the broker is away.
        OutcomeUnknown
            Also if its owner does not answer in time: the signals are stored, and will be decided.
        RetrySafe
            Also if :data:`MAX_UNDER_WAY` signals wait for their answers: none of these is stored.
        """
        try:
            return await self._desk.decide(shard, signals)
        except Fenced:
            connection = self._connection()
            link = connection.current if connection is not None else None
            if connection is None or link is None:
                raise
        if self._under_way + len(signals) > MAX_UNDER_WAY:
            raise RetrySafe(
                f"{self._under_way} signals wait for the owners of their shards, and at most {MAX_UNDER_WAY} may: send "
                "these again later, or to the process that owns their shard"
            )
        self._under_way += len(signals)
        try:
            return await self._forward(link, connection.address, signals)
        finally:
            self._under_way -= len(signals)

    async def _forward(self, link: Link, address: str, signals: Sequence[Signal]) -> list[SignalDecided]:
        try:
            async with asyncio.timeout(self._answer_s), _inbox(link) as (inbox, answers):
                # Each publishes before it first waits, so the signals keep their order.
                await asyncio.gather(*[_store(link, one, f"{inbox}.{n}") for n, one in enumerate(signals)])
                return await self._collect(answers, signals)
        except (TimeoutError, NatsTimeout):
            raise OutcomeUnknown(
                f"the owner of the shard has not answered within {self._answer_s:g} s; the signals are stored for it"
            ) from None
        except NoStreamResponseError as error:
            raise RetrySafe(f"no stream takes signals at {address}") from error
        except (NatsError, OSError) as error:
            raise OutcomeUnknown(f"the way to the owner of the shard broke: {error}") from error

    async def _collect(self, answers: Subscription, signals: Sequence[Signal]) -> list[SignalDecided]:
        found: dict[int, SignalDecided] = {}
        while len(found) < len(signals):
            message = await answers.next_msg(timeout=None)
            place = int(message.subject.rpartition(".")[2])
            signal = signals[place]
            reply = _reply(message.data, signal)
            found[place] = _decided(reply, signal)
            if reply.first is not None:
                self._on_first(_told(reply.first, signal))
        return [found[place] for place in range(len(signals))]


@asynccontextmanager
async def _inbox(link: Link) -> AsyncIterator[tuple[str, Subscription]]:
    inbox = link.client.new_inbox()
    subscription = await link.client.subscribe(f"{inbox}.*")
    try:
        yield inbox, subscription
    finally:
        if not link.client.is_closed:
            await subscription.unsubscribe()


async def _store(link: Link, signal: Signal, inbox: str) -> None:
    body = _ENCODER.encode(signal.model_dump(exclude_defaults=True))
    await link.jetstream.publish(signal_subject(signal.symbol), body, headers={REPLY_TO_HEADER: inbox})


def _reply(data: bytes, signal: Signal) -> OutcomeReply:
    try:
        return msgspec.json.decode(data, type=OutcomeReply)
    except msgspec.DecodeError as error:
        raise _unreadable(signal, str(error)) from error


def _reason(text: str | None, signal: Signal) -> Reason | None:
    try:
        return None if text is None else Reason(text)
    except ValueError:
        raise _unreadable(signal, f"its reason is {text!r}") from None


def _unreadable(signal: Signal, what: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"signal {signal.signal_id} was decided, and this version cannot read the answer: {what}; "
        "run one version of the engine everywhere"
    )


def _decided(reply: OutcomeReply, signal: Signal) -> SignalDecided:
    if reply.signal_id is None:
        raise RetrySafe(
            f"the owner of the shard cannot read signal {signal.signal_id} and has parked it: {reply.detail}; "
            "run one version of the engine everywhere"
        )
    return _told(reply, signal)


def _told(reply: OutcomeReply | FirstReply, signal: Signal) -> SignalDecided:
    return SignalDecided(
        time_ms=to_millis(parse_timestamp(reply.decided_at)),
        strategy_id=signal.strategy_id,
        signal_id=signal.signal_id,
        symbol=signal.symbol,
        action=signal.action,
        outcome=reply.outcome,
        reason=_reason(reply.reason, signal),
        source=reply.source,
        detail=reply.detail,
        orders=reply.orders,
    )
