"""Reads one consumer for as long as it is wanted, whatever happens to the connection."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from shared.clock import Clock
from shared.errors import ConfigError, Fenced, RetrySafe
from tradeengine.runtime.intake.connection import Connection, Link
from tradeengine.runtime.intake.counts import Counts
from tradeengine.runtime.intake.puller import ConsumerName, LinkLost, Puller, PullSettings

_log = structlog.get_logger(__name__)

_FIRST_PAUSE_SECONDS: Final = 0.1
_LAST_PAUSE_SECONDS: Final = 5.0

BatchHandler = Callable[[Sequence[Msg]], Awaitable[None]]
"""Deals with a batch of messages and settles every one of them through the worker that it was given by."""


class Worker:
    """Takes batches of messages from one consumer, one after the other, and has them dealt with.

    Parameters
    ----------
    connection
        Where links come from.
    name
        The consumer.
    handle
        Deals with a batch. What it did not settle when it raises is given back to the server; the subscription is
        then rebuilt after a pause. :class:`Fenced` ends the worker.
    """

    def __init__(
        self,
        connection: Connection,
        name: ConsumerName,
        handle: BatchHandler,
        settings: PullSettings,
        clock: Clock,
        counts: Counts,
    ) -> None:
        self._connection = connection
        self._name = name
        self._handle = handle
        self._settings = settings
        self._clock = clock
        self._counts = counts
        self._puller: Puller | None = None
        self._task: asyncio.Task[None] | None = None
        self._busy = False
        self._stopping = False
        self._pause = _FIRST_PAUSE_SECONDS
        self.trouble: str | None = "is not connected yet"
        """What keeps it from working now, for people."""
        self.last_message: float | None = None
        """When messages came last, on the clock's monotonic scale, seconds."""

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopping

    @property
    def backlog(self) -> int:
        """Messages that wait for it, as far as it knows; 0 while it has no subscription."""
        return self._puller.backlog if self._puller is not None else 0

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self._task is not None and self._task.done()

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._run(), name=self._name.durable)

    def stop(self) -> None:
        """Take no more messages; a batch that is being dealt with is finished and acknowledged."""
        self._stopping = True
        if self._task and not self._busy:
            self._task.cancel()

    async def wait(self, grace: float) -> None:
        """Wait until it has stopped, for at most so many seconds, then cancel it."""
        if self._task is None:
            return
        _, late = await asyncio.wait([self._task], timeout=grace)
        if late:
            _log.warning("intake_cut_off", consumer=self._name.durable, grace=grace)
            self._task.cancel()
            await asyncio.wait([self._task])

    async def acknowledge(self, messages: Sequence[Msg]) -> None:
        """Tell the server that messages are done with; if it is away, wait until it is back."""
        link = await self._connection.link()
        publish = link.client.publish
        # If the link breaks here, the rest comes again and is found to be decided.
        with suppress(NatsError, OSError):
            for message in messages:
                await publish(message.reply)
        self._settle(messages)
        self._counts.add("acked", len(messages))

    async def give_back(self, messages: Sequence[Msg], delay: float) -> None:
        """Let the server deliver messages again after so many seconds."""
        link = await self._connection.link()
        order = b'-NAK {"delay": %d}' % int(delay * 1e9)
        with suppress(NatsError, OSError):
            for message in messages:
                await link.client.publish(message.reply, order)
        self._settle(messages)
        self._counts.add("nak", len(messages))

    def _settle(self, messages: Sequence[Msg]) -> None:
        if self._puller:
            self._puller.settle(messages)

    async def _run(self) -> None:
        while not self._stopping:
            link = await self._connection.link()
            try:
                await self._serve(link)
            except LinkLost:
                self.trouble = "waits for the connection"
            except Fenced as error:
                self.trouble = str(error)
                _log.warning("intake_fenced", consumer=self._name.durable, error=str(error))
                return
            except Exception as error:  # noqa: BLE001 - supervised: a dead loop would leave its shard without signals
                await self._recover(error)

    async def _recover(self, error: Exception) -> None:
        self.trouble = f"{type(error).__name__}: {error}"
        if self._stopping:
            return
        expected = isinstance(error, (NatsError, RetrySafe, ConfigError, TimeoutError))
        _log.warning("intake_rebuilds", consumer=self._name.durable, error=self.trouble, exc_info=not expected)
        self._counts.add("rebuilt")
        await self._clock.sleep(self._pause)
        self._pause = min(self._pause * 2, _LAST_PAUSE_SECONDS)

    async def _serve(self, link: Link) -> None:
        self._puller = await self._open(link)
        keeper = asyncio.create_task(self._keep(self._puller), name=f"{self._name.durable}-keeper")
        self.trouble = None
        try:
            while not self._stopping:
                batch = await self._puller.next()
                self.last_message = self._clock.monotonic()
                self._busy = True
                try:
                    await self._handle(batch)
                finally:
                    self._busy = False
                self._pause = _FIRST_PAUSE_SECONDS
        finally:
            keeper.cancel()
            puller, self._puller = self._puller, None
            await puller.close()

    async def _open(self, link: Link) -> Puller:
        try:
            return await Puller.open(link, self._name, self._settings, self._clock, self._counts)
        except (NatsError, TimeoutError) as error:
            if link.lost.done():
                raise LinkLost from error
            # The server hangs, or the stream is gone: only a new link makes everything from scratch.
            await link.close()
            raise

    async def _keep(self, puller: Puller) -> None:
        while True:
            await self._clock.sleep(puller.ack_wait / 3)
            await puller.keep()
