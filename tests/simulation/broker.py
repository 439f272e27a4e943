"""The broker: streams, durable pull consumers and plain subjects, as a nats-server with JetStream keeps them."""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from nats.js import api
from nats.js.errors import NoStreamResponseError, NotFoundError

from contracts.subjects import shard_of
from shared.clock import Clock
from tests.simulation.loop import SimLoop
from tests.simulation.road import Server

MESSAGE_ID: Final = api.Header.MSG_ID.value
_STATUS: Final = api.Header.STATUS.value
_DESCRIPTION: Final = api.Header.DESCRIPTION.value
_ACK_PREFIX: Final = "$JS.ACK."
_NEXT_PREFIX: Final = "$JS.API.CONSUMER.MSG.NEXT."

Headers = dict[str, str]
Deliver = Callable[[str, str, str, bytes, Headers | None], None]
"""Brings a client's subscription a message: its subject, reply subject, payload and headers."""


@dataclass(frozen=True)
class Stored:
    """A message that a stream keeps."""

    sequence: int
    subject: str
    data: bytes
    headers: Headers | None
    time_ns: int


@dataclass(frozen=True)
class _Request:
    """A client's wish for messages."""

    client: "Attached"
    inbox: str
    batch: list[int]
    until_s: float


@dataclass
class _Delivered:
    """A message that is out and not acknowledged."""

    times: int
    deadline_s: float


@dataclass
class Consumer:
    """A durable pull consumer."""

    stream: "Stream"
    config: api.ConsumerConfig
    created: datetime
    next: int = 1
    delivered: int = 0
    out: dict[int, _Delivered] = field(default_factory=dict)
    again: dict[int, int] = field(default_factory=dict)
    """Sequences that are to be delivered again, with the times that they were."""
    requests: deque[_Request] = field(default_factory=deque)

    @property
    def durable(self) -> str:
        return str(self.config.durable_name)

    def takes(self, stored: Stored) -> bool:
        """Whether a message is one of its subject."""
        wanted = self.config.filter_subject
        return wanted is None or matches(wanted, stored.subject)

    @property
    def waiting(self) -> int:
        """Messages that were never delivered."""
        return sum(self.takes(stored) for stored in self.stream.messages[self.next - 1 :])


@dataclass
class Stream:
    """A stream."""

    config: api.StreamConfig
    messages: list[Stored] = field(default_factory=list)
    ids: dict[str, tuple[int, float]] = field(default_factory=dict)
    consumers: dict[str, Consumer] = field(default_factory=dict)

    def stored_subject(self, subject: str) -> str:
        """Subject that a message is kept under."""
        transform = self.config.subject_transform
        if transform is None:
            return subject
        # The only transform that there is: signals.shard.{{partition(n,1)}}.{{wildcard(1)}}
        shards = int(transform.dest.partition("partition(")[2].partition(",")[0])
        symbol = subject.rpartition(".")[2]
        return f"signals.shard.{shard_of(symbol, shards)}.{symbol}"


@dataclass(eq=False)
class Attached:
    """A connection as the broker knows it.

    Parameters
    ----------
    lose
        Called when the server is gone.
    """

    deliver: Deliver
    lose: Callable[[], None]
    subscriptions: dict[str, None] = field(default_factory=dict)

    def hears(self, subject: str) -> bool:
        """Whether one of its subscriptions is of a subject."""
        return any(matches(wanted, subject) for wanted in self.subscriptions)

    def tell(self, inbox: str, subject: str, reply: str, data: bytes, headers: Headers | None) -> None:
        """Send a message to whichever of its subscriptions hears an inbox."""
        for wanted in tuple(self.subscriptions):
            if matches(wanted, inbox):
                self.deliver(wanted, subject, reply, data, headers)


