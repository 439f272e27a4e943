"""The other side of the intake: publishes signals and watches them being acknowledged, in a process of its own."""

import asyncio
from collections.abc import Callable
from time import monotonic_ns
from typing import Final, NamedTuple

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.subjects import signal_subject
from shared.clock import SystemClock
from tests.benchmarks.apart import Line, say
from tests.benchmarks.flow import STRATEGIES
from tests.benchmarks.signals import Workload, payloads
from tradeengine.runtime.intake import StreamSettings
from tradeengine.runtime.intake.streams import ensure_streams

SHARDS: Final = 8
PUBLISHED: Final = "published"

_IN_FLIGHT = 1_000
_SILENCE_S = 60.0
_SLOT_S = 0.005
_ACKS = (b"", b"+ACK")


class Seen(NamedTuple):
    """What the load saw, in nanoseconds of the machine's monotonic clock.

    Parameters
    ----------
    asked
        When the consumer first asked for messages.
    published
        When each signal was sent, in order.
    acked
        When the acknowledgement of each came by, in the same order.
    begun
        When an even stream began: its n-th signal, from 0 on, is due n / rate later.
    """

    asked: int
    published: list[int]
    acked: list[int]
    begun: int = 0


class _Answer(msgspec.Struct):
    # The server's confirmation has one; the engine's answer, the decision, has not.
    seq: int | None = None


class _Watch:
    """Publishes and notes when each message's acknowledgement passes the server.

    The acknowledgement is the consumer's own message to the server; a plain subscription gets a copy of it. So engine
    and bare loop are watched from outside, alike.
    """

    def __init__(self, client: Client, count: int) -> None:
        self._client = client
        self._inbox = client.new_inbox()
        self._room = asyncio.Semaphore(_IN_FLIGHT)
        self._sequences: dict[int, int] = {}
        self._acked: dict[int, int] = {}
        self._count = count
        self._published: list[int] = []
        self._asked = 0
        self._moved = asyncio.Event()

    async def start(self) -> None:
        await self._client.subscribe(f"{self._inbox}.*", cb=self._on_answer)
        await self._client.subscribe("$JS.ACK.>", cb=self._on_ack)
        await self._client.subscribe("$JS.API.CONSUMER.MSG.NEXT.>", cb=self._on_asked)
        await self._client.flush()

    async def publish(self, symbol: str, payload: bytes) -> None:
        await self._room.acquire()
        reply = f"{self._inbox}.{len(self._published)}"
        self._published.append(monotonic_ns())
        await self._client.publish(signal_subject(symbol), payload, reply=reply)

    async def all_stored(self) -> None:
        await self._until(lambda: len(self._sequences), "stored")

    async def all_acked(self) -> Seen:
        await self._until(lambda: len(self._acked), "acknowledged")
        return Seen(
            self._asked, self._published, [self._acked[self._sequences[number]] for number in range(self._count)]
        )

    async def _until(self, done: Callable[[], int], what: str) -> None:
        while done() < self._count:
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), _SILENCE_S)
            except TimeoutError:
                raise RuntimeError(f"{done()} of {self._count} signals {what}, and none for {_SILENCE_S} s") from None

    async def _on_asked(self, _message: Msg) -> None:
        self._asked = self._asked or monotonic_ns()

    async def _on_answer(self, message: Msg) -> None:
        sequence = msgspec.json.decode(message.data, type=_Answer).seq
        if sequence is None:
            return
        self._sequences[int(message.subject.rpartition(".")[2])] = sequence
        self._room.release()
        self._moved.set()

    async def _on_ack(self, message: Msg) -> None:
        if message.data in _ACKS:
            self._acked.setdefault(_stream_sequence(message.subject), monotonic_ns())
            self._moved.set()


def backlog(line: Line, url: str, workload: Workload, count: int) -> Seen:
    """Publish everything, say so, then watch it being worked off."""
    return asyncio.run(_backlog(line, url, workload, count))


def stream(
    line: Line,
    url: str,
    workload: Workload,
    count: int,
    per_second: float,
    first: int = 0,
    traders: int = len(STRATEGIES),
) -> Seen:
    """Publish at an even rate to a consumer that is already at work.

    Parameters
    ----------
    first
        Number of the first signal; see :func:`~tests.benchmarks.signals.payloads` for ``traders``.
    """
    return asyncio.run(_stream(url, workload, range(first, first + count), per_second, traders))


async def _backlog(line: Line, url: str, workload: Workload, count: int) -> Seen:
    client = await _connect(url)
    watch = _Watch(client, count)
    await watch.start()
    for symbol, payload in payloads(workload, range(count), SystemClock().now_ms()):
        await watch.publish(symbol, payload)
    await watch.all_stored()
    say(line, PUBLISHED)
    seen = await watch.all_acked()
    await client.close()
    return seen


async def _stream(url: str, workload: Workload, numbers: range, per_second: float, traders: int) -> Seen:
    client = await _connect(url)
    watch = _Watch(client, len(numbers))
    await watch.start()
    clock = SystemClock()
    begun, sent = monotonic_ns(), 0
    while sent < len(numbers):
        due = min(len(numbers), int((monotonic_ns() - begun) / 1e9 * per_second) + 1)
        for symbol, payload in payloads(workload, numbers[sent:due], clock.now_ms(), traders=traders):
            await watch.publish(symbol, payload)
        sent = due
        await asyncio.sleep(_SLOT_S)
    seen = await watch.all_acked()
    await client.close()
    return seen._replace(begun=begun)


async def _connect(url: str) -> Client:
    client = await nats.connect(url)
    await ensure_streams(client.jetstream(), SHARDS, StreamSettings())
    return client


def _stream_sequence(subject: str) -> int:
    """Read the stream's sequence from ``$JS.ACK.[domain.account.]stream.consumer.delivered.sequence.…``."""
    tokens = subject.split(".")
    return int(tokens[5 if len(tokens) == 9 else 7])
