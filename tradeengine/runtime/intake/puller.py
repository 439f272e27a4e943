"""A pull subscription that hands out what has arrived."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js import api
from nats.js.errors import NotFoundError

from shared.clock import Clock
from shared.errors import ConfigError, RetrySafe
from tradeengine.runtime.intake.connection import Link
from tradeengine.runtime.intake.counts import Counts

_log = structlog.get_logger(__name__)

_REQUEST_SECONDS: Final = 30.0
_LEAST_REQUEST_BYTES: Final = 16 * 1024 * 1024
_MAX_ACK_PENDING: Final = 20_000
_DRAIN_SECONDS: Final = 2.0
_RESET_SINCE: Final = (2, 14)
_NAK: Final = b"-NAK"
_IN_PROGRESS: Final = b"+WPI"


class LinkLost(Exception):
    """The connection is gone; a new one is being made."""


@dataclass(frozen=True, slots=True)
class PullSettings:
    """How messages are pulled.

    Parameters
    ----------
    batch
        Most messages handed out at once.
    ack_wait
        Seconds after which the server delivers again what is not acknowledged; taken when a consumer is made.
    silence
        Seconds without a sign of life, or without a message although some wait, until a subscription is rebuilt.
    """

    batch: int = 500
    ack_wait: float = 30.0
    silence: float = 10.0


@dataclass(frozen=True, slots=True)
class ConsumerName:
    """A durable consumer.

    Parameters
    ----------
    stream
        Its stream.
    durable
        Its own name.
    subject
        The stored subjects that it delivers.
    """

    stream: str
    durable: str
    subject: str


class Puller:
    """One durable pull consumer, read in batches of whatever has arrived.

    nats-py's ``fetch`` waits for a whole batch or the end of its timeout, and makes a task for every message. This
    keeps one request open at the server instead, collects what comes by callback, and gives out all that is there:
    a lone message at once, and under load whatever came while the last batch was being committed. The request asks
    for idle heartbeats, so that a dead subscription is told from a quiet one.

    Use :meth:`open`.
    """

    def __init__(self, link: Link, name: ConsumerName, settings: PullSettings, clock: Clock, counts: Counts) -> None:
        self._link = link
        self._name = name
        self._settings = settings
        self._clock = clock
        self._counts = counts
        self._ack_wait = settings.ack_wait
        self._subscription: Subscription | None = None
        self._inbox = link.client.new_inbox()
        self._next_subject = f"$JS.API.CONSUMER.MSG.NEXT.{name.stream}.{name.durable}"
        self._request_bytes = max(_LEAST_REQUEST_BYTES, 2 * link.client.max_payload)
        self._requests = 0
        self._closing = False
        self._wanted = 0
        self._waiting: list[Msg] = []
        self._taken: list[Msg] = []
        self._newest: Msg | None = None
        self._arrived = asyncio.Event()
        self._failure: Exception | None = None
        self._heard = self._fed = clock.monotonic()

    @classmethod
    async def open(cls, link: Link, name: ConsumerName, settings: PullSettings, clock: Clock, counts: Counts) -> Self:
        """Subscribe; the consumer is made if it is missing.

        What a former holder had received and not acknowledged comes again first, in order, without waiting for its
        ``ack_wait``: a shard has one owner at a time, so nobody else works on it.

        Raises
        ------
        ConfigError
            If the consumer exists and delivers other subjects.
        nats.errors.Error
            If the server does not answer or knows no such stream.
        """
        puller = cls(link, name, settings, clock, counts)
        await puller._prepare_consumer()
        link.lost.add_done_callback(puller._on_lost)
        try:
            await puller._subscribe()
        except BaseException:
            await puller.close()
            raise
        return puller

    @property
    def ack_wait(self) -> float:
        """Seconds after which the server delivers again what is not acknowledged."""
        return self._ack_wait

    @property
    def backlog(self) -> int:
        """Messages that are not settled: those in hand, and what the server still held when it sent the newest."""
        behind = self._newest.metadata.num_pending if self._newest is not None else 0
        return behind + len(self._taken) + len(self._waiting)

    async def next(self) -> list[Msg]:
        """Wait for messages and take them; :meth:`settle` them before the next call.

        Returns
        -------
        list of Msg
            One at least, in the order of the stream.

        Raises
        ------
        LinkLost
            If the connection is gone.
        RetrySafe
            If the subscription is dead and must be opened anew.
        """
        while not self._waiting:
            if self._link.lost.done():
                raise LinkLost
            if self._failure:
                raise self._failure
            self._arrived.clear()
            try:
                async with asyncio.timeout(self._settings.silence / 4):
                    await self._arrived.wait()
            except TimeoutError:
                await self._check_alive()
        batch = self._settings.batch
        self._taken, self._waiting = self._waiting[:batch], self._waiting[batch:]
        self._counts.add("received", len(self._taken))
        if self._wanted <= 0 and not self._link.lost.done():
            await self._request()
        return self._taken

    def settle(self, messages: Sequence[Msg]) -> None:
        """Note that messages have been acknowledged or given back: they are not in hand any more."""
        if len(messages) == len(self._taken):
            self._taken = []
        else:
            settled = set(map(id, messages))
            self._taken = [message for message in self._taken if id(message) not in settled]

    async def keep(self) -> None:
        """Tell the server that every message in hand is still being worked on."""
        publish = self._link.client.publish
        with suppress(NatsError, OSError):
            for message in (*self._taken, *self._waiting):
                await publish(message.reply, _IN_PROGRESS)

    async def close(self) -> None:
        """Unsubscribe, and give back in order what has not been settled, for whoever comes next."""
        self._link.lost.remove_done_callback(self._on_lost)
        if self._link.lost.done():
            return
        self._closing = True
        if self._subscription:
            await self._drain(self._subscription)
        # If this does not reach the server, it delivers them again when their time is over.
        with suppress(NatsError, OSError):
            unsettled = [*self._taken, *self._waiting]
            for message in unsettled:
                await self._link.client.publish(message.reply, _NAK)
            self._counts.add("nak", len(unsettled))

    async def _drain(self, subscription: Subscription) -> None:
        """Unsubscribe, and collect what the server sent before it knew."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await subscription.drain()  # type: ignore[no-untyped-call]
        except TimeoutError:
            # nats-py waits for a PONG here; one that comes after the wait was given up would end its reading for good.
            await self._link.close()
        except (NatsError, OSError) as error:
            _log.debug("drain_failed", consumer=self._name.durable, error=str(error))

    async def _prepare_consumer(self) -> None:
        stream, durable, subject = self._name.stream, self._name.durable, self._name.subject
        try:
            info = await self._link.jetstream.consumer_info(stream, durable)
        except NotFoundError:
            config = api.ConsumerConfig(
                durable_name=durable,
                filter_subject=subject,
                deliver_policy=api.DeliverPolicy.ALL,
                ack_policy=api.AckPolicy.EXPLICIT,
                ack_wait=self._settings.ack_wait,
                max_ack_pending=_MAX_ACK_PENDING,
            )
            info = await self._link.jetstream.add_consumer(stream, config)
        if info.config.filter_subject != subject or info.config.ack_policy != api.AckPolicy.EXPLICIT:
            raise ConfigError(
                f"consumer {durable} of stream {stream} delivers {info.config.filter_subject} with acknowledgement "
                f"{info.config.ack_policy}, not {subject} with explicit acknowledgement: remove it with "
                f"`nats consumer rm {stream} {durable}`, and it is made anew"
            )
        self._ack_wait = info.config.ack_wait or self._settings.ack_wait
        version = self._link.client.connected_server_version
        if info.num_ack_pending and (version.major, version.minor) >= _RESET_SINCE:
            await self._link.jetstream.reset_consumer(stream, durable)
            _log.info("intake_redelivers", consumer=durable, unacknowledged=info.num_ack_pending)

    async def _subscribe(self) -> None:
        self._subscription = await self._link.client.subscribe(
            f"{self._inbox}.*",
            cb=self._receive,
            # The requests bound what arrives, in number and in bytes.
            pending_msgs_limit=0,
            pending_bytes_limit=0,
        )
        await self._request()

    async def _request(self) -> None:
        if self._closing:
            return
        self._requests += 1
        self._wanted = self._settings.batch
        # Between two requests the server owes no sign of life.
        self._heard = self._clock.monotonic()
        request = {
            "batch": self._wanted,
            "max_bytes": self._request_bytes,
            "expires": int(_REQUEST_SECONDS * 1e9),
            "idle_heartbeat": int(self._settings.silence / 4 * 1e9),
        }
        inbox = f"{self._inbox}.{self._requests}"
        await self._link.client.publish(self._next_subject, json.dumps(request).encode(), reply=inbox)

    async def _receive(self, message: Msg) -> None:
        self._heard = self._clock.monotonic()
        if message.reply:
            self._fed = self._heard
            self._waiting.append(message)
            self._newest = message
            self._wanted -= 1
            self._arrived.set()
            if self._wanted <= 0 and len(self._waiting) < self._settings.batch:
                await self._request()
        elif message.subject == f"{self._inbox}.{self._requests}":
            await self._on_status(message.headers or {})

    async def _on_status(self, headers: dict[str, str]) -> None:
        status, text = headers.get(api.Header.STATUS.value, ""), headers.get(api.Header.DESCRIPTION.value, "")
        if status == api.StatusCode.CONTROL_MESSAGE:
            return
        over = status in (api.StatusCode.REQUEST_TIMEOUT, api.StatusCode.NO_MESSAGES) or (
            status == api.StatusCode.CONFLICT and text.startswith(("Message Size Exceeds", "Batch Completed"))
        )
        if over:
            self._wanted = 0
            if len(self._waiting) < self._settings.batch:
                await self._request()
            return
        self._failure = RetrySafe(f"the server ended the pull of consumer {self._name.durable}: {status} {text}")
        self._arrived.set()

    async def _check_alive(self) -> None:
        now = self._clock.monotonic()
        if now - self._heard > self._settings.silence:
            raise RetrySafe(f"consumer {self._name.durable} gave no sign of life for {now - self._heard:.0f} s")
        if now - self._fed > self._settings.silence:
            self._fed = now
            info = await self._link.jetstream.consumer_info(self._name.stream, self._name.durable)
            if info.num_pending and not info.paused and not self._waiting:
                raise RetrySafe(f"consumer {self._name.durable} delivers nothing although {info.num_pending} wait")

    def _on_lost(self, _lost: asyncio.Future[None]) -> None:
        self._arrived.set()