class Broker(Server):
    """The server; everything here happens in its process.

    Parameters
    ----------
    clock
        Its clock.
    """

    def __init__(self, loop: SimLoop, clock: Clock) -> None:
        super().__init__("nats")
        self._loop = loop
        self._clock = clock
        self.streams: dict[str, Stream] = {}
        self.clients: dict[Attached, None] = {}

    # ---------------------------------------------------------------- streams and consumers

    def stream_info(self, name: str) -> api.StreamInfo:
        """As JetStream answers."""
        return api.StreamInfo(config=self._stream(name).config, state=None)  # type: ignore[arg-type]

    def add_stream(self, config: api.StreamConfig) -> api.StreamInfo:
        """Make a stream, or find the same one."""
        stream = self.streams.setdefault(str(config.name), Stream(config))
        return api.StreamInfo(config=stream.config, state=None)  # type: ignore[arg-type]

    def consumer_info(self, stream: str, durable: str) -> api.ConsumerInfo:
        """As JetStream answers."""
        return self._info(self._consumer(stream, durable))

    def add_consumer(self, stream: str, config: api.ConsumerConfig) -> api.ConsumerInfo:
        """Make a consumer, or find the same one."""
        of = self._stream(stream)
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        return self._info(of.consumers.setdefault(str(config.durable_name), Consumer(of, config, now)))

    def reset_consumer(self, stream: str, durable: str) -> None:
        """Deliver again at once what was not acknowledged."""
        consumer = self._consumer(stream, durable)
        consumer.again |= {sequence: out.times for sequence, out in consumer.out.items()}
        consumer.out.clear()
        self._feed(consumer)

    def _info(self, consumer: Consumer) -> api.ConsumerInfo:
        return api.ConsumerInfo(
            name=consumer.durable,
            stream_name=str(consumer.stream.config.name),
            config=consumer.config,
            created=consumer.created,
            num_ack_pending=len(consumer.out) + len(consumer.again),
            num_pending=consumer.waiting,
        )

    def _stream(self, name: str) -> Stream:
        if name not in self.streams:
            raise NotFoundError(code=404, err_code=10059, description="stream not found")
        return self.streams[name]

    def _consumer(self, stream: str, durable: str) -> Consumer:
        found = self._stream(stream).consumers.get(durable)
        if found is None:
            raise NotFoundError(code=404, err_code=10014, description="consumer not found")
        return found

    # ---------------------------------------------------------------- messages

    def publish(self, subject: str, data: bytes, reply: str = "", headers: Headers | None = None) -> api.PubAck | None:
        """Take what a client publishes, whatever it is; what a stream stored of it, if one did."""
        if subject.startswith(_ACK_PREFIX):
            self._acknowledge(subject, data)
        elif subject.startswith(_NEXT_PREFIX):
            self._want(subject, data, reply)
        else:
            stored = self._store(subject, data, headers)
            for client in tuple(self.clients):
                client.tell(subject, subject, reply, data, headers)
            return stored
        return None

    def _store(self, subject: str, data: bytes, headers: Headers | None) -> api.PubAck | None:
        """Keep a message in the stream of its subject, once for each message id; ``None`` if no stream takes it."""
        for name, stream in self.streams.items():
            if not any(matches(wanted, subject) for wanted in stream.config.subjects or ()):
                continue
            number = (headers or {}).get(MESSAGE_ID)
            known = stream.ids.get(number) if number else None
            if known is not None and self._loop.time() - known[1] < float(stream.config.duplicate_window or 0):
                return api.PubAck(stream=name, seq=known[0], duplicate=True)
            sequence = len(stream.messages) + 1
            time_ns = self._clock.now_ms() * 1_000_000
            stream.messages.append(Stored(sequence, stream.stored_subject(subject), data, headers, time_ns))
            if number:
                stream.ids[number] = sequence, self._loop.time()
            for consumer in stream.consumers.values():
                self._feed(consumer)
            return api.PubAck(stream=name, seq=sequence)
        return None

    def _want(self, subject: str, data: bytes, inbox: str) -> None:
        stream, _, durable = subject.removeprefix(_NEXT_PREFIX).partition(".")
        client = next((each for each in self.clients if each.hears(inbox)), None)
        if client is None:
            return
        try:
            consumer = self._consumer(stream, durable)
        except NotFoundError:
            client.tell(inbox, inbox, "", b"", {_STATUS: "503"})
            return
        wish = json.loads(data)
        expires_s, beat_s = wish["expires"] / 1e9, wish["idle_heartbeat"] / 1e9
        request = _Request(client, inbox, [wish["batch"]], self._loop.time() + expires_s)
        consumer.requests.append(request)
        self._loop.call_later(expires_s, self._expire, consumer, request)
        self._loop.call_later(beat_s, self._beat, consumer, request, beat_s)
        self._feed(consumer)

    def _expire(self, consumer: Consumer, request: _Request) -> None:
        if request in consumer.requests:
            consumer.requests.remove(request)
            self._say(request, "408", "Request Timeout")

    def _beat(self, consumer: Consumer, request: _Request, every_s: float) -> None:
        if request in consumer.requests:
            self._say(request, "100", "Idle Heartbeat")
            self._loop.call_later(every_s, self._beat, consumer, request, every_s)

    def _say(self, request: _Request, status: str, text: str) -> None:
        if request.client in self.clients:
            request.client.tell(request.inbox, request.inbox, "", b"", {_STATUS: status, _DESCRIPTION: text})

    def _acknowledge(self, subject: str, data: bytes) -> None:
        _, _, stream, durable, _, sequence, *_ = subject.split(".")
        consumer = self._stream(stream).consumers.get(durable)
        number = int(sequence)
        if consumer is None:
            return
        if data.startswith(b"+WPI"):
            if number in consumer.out:
                consumer.out[number].deadline_s = self._loop.time() + float(consumer.config.ack_wait or 30)
        elif data.startswith(b"-NAK"):
            out = consumer.out.pop(number, None)
            if out is not None:
                delay_s = json.loads(data[4:])["delay"] / 1e9 if data[4:].strip() else 0
                self._loop.call_later(delay_s, self._again, consumer, number, out.times)
        else:
            consumer.out.pop(number, None)
            consumer.again.pop(number, None)

    def _again(self, consumer: Consumer, number: int, times: int) -> None:
        most = consumer.config.max_deliver or -1
        if most <= 0 or times < most:
            consumer.again[number] = times
            self._feed(consumer)

    def _feed(self, consumer: Consumer) -> None:
        """Deliver what may be delivered, to those who asked first."""
        while consumer.requests:
            request = consumer.requests[0]
            if not (request.client in self.clients and request.client.hears(request.inbox)):
                # Nobody is interested in its answer any more.
                consumer.requests.popleft()
                continue
            found = self._next(consumer)
            if found is None:
                return
            self._deliver(consumer, request, *found)
            request.batch[0] -= 1
            if not request.batch[0]:
                consumer.requests.popleft()

    def _next(self, consumer: Consumer) -> tuple[Stored, int] | None:
        messages = consumer.stream.messages
        if consumer.again:
            number = min(consumer.again)
            return messages[number - 1], consumer.again.pop(number) + 1
        if len(consumer.out) >= (consumer.config.max_ack_pending or 1000):
            return None
        while consumer.next <= len(messages):
            stored = messages[consumer.next - 1]
            consumer.next += 1
            if consumer.takes(stored):
                return stored, 1
        return None

    def _deliver(self, consumer: Consumer, request: _Request, stored: Stored, times: int) -> None:
        consumer.delivered += 1
        wait_s = float(consumer.config.ack_wait or 30)
        consumer.out[stored.sequence] = _Delivered(times, self._loop.time() + wait_s)
        self._loop.call_later(wait_s, self._look, consumer, stored.sequence)
        name = consumer.stream.config.name
        reply = (
            f"{_ACK_PREFIX}{name}.{consumer.durable}.{times}.{stored.sequence}.{consumer.delivered}.{stored.time_ns}.0"
        )
        request.client.tell(request.inbox, stored.subject, reply, stored.data, stored.headers)

    def _look(self, consumer: Consumer, number: int) -> None:
        """Deliver again what was not acknowledged in time."""
        out = consumer.out.get(number)
        if out is None:
            return
        left_s = out.deadline_s - self._loop.time()
        if left_s > 0:
            self._loop.call_later(left_s, self._look, consumer, number)
            return
        del consumer.out[number]
        self._again(consumer, number, out.times)

    # ---------------------------------------------------------------- clients

    def attach(self, client: Attached) -> None:
        """Take a client in."""
        self.clients[client] = None

    def detach(self, client: Attached) -> None:
        """Let a client go; what it holds comes again when its time is over."""
        self.clients.pop(client, None)

    def stop(self) -> None:
        """Go down: connections end, what is stored stays."""
        self.refuses = True
        self._loop.kill(self.process)
        clients, self.clients = self.clients, {}
        for client in clients:
            client.lose()
        for stream in self.streams.values():
            for consumer in stream.consumers.values():
                consumer.requests.clear()

    def start(self) -> None:
        """Come up again; what was out comes again when its time is over."""
        self.refuses = False
        self._loop.revive(self.process)
        for stream in self.streams.values():
            for consumer in stream.consumers.values():
                for number, out in consumer.out.items():
                    left_s = max(0.0, out.deadline_s - self._loop.time())
                    self._loop.call_later(left_s, self._look, consumer, number, context=self.process.context)

    def jetstream_publish(self, subject: str, data: bytes, headers: Headers | None) -> api.PubAck:
        """Store a message for a client that waits for the acknowledgement."""
        stored = self.publish(subject, data, headers=headers)
        if stored is None:
            raise NoStreamResponseError
        return stored

    def unsettled(self) -> int:
        """Messages of signals that nobody has acknowledged yet."""
        consumers = [(stream, stream.consumers) for name, stream in self.streams.items() if name.startswith("SIGNALS")]
        found = 0
        for stream, of in consumers:
            for consumer in of.values():
                found += consumer.waiting + len(consumer.out) + len(consumer.again)
            if not of and stream.config.name != "SIGNALS_DEAD":
                found += len(stream.messages)
        return found


def matches(wanted: str, subject: str) -> bool:
    """Whether a subject is one of a pattern with ``*`` and ``>``."""
    if wanted == subject:
        return True
    parts, tokens = wanted.split("."), subject.split(".")
    for index, part in enumerate(parts):
        if part == ">":
            return len(tokens) > index
        if index >= len(tokens) or part not in ("*", tokens[index]):
            return False
    return len(parts) == len(tokens)
