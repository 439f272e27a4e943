"""nats-py's client as the engine uses it, over a road to the broker instead of a socket."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, NoServersError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import api

from tests.simulation.broker import Attached, Broker, Headers
from tests.simulation.process import Process, here
from tests.simulation.road import Pipe, Road, outcome, settle

_PING_S: Final = 5.0
_MOST_PINGS: Final = 2
_TIMEOUT_S: Final = 5.0
_CONNECT_S: Final = 2.0
_ROADS: dict[Process, Road] = {}


def connect(process: Process, road: Road) -> None:
    """Name the road that a process reaches the broker by."""
    _ROADS[process] = road


def disconnect_all() -> None:
    """Forget all roads: a history is over."""
    _ROADS.clear()


class _Version(NamedTuple):
    major: int = 2
    minor: int = 15


class SimSubscription:
    """A subscription; its messages are handled one after the other, or asked for where nobody handles them."""

    def __init__(
        self, client: "SimClient", subject: str, handle: Callable[[Msg], Awaitable[None]] | None = None
    ) -> None:
        self._client = client
        self.subject = subject
        self._messages: asyncio.Queue[Msg] = asyncio.Queue()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = None if handle is None else asyncio.create_task(self._run(handle), name=f"subscription-{subject}")

    def take(self, message: Msg) -> None:
        """Queue a message."""
        self._messages.put_nowait(message)
        self._idle.clear()

    async def next_msg(self, timeout: float | None = 1.0) -> Msg:
        """Wait for a message.

        Raises
        ------
        nats.errors.TimeoutError
            If none comes in time.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._messages.get()
        except TimeoutError:
            raise NatsTimeoutError from None

    async def unsubscribe(self) -> None:
        """Hear nothing more."""
        self._client.send(lambda _, attached: attached.subscriptions.pop(self.subject, None))
        self.end()

    async def drain(self) -> None:
        """Unsubscribe, and handle what has arrived until the server knows."""
        await self._client.ask(lambda _, attached: attached.subscriptions.pop(self.subject, None))
        await self._idle.wait()
        self.end()

    def end(self) -> None:
        """Handle nothing more."""
        self._client.subscriptions.pop(self.subject, None)
        if self._task is not None:
            self._task.cancel()

    async def _run(self, handle: Callable[[Msg], Awaitable[None]]) -> None:
        while True:
            await handle(await self._messages.get())
            if self._messages.empty():
                self._idle.set()


