"""The broker's side of the history: signals that were sent, and the events that ended them."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from contracts.signal import InvalidSignal, Signal
from contracts.subjects import BARE_STREAM, EXECUTION_STREAM, SIGNALS_STREAM
from shared.errors import RetrySafe
from tradeengine.audit.history_file import HistoryFile
from tradeengine.domain.inputs import signal_key

_PAGE: Final = 500
_ANSWER_S: Final = 10.0
_IDLE_S: Final = 60.0
_SENT: Final = "INSERT INTO sent VALUES (?, ?, ?, ?)"
_TOLD: Final = "INSERT OR IGNORE INTO told VALUES (?, ?, ?)"


class _Event(msgspec.Struct):
    event_id: str
    strategy_id: str
    symbol: str
    signal_id: str = ""
    terminal: bool = False


_event = msgspec.json.Decoder(_Event)


class Stream(NamedTuple):
    """What a stream holds.

    Parameters
    ----------
    messages
        That were read.
    skipped
        Those that are nothing that an engine wrote or takes.
    since_ms
        Time of its first message, milliseconds since 1970 UTC, if it has lost earlier ones by its age; else 0.
    """

    messages: int
    skipped: int
    since_ms: int


class StreamReader:
    """Reads streams into the file; a consumer that leaves nothing behind is all that the broker gets.

    Parameters
    ----------
    tell
        Told how many messages were read.
    """

    def __init__(self, jetstream: JetStreamContext, file: HistoryFile, tell: Callable[[int], None]) -> None:
        self._jetstream = jetstream
        self._file = file
        self._tell = tell

    async def signals(self) -> dict[str, Stream]:
        """Read the streams of signals, as far as there are any."""
        return {name: read for name in (SIGNALS_STREAM, BARE_STREAM) if (read := await self._signals(name)) is not None}

    async def _signals(self, name: str) -> Stream | None:
        messages = skipped = since_ms = 0
        try:
            async for page in self._pages(name):
                rows = []
                for message in page:
                    key, time_ms = _key_of(name, message), _time_ms(message)
                    since_ms = since_ms or (time_ms if message.metadata.sequence.stream > 1 else 1)
                    skipped += key is None
                    if key is not None:
                        rows.append((name, message.metadata.sequence.stream, key, time_ms))
                messages += len(page)
                await self._file.put(_SENT, rows)
        except NotFoundError:
            return None
        return Stream(messages, skipped, since_ms if since_ms > 1 else 0)

    async def execution(self) -> Stream | None:
        """Read the stream of execution events; ``None`` if there is none."""
        messages = skipped = since_ms = 0
        try:
            async for page in self._pages(EXECUTION_STREAM):
                rows = []
                for message in page:
                    number = message.metadata.sequence.stream
                    since_ms = since_ms or (_time_ms(message) if number > 1 else 1)
                    try:
                        event = _event.decode(message.data)
                    except msgspec.MsgspecError:
                        skipped += 1
                        continue
                    if event.terminal:
                        key = signal_key(event.strategy_id, event.symbol, event.signal_id)
                        rows.append((event.event_id, key, _time_ms(message)))
                messages += len(page)
                await self._file.put(_TOLD, rows)
        except NotFoundError:
            return None
        return Stream(messages, skipped, since_ms if since_ms > 1 else 0)

    async def _pages(self, name: str) -> AsyncIterator[list[Msg]]:
        """All messages that a stream has when the reading begins, page by page.

        Raises
        ------
        NotFoundError
            If there is no such stream.
        RetrySafe
            If the broker does not answer in full.
        """
        try:
            state = (await self._jetstream.stream_info(name)).state
            left = state.messages
            if not left:
                return
            config = api.ConsumerConfig(
                deliver_policy=api.DeliverPolicy.ALL,
                ack_policy=api.AckPolicy.NONE,
                inactive_threshold=_IDLE_S,
            )
            found = await self._jetstream.pull_subscribe("", stream=name, config=config)
            try:
                while True:
                    page = await found.fetch(_PAGE, timeout=_ANSWER_S)
                    self._tell(len(page))
                    yield page
                    if page[-1].metadata.sequence.stream >= state.last_seq or not page[-1].metadata.num_pending:
                        return
            finally:
                with suppress(NatsError):
                    await self._jetstream.delete_consumer(name, (await found.consumer_info()).name)
                    await found.unsubscribe()
        except NotFoundError:
            raise
        except (NatsError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise RetrySafe(f"the stream {name} could not be read to its end: {reason}; audit again") from error


def _key_of(stream: str, message: Msg) -> str | None:
    """Key of a signal; ``None`` if it is no valid one, or came to the subject of another symbol: nobody decides it."""
    try:
        signal = Signal.from_json(message.data)
    except InvalidSignal:
        return None
    if stream == SIGNALS_STREAM and message.subject.rpartition(".")[2] != signal.symbol:
        return None
    return signal_key(signal.strategy_id, signal.symbol, signal.signal_id)


def _time_ms(message: Msg) -> int:
    return int(message.metadata.timestamp.timestamp() * 1000)
