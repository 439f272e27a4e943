"""Sends signals that came by the bare subject to the subjects of their symbols."""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

import msgspec
from nats.aio.msg import Msg
from nats.errors import BadHeaderError
from nats.js import api
from nats.js.errors import BadRequestError

from contracts.signal import InvalidSignal
from contracts.subjects import BARE_STREAM, SIGNALS, signal_subject
from shared.clock import Clock
from tradeengine.runtime.intake.connection import Connection, Link
from tradeengine.runtime.intake.counts import Counts
from tradeengine.runtime.intake.puller import ConsumerName, PullSettings
from tradeengine.runtime.intake.replies import Replies
from tradeengine.runtime.intake.shard import park_all
from tradeengine.runtime.intake.worker import Worker

_SYMBOL = re.compile(r"[A-Z0-9]{2,30}")
_MESSAGE_ID: Final = api.Header.MSG_ID.value
_HEADER_OVERHEAD: Final = 64


class _Symbol(msgspec.Struct):
    symbol: str


_DECODER = msgspec.json.Decoder(_Symbol)


class Router:
    """Republishes what is stored of ``signals.trading`` to ``signals.trading.<SYMBOL>``.

    The bare subject has a stream of its own, because within one stream the message id, which is kept, would make the
    server drop the second copy.
    """

    def __init__(
        self, connection: Connection, replies: Replies, settings: PullSettings, clock: Clock, counts: Counts
    ) -> None:
        self._connection = connection
        self._replies = replies
        self._counts = counts
        name = ConsumerName(BARE_STREAM, "engine-router", SIGNALS)
        self.worker = Worker(connection, name, self._handle, settings, clock, counts)
        """The loop that feeds it."""

    async def _handle(self, batch: Sequence[Msg]) -> None:
        link = await self._connection.link()
        # Each publishes before it first waits, so the messages keep their order.
        results = await asyncio.gather(*(_forward(link, message) for message in batch), return_exceptions=True)
        routed: list[Msg] = []
        refused: list[tuple[Msg, str]] = []
        failure: BaseException | None = None
        for message, result in zip(batch, results, strict=True):
            if result is None:
                routed.append(message)
            elif isinstance(result, (InvalidSignal, BadHeaderError, BadRequestError)):
                refused.append((message, str(result)))
            else:
                failure = failure or result
        await self.worker.acknowledge(routed)
        self._counts.add("routed", len(routed))
        await park_all(self._connection, self.worker, self._replies, self._counts, refused)
        if failure:
            raise failure


async def _forward(link: Link, message: Msg) -> None:
    symbol = _symbol_of(message.data)
    headers = _headers_of(message)
    size = len(message.data) + sum(len(name) + len(value.encode()) + 4 for name, value in headers.items())
    # The server closes the connection of whoever sends more than it takes.
    if size + _HEADER_OVERHEAD > link.client.max_payload:
        raise InvalidSignal(f"{size} bytes with headers are too many to be sent on")
    await link.jetstream.publish(signal_subject(symbol), message.data, headers=headers)


def _symbol_of(data: bytes) -> str:
    try:
        symbol = _DECODER.decode(data).symbol
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidSignal(f"no JSON object with a symbol: {error}") from None
    if not _SYMBOL.fullmatch(symbol):
        raise InvalidSignal(f"symbol: {symbol[:60]!r} is none")
    return symbol


def _headers_of(message: Msg) -> dict[str, str]:
    found = message.headers or {}
    # Other headers of JetStream's own were meant for the first stream, such as the sequence expected there.
    headers = {name: value for name, value in found.items() if not name.lower().startswith("nats-")}
    metadata = message.metadata
    own_id = f"{metadata.stream}-{metadata.sequence.stream}-{metadata.timestamp.timestamp():.6f}"
    headers[_MESSAGE_ID] = found.get(_MESSAGE_ID) or own_id
    return headers