class SimClient:
    """A connection to the broker."""

    max_payload = 1_048_576
    connected_server_version = _Version()

    def __init__(self) -> None:
        process = here()
        self._road = _ROADS[process]
        road = self._road
        self._to: Pipe[Callable[[], object]] = Pipe(
            road, road.server.process, lambda: road.is_cut_there, lambda work: work()
        )
        self._from: Pipe[Callable[[], object]] = Pipe(road, process, lambda: road.is_cut_back, lambda work: work())
        self._attached = Attached(self._deliver, self._lose_at_pod)
        road.connections += 1
        self._inbox = f"_INBOX.tradeengine.{process.name}.{road.connections}"
        self._inboxes = 0
        self._closed: Callable[[], Awaitable[None]] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.subscriptions: dict[str, SimSubscription] = {}
        self.is_closed = False

    async def connect(self, *, closed_cb: Callable[[], Awaitable[None]], **_: Any) -> None:
        """Connect.

        Raises
        ------
        nats.errors.NoServersError
            If nobody answers.
        """
        if self._road.server.refuses:
            await asyncio.sleep(0.001)
            raise NoServersError
        try:
            await self.ask(lambda broker, attached: broker.attach(attached), timeout_s=_CONNECT_S)
        except NatsTimeoutError:
            raise NoServersError from None
        self._closed = closed_cb
        self._road.ends[self._leave] = None
        self._keeper = asyncio.create_task(self._keep(), name="nats-pings")

    def jetstream(self) -> "SimJetStream":
        """JetStream through this connection."""
        return SimJetStream(self)

    def new_inbox(self) -> str:
        """A subject of this client's own."""
        self._inboxes += 1
        return f"{self._inbox}.{self._inboxes}"

    async def subscribe(
        self, subject: str, *, cb: Callable[[Msg], Awaitable[None]] | None = None, **_: Any
    ) -> SimSubscription:
        """Hear a subject from now on."""
        self._check()
        made = self.subscriptions[subject] = SimSubscription(self, subject, cb)
        self.send(lambda _, attached: attached.subscriptions.setdefault(subject))
        return made

    def send(self, work: Callable[[Broker, Attached], object]) -> None:
        """Have the broker do something; nobody hears of it."""
        self._to.send(lambda: work(_broker(self._road), self._attached))

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: Headers | None = None
    ) -> None:
        """Send a message; nobody confirms it."""
        self._check()
        if self._road.loses("ack" if subject.startswith("$JS.ACK.") else "publish"):
            return
        self.send(lambda broker, _: broker.publish(subject, payload, reply, headers))

    async def close(self) -> None:
        """Disconnect."""
        if not self.is_closed:
            self._to.send(self._leave)
            self._end()

    async def ask(self, work: Callable[[Broker, Attached], Any], *, timeout_s: float = _TIMEOUT_S) -> Any:
        """Have the broker do something, and wait for its answer.

        Raises
        ------
        nats.errors.Error
            If there is none in time.
        """
        self._check()
        road = self._road
        answer: asyncio.Future[Any] = road.loop.create_future()

        def execute() -> None:
            result, failed = outcome(lambda: work(_broker(road), self._attached))
            self._from.send(lambda: settle(answer, result, failed))

        self._to.send(execute)
        timer = road.loop.call_later(timeout_s, settle, answer, None, NatsTimeoutError())
        try:
            return await answer
        finally:
            timer.cancel()

    def lose(self) -> None:
        """The connection breaks: neither side hears of the other any more."""
        if not self.is_closed:
            self._end()
            if self._closed is not None:
                asyncio.ensure_future(self._closed())  # noqa: RUF006 - the loop holds it with its process

    def _leave(self) -> None:
        """At the broker: let this connection go."""
        _broker(self._road).detach(self._attached)

    def _end(self) -> None:
        self.is_closed = True
        self._road.ends.pop(self._leave, None)
        self._from.close()
        for subscription in tuple(self.subscriptions.values()):
            subscription.end()
        if self._keeper is not None:
            self._keeper.cancel()

    def _check(self) -> None:
        if self.is_closed:
            raise ConnectionClosedError

    def _deliver(self, subscription: str, subject: str, reply: str, data: bytes, headers: Headers | None) -> None:
        """At the broker: send something to this client."""
        message = Msg(self, subject, reply, data, headers)  # type: ignore[arg-type]
        self._from.send(lambda: self._take(subscription, message))

    def _take(self, subscription: str, message: Msg) -> None:
        found = self.subscriptions.get(subscription)
        if found is not None:
            found.take(message)

    def _lose_at_pod(self) -> None:
        """At the broker, which goes down: its end of the connection is closed."""
        self._road.loop.call_later(self._road.delay(), self.lose, context=self._road.pod.context)

    async def _keep(self) -> None:
        """Ping; a server that answers none of several is given up, and one that is gone at once."""
        missed = 0
        while missed <= _MOST_PINGS:
            await asyncio.sleep(_PING_S)
            try:
                known = await self.ask(lambda broker, attached: attached in broker.clients, timeout_s=_PING_S)
            except NatsTimeoutError:
                missed += 1
                continue
            missed = 0
            if not known:
                break
        asyncio.get_running_loop().call_soon(self.lose)


class SimJetStream:
    """JetStream as a client asks it."""

    def __init__(self, client: SimClient) -> None:
        self._client = client

    async def stream_info(self, name: str) -> api.StreamInfo:
        found: api.StreamInfo = await self._client.ask(lambda broker, _: broker.stream_info(name))
        return found

    async def add_stream(self, config: api.StreamConfig) -> api.StreamInfo:
        found: api.StreamInfo = await self._client.ask(lambda broker, _: broker.add_stream(config))
        return found

    async def consumer_info(self, stream: str, durable: str) -> api.ConsumerInfo:
        found: api.ConsumerInfo = await self._client.ask(lambda broker, _: broker.consumer_info(stream, durable))
        return found

    async def add_consumer(self, stream: str, config: api.ConsumerConfig) -> api.ConsumerInfo:
        found: api.ConsumerInfo = await self._client.ask(lambda broker, _: broker.add_consumer(stream, config))
        return found

    async def reset_consumer(self, stream: str, durable: str) -> None:
        await self._client.ask(lambda broker, _: broker.reset_consumer(stream, durable))

    async def publish(
        self, subject: str, payload: bytes = b"", *, headers: Headers | None = None, **_: Any
    ) -> api.PubAck:
        stored: api.PubAck = await self._client.ask(_storing(subject, payload, headers))
        return stored

    async def publish_async(
        self, subject: str, payload: bytes = b"", *, headers: Headers | None = None, **_: Any
    ) -> "asyncio.Future[api.PubAck]":
        """Send a message; the future is its acknowledgement."""
        return asyncio.ensure_future(self._client.ask(_storing(subject, payload, headers)))


def _storing(subject: str, payload: bytes, headers: Headers | None) -> Callable[[Broker, Attached], api.PubAck]:
    return lambda broker, _: broker.jetstream_publish(subject, payload, headers)


def _broker(road: Road) -> Broker:
    assert isinstance(road.server, Broker)
    return road.server
