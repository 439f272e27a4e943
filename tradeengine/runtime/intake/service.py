"""The intake of signals from NATS."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from shared.clock import Clock
from tradeengine.runtime.desk import SignalDesk
from tradeengine.runtime.firsts import FirstDecisions
from tradeengine.runtime.intake.connection import Connection, Link
from tradeengine.runtime.intake.counts import CountHook, Counts
from tradeengine.runtime.intake.puller import PullSettings
from tradeengine.runtime.intake.replies import Replies
from tradeengine.runtime.intake.router import Router
from tradeengine.runtime.intake.shard import ShardIntake
from tradeengine.runtime.intake.streams import StreamSettings, ensure_streams
from tradeengine.runtime.intake.worker import Worker

_log = structlog.get_logger(__name__)

_OWNERSHIP_SECONDS: Final = 0.25
_ROUTER = -1
# One pod routes, so that the signals of a symbol keep their order: whoever owns this shard.
_ROUTING_SHARD: Final = 0


@dataclass(frozen=True, slots=True)
class IntakeStatus:
    """How the intake is doing.

    Parameters
    ----------
    ready
        Whether signals of every owned shard are taken.
    reason
        Why not, for people; None when ready.
    connected
        Whether there is a connection to NATS.
    received, acked, nak, parked, routed, replied, replies_dropped
        Messages since the start.
    rebuilds
        Subscriptions that were made anew because they failed or fell silent.
    connections
        Connections made since the start.
    last_message_age
        Seconds since the last message came; None before the first.
    """

    ready: bool
    reason: str | None
    connected: bool
    received: int
    acked: int
    nak: int
    parked: int
    routed: int
    replied: int
    replies_dropped: int
    rebuilds: int
    connections: int
    last_message_age: float | None


class NatsIntake:
    """Brings signals from JetStream to the desk, for every shard that the desk owns.

    Parameters
    ----------
    url
        ``nats://host:port``; several separated by commas.
    desk
        Where signals are decided.
    clock
        Source of time.
    streams
        How missing streams are made.
    pull
        How messages are pulled.
    firsts
        Tell what became of the first copy of a duplicate; without them, answers do not.
    on_event
        Told of every count, such as to feed metrics; must not raise and must return at once.
    """

    def __init__(
        self,
        url: str,
        desk: SignalDesk,
        clock: Clock,
        *,
        streams: StreamSettings | None = None,
        pull: PullSettings | None = None,
        firsts: FirstDecisions | None = None,
        on_event: CountHook | None = None,
    ) -> None:
        self._desk = desk
        self._clock = clock
        self._streams = streams or StreamSettings()
        self._pull = pull or PullSettings()
        self._counts = Counts(on_event)
        self._connection = Connection(
            url, clock, prepare=self._prepare, on_connected=lambda: self._counts.add("connected")
        )
        self._replies = Replies(self._connection, clock, self._counts, firsts or FirstDecisions(clock))
        self._workers: dict[int, Worker] = {}
        self._leaving: dict[int, Worker] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._last_message: float | None = None

    @property
    def connection(self) -> Connection:
        """The connection, for others that publish to the same server."""
        return self._connection

    async def start(self) -> None:
        """Connect and begin to take signals; if NATS is away, as soon as it is there.

        Raises
        ------
        ConfigError
            If the streams that exist do not fit this engine.
        """
        await self._connection.start()
        self._replies.start()
        self._keeper = asyncio.create_task(self._keep(), name="intake-keeper")

    async def drain(self, grace: float = 10.0) -> None:
        """Take no more signals; batches in flight are finished and acknowledged, the rest is given back.

        Parameters
        ----------
        grace
            Seconds that this may take; then the rest is cut off, and comes again at the next start.
        """
        if self._keeper:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        for shard in list(self._workers):
            self._stop(shard)
        await asyncio.gather(*(worker.wait(grace) for worker in self._leaving.values()))
        self._leaving.clear()

    async def close(self, grace: float = 10.0) -> None:
        """Drain, send the answers that are queued, and close the connection."""
        await self.drain(grace)
        await self._replies.close(grace)
        await self._connection.close()

    @property
    def backlog(self) -> int:
        """Messages that wait to be decided, or are in hand, of the shards that are read here."""
        return sum(worker.backlog for worker in self._workers.values())

    def status(self) -> IntakeStatus:
        """How the intake is doing now."""
        counts, now = self._counts, self._clock.monotonic()
        reason = self._trouble(now)
        last = max((w.last_message for w in self._workers.values() if w.last_message), default=self._last_message)
        return IntakeStatus(
            ready=reason is None,
            reason=reason,
            connected=self._connection.state.connected,
            received=counts["received"],
            acked=counts["acked"],
            nak=counts["nak"],
            parked=counts["parked"],
            routed=counts["routed"],
            replied=counts["replied"],
            replies_dropped=counts["reply_dropped"],
            rebuilds=counts["rebuilt"],
            connections=counts["connected"],
            last_message_age=None if last is None else now - last,
        )

    def _trouble(self, now: float) -> str | None:
        if self._keeper is None or self._keeper.done():
            return "the intake does not run"
        if self._connection.ended or self._replies.ended:
            return "a task of the intake ended unexpectedly: restart the engine"
        state = self._connection.state
        if not state.connected:
            error = f": {state.error}" if state.error else ""
            return f"no connection to {self._connection.address} for {now - state.since:.0f} s{error}"
        for shard in sorted(self._wanted()):
            name = "the router" if shard == _ROUTER else f"shard {shard}"
            worker = self._workers.get(shard)
            if worker is None or worker.ended:
                return f"{name} takes no signals yet"
            if worker.trouble:
                return f"{name}: {worker.trouble}"
        return None

    async def _prepare(self, link: Link) -> None:
        await ensure_streams(link.jetstream, self._desk.shards, self._streams)
        await self._replies.listen(link)

    def _wanted(self) -> set[int]:
        owned = self._desk.owned
        return {*owned, _ROUTER} if _ROUTING_SHARD in owned else set(owned)

    async def _keep(self) -> None:
        while True:
            wanted = self._wanted()
            for shard, worker in list(self._workers.items()):
                if shard not in wanted or worker.ended:
                    self._stop(shard)
            self._leaving = {shard: worker for shard, worker in self._leaving.items() if not worker.ended}
            for shard in wanted - self._workers.keys() - self._leaving.keys():
                self._start(shard)
            await self._clock.sleep(_OWNERSHIP_SECONDS)

    def _start(self, shard: int) -> None:
        connection, clock, counts = self._connection, self._clock, self._counts
        if shard == _ROUTER:
            worker = Router(connection, self._replies, self._pull, clock, counts).worker
        else:
            worker = ShardIntake(shard, self._desk, connection, self._replies, self._pull, clock, counts).worker
        self._workers[shard] = worker
        worker.start()

    def _stop(self, shard: int) -> None:
        worker = self._workers.pop(shard)
        self._last_message = max(filter(None, (worker.last_message, self._last_message)), default=None)
        worker.stop()
        self._leaving[shard] = worker
