"""Brings the signals of one shard to the desk."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts.signal import InvalidSignal, Signal
from contracts.subjects import SIGNALS_STREAM, shard_filter
from contracts.trace import TRACEPARENT
from shared.clock import Clock
from shared.errors import OutcomeUnknown, RetrySafe
from tradeengine.domain.events import SignalDecided
from tradeengine.runtime.desk import SignalDesk
from tradeengine.runtime.intake.connection import Connection
from tradeengine.runtime.intake.counts import Counts
from tradeengine.runtime.intake.deadletters import park, symbol_token
from tradeengine.runtime.intake.puller import ConsumerName, PullSettings
from tradeengine.runtime.intake.replies import Replies
from tradeengine.runtime.intake.worker import Worker

_log = structlog.get_logger(__name__)

_FIRST_RETRY_SECONDS: Final = 0.05
_LAST_RETRY_SECONDS: Final = 1.0
_PARK_AGAIN_SECONDS: Final = 5.0


async def park_all(
    connection: Connection,
    worker: Worker,
    replies: Replies,
    counts: Counts,
    refused: Sequence[tuple[Msg, str]],
) -> None:
    """Park messages, each with what is wrong with it; acknowledge those that are stored, answer those who wait.

    What cannot be parked now comes again later, so that a full dead letter stream never holds up valid signals.
    """
    if not refused:
        return
    link = await connection.link()
    results = await asyncio.gather(
        *(park(link, message, reason) for message, reason in refused),
        return_exceptions=True,
    )
    parked, failed = [], []
    for answer, result in zip(refused, results, strict=True):
        if result is None:
            parked.append(answer)
        elif isinstance(result, (NatsError, OSError, TimeoutError)):
            failed.append(answer[0])
        else:
            raise result
    await worker.acknowledge([message for message, _ in parked])
    counts.add("parked", len(parked))
    replies.answer(parked)
    if failed:
        _log.warning("dead_letters_unavailable", messages=len(failed), retry_seconds=_PARK_AGAIN_SECONDS)
        await worker.give_back(failed, _PARK_AGAIN_SECONDS)


class ShardIntake:
    """Reads the stored signals of one shard, has them decided in order, and acknowledges what is committed.

    While the desk takes nothing, or cannot tell whether it committed, the batch stays in hand and is offered again:
    giving it back to the server would let later signals overtake it, such as a close its opening.
    """

    def __init__(
        self,
        shard: int,
        desk: SignalDesk,
        connection: Connection,
        replies: Replies,
        settings: PullSettings,
        clock: Clock,
        counts: Counts,
    ) -> None:
        self._shard = shard
        self._desk = desk
        self._connection = connection
        self._replies = replies
        self._clock = clock
        self._counts = counts
        name = ConsumerName(SIGNALS_STREAM, f"engine-shard-{shard}", shard_filter(shard))
        self.worker = Worker(connection, name, self._handle, settings, clock, counts)
        """The loop that feeds it."""

    async def _handle(self, batch: Sequence[Msg]) -> None:
        messages: list[Msg] = []
        signals: list[Signal] = []
        refused: list[tuple[Msg, str]] = []
        for message in batch:
            try:
                signal = Signal.from_json(message.data).traced((message.headers or {}).get(TRACEPARENT))
            except InvalidSignal as error:
                refused.append((message, str(error)))
                continue
            if (token := symbol_token(message)) != signal.symbol:
                refused.append((message, f"symbol: {signal.symbol} was published to the subject of {token}"))
                continue
            messages.append(message)
            signals.append(signal)
        # Valid signals first: no number of bad messages may delay them.
        if signals:
            answers = list(zip(messages, await self._decide(signals), strict=True))
            await self.worker.acknowledge(messages)
            self._replies.answer(answers)
        await park_all(self._connection, self.worker, self._replies, self._counts, refused)

    async def _decide(self, signals: Sequence[Signal]) -> list[SignalDecided]:
        pause = _FIRST_RETRY_SECONDS
        while True:
            try:
                decisions = await self._desk.decide(self._shard, signals)
            except (RetrySafe, OutcomeUnknown) as error:
                if self.worker.stopping:
                    raise
                if self.worker.trouble is None:
                    _log.warning("desk_refuses", shard=self._shard, error=str(error))
                self.worker.trouble = str(error)
                await self._clock.sleep(pause)
                pause = min(pause * 2, _LAST_RETRY_SECONDS)
            else:
                self.worker.trouble = None
                return decisions
