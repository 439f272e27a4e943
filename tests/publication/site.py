"""Processes that publish, and the stores and the broker that they share."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import nats
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg

from contracts.subjects import EXECUTION_STREAM
from shared.clock import SystemClock
from shared.errors import RetrySafe
from shared.mongodb import MongoStore
from tests.support import services
from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer
from tests.support.records import RecordedWorld
from tests.support.stores import empty_mongo_journal
from tradeengine.journal.base import Journal
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.projection.projector import Projector
from tradeengine.publication.checkpoints import Checkpoint, CheckpointStore, MemoryCheckpoints
from tradeengine.publication.checkpoints_mongodb import MongoCheckpoints
from tradeengine.publication.checkpoints_sqlite import SqliteCheckpoints
from tradeengine.publication.jetstream import JetStreamOutlet
from tradeengine.publication.messages import Message
from tradeengine.publication.publication import Publication
from tradeengine.runtime.intake.connection import Connection
from tradeengine.runtime.intake.streams import StreamSettings, ensure_streams

CLOCK = SystemClock()
SHARDS = 4


class Store:
    """A store of checkpoints that a process may be cut off from."""

    def __init__(self, store: CheckpointStore) -> None:
        self._store = store
        self.is_cut = False
        self.saves = 0

    async def open(self) -> None:
        await self._store.open()

    async def close(self) -> None:
        """Leave it open: the test does that, for it is asked afterwards."""

    async def load(self, shard: int) -> Checkpoint:
        return await self._store.load(shard)

    async def save(self, checkpoints: Mapping[int, Checkpoint]) -> None:
        if self.is_cut:
            raise RetrySafe("the store is away")
        await self._store.save(checkpoints)
        self.saves += 1


class Pod:
    """A process that publishes."""

    def __init__(self, site: "Site", connection: Connection, shards: Sequence[int] = (0, 1)) -> None:
        self.connection = connection
        self.store = Store(site.store)
        self.stored = self.copies = 0
        outlet = JetStreamOutlet(self._jetstream, self._count)
        self.publication = Publication(site.journal, self.store, outlet, CLOCK)
        self.projector = Projector(site.journal, self.publication, CLOCK, shards)

    def _jetstream(self) -> JetStreamContext | None:
        link = self.connection.current
        return None if link is None else link.jetstream

    def _count(self, stored: int, copies: int) -> None:
        self.stored += stored
        self.copies += copies

    async def caught_up(self, seconds: float = PATIENCE_S) -> None:
        """Wait until all that is committed is published."""
        async with asyncio.timeout(seconds):
            await self.projector.catch_up()

    async def stop(self) -> None:
        await self.projector.stop()
        await self.publication.close()

    async def crash(self) -> None:
        """End without a last word to the store."""
        self.store.is_cut = True
        await self.stop()


class Site:
    """The stores and the broker that pods share."""

    def __init__(self, server: NatsServer, journal: Journal, store: CheckpointStore) -> None:
        self.server = server
        self.journal = journal
        self.store = store
        self.pods: list[Pod] = []
        self._parts = AsyncExitStack()

    async def pod(self, shards: Sequence[int] = (0, 1), *, start: bool = True) -> Pod:
        """Start one more process."""
        connection = Connection(
            self.server.url, CLOCK, prepare=lambda link: ensure_streams(link.jetstream, SHARDS, StreamSettings())
        )
        await connection.start()
        self._parts.push_async_callback(connection.close)
        made = Pod(self, connection, shards)
        self._parts.push_async_callback(made.stop)
        if start:
            made.projector.start_in_background()
        return made

    async def commit(self, records: Sequence[Record], *pods: Pod) -> None:
        """Append records, and tell the processes."""
        for record in records:
            await self.journal.append([record])
            for pod in pods:
                pod.projector.notify(record)

    async def kept(self, stream: str = EXECUTION_STREAM) -> list[tuple[str, str, bytes]]:
        """All that a stream holds: subject, id and payload, oldest first."""
        client = await nats.connect(self.server.url, connect_timeout=PATIENCE_S)
        try:
            jetstream = client.jetstream(timeout=PATIENCE_S)
            state = (await jetstream.stream_info(stream)).state
            found: list[RawStreamMsg] = [
                await jetstream.get_msg(stream, sequence) for sequence in range(state.first_seq, state.last_seq + 1)
            ]
        finally:
            await client.close()
        return [(each.subject or "", (each.headers or {})["Nats-Msg-Id"], each.data or b"") for each in found]

    async def close(self) -> None:
        await self._parts.aclose()


@asynccontextmanager
async def stores(kind: str, folder: Path) -> AsyncIterator[tuple[Journal, CheckpointStore]]:
    async with AsyncExitStack() as stack:
        journal: Journal
        store: CheckpointStore
        if kind == "mongodb":
            uri = services.mongodb_uri()
            database = stack.enter_context(services.fresh_mongodb_database(uri))
            journal, store = await empty_mongo_journal(uri, database), MongoCheckpoints(MongoStore(uri, database))
        elif kind == "sqlite":
            journal, store = SqliteJournal(folder / "journal.db"), SqliteCheckpoints(folder / "publication.db")
            await journal.open()
        else:
            journal, store = MemoryJournal(), MemoryCheckpoints()
        stack.push_async_callback(journal.close)
        await store.open()
        stack.push_async_callback(store.close)
        yield journal, store


@asynccontextmanager
async def opened_site(server: NatsServer, kind: str, folder: Path) -> AsyncIterator[Site]:
    async with stores(kind, folder) as (journal, store):
        site = Site(server, journal, store)
        try:
            yield site
        finally:
            await site.close()


def trades(count: int, shard: int = 0) -> list[Record]:
    """Records of positions that are opened and closed, each fill in a record of its own."""
    world = RecordedWorld(shard=shard)
    for number in range(count):
        world.trade("buy", "A", "100", "1", signal_id=f"in-{number}", carried={"decision_id": f"d-{number}"})
        world.cut()
        world.trade("close", "A", "101", signal_id=f"out-{number}")
        world.cut()
    return world.records


def wire(messages: Sequence[Message]) -> list[tuple[str, str, bytes]]:
    return [(message.subject, message.id, message.payload) for message in messages]
