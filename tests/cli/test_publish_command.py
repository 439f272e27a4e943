"""``tradeengine publish``: execution events leave again, under the ids that they had."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import nats
import pytest
from nats.js import JetStreamContext
from typer.testing import CliRunner, Result

from contracts.subjects import EXECUTION_PREFIX, EXECUTION_STREAM, EXECUTION_WILDCARD
from shared.mongodb import MongoStore
from tests.publication.reading import translated
from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer, nats_server
from tests.support.records import RecordedWorld
from tests.support.stores import empty_mongo_journal
from tradeengine.cli.app import app
from tradeengine.journal.base import Journal
from tradeengine.journal.record import Record
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.publication.checkpoints import Checkpoint, CheckpointStore, LedgerImage
from tradeengine.publication.checkpoints_mongodb import MongoCheckpoints
from tradeengine.publication.checkpoints_sqlite import SqliteCheckpoints
from tradeengine.publication.ledger import Ledger, pack
from tradeengine.publication.translate import messages_of
from tradeengine.runtime.files import journal_file, publication_file

__all__ = ["nats_server"]

T = TypeVar("T")


class Site:
    """A journal, a broker, and the command."""

    def __init__(self, folder: Path, url: str, mongodb: tuple[str, str] | None) -> None:
        self._folder = folder
        self._url = url
        self._mongodb = mongodb
        self.env = {
            "TRADEENGINE_DATA_DIR": str(folder),
            "COLUMNS": "300",
            "MONGODB_URI": "",
            "MYSQL_URI": "",
            "NATS_URL": url,
        }
        if mongodb is not None:
            self.env |= {"MONGODB_URI": mongodb[0], "MONGODB_DATABASE": mongodb[1]}

    def publish(self, *arguments: str) -> Result:
        return self.run("publish", *arguments)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, env=self.env)

    def write(self, records: list[Record]) -> None:
        async def work(journal: Journal, _: CheckpointStore) -> None:
            for record in records:
                await journal.append([record])

        self._on_stores(work)

    def trim(self, through: int, checkpoint: Checkpoint) -> None:
        """Take records out of the journal, and note how far they were published."""

        async def work(journal: Journal, store: CheckpointStore) -> None:
            await store.save({0: checkpoint})
            await journal.trim(0, through)

        self._on_stores(work)

    def make_stream(self, *, anew: bool = False) -> None:
        async def work(jetstream: JetStreamContext) -> None:
            if anew:
                await jetstream.delete_stream(EXECUTION_STREAM)
            await jetstream.add_stream(name=EXECUTION_STREAM, subjects=[EXECUTION_WILDCARD])

        self._on_broker(work)

    def kept(self) -> list[tuple[str, bytes]]:
        """Ids and payloads that the stream holds."""

        async def work(jetstream: JetStreamContext) -> list[tuple[str, bytes]]:
            last = (await jetstream.stream_info(EXECUTION_STREAM)).state.last_seq
            found = [await jetstream.get_msg(EXECUTION_STREAM, number) for number in range(1, last + 1)]
            return [((each.headers or {})["Nats-Msg-Id"], each.data or b"") for each in found]

        return self._on_broker(work)

    def _on_stores(self, work: Callable[[Journal, CheckpointStore], Awaitable[None]]) -> None:
        async def run() -> None:
            async with AsyncExitStack() as stack:
                journal: Journal
                store: CheckpointStore
                if self._mongodb is not None:
                    journal = await empty_mongo_journal(*self._mongodb)
                    store = MongoCheckpoints(MongoStore(*self._mongodb))
                else:
                    journal = SqliteJournal(journal_file(self._folder))
                    await journal.open()
                    store = SqliteCheckpoints(publication_file(self._folder))
                stack.push_async_callback(journal.close)
                await store.open()
                stack.push_async_callback(store.close)
                await work(journal, store)

        asyncio.run(run())

    def _on_broker(self, work: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        async def run() -> T:
            client = await nats.connect(self._url, connect_timeout=PATIENCE_S)
            try:
                return await work(client.jetstream(timeout=PATIENCE_S))
            finally:
                await client.close()

        return asyncio.run(run())


@pytest.fixture(params=["sqlite", "mongodb"])
def site(request: pytest.FixtureRequest, nats_server: NatsServer, tmp_path: Path) -> Site:
    mongodb = None
    if request.param == "mongodb":
        mongodb = (request.getfixturevalue("mongodb_uri"), request.getfixturevalue("mongodb_database"))
    made = Site(tmp_path, nats_server.url, mongodb)
    made.make_stream()
    return made


def history(shard: int = 0, count: int = 10) -> list[Record]:
    world = RecordedWorld(shard=shard)
    for number in range(count):
        world.trade("buy", "A", "100", "1", signal_id=f"in-{number}", carried={"decision_id": f"d-{number}"})
        world.cut()
        world.signal("hold", signal_id=f"hold-{number}", sequence=1 + 2 * number)
        world.trade("close", "A", "101", signal_id=f"out-{number}")
        world.cut()
    return world.records


def events(records: list[Record], shard: int = 0, first: int = 1) -> list[tuple[str, bytes]]:
    """Ids and payloads of the execution events of records, from one on."""
    found = [message for message in translated(records, shard) if message.subject.startswith(EXECUTION_PREFIX)]
    return [(message.id, message.payload) for message in found if int(message.id.split("-")[2]) >= first]


def test_everything_is_published_again_and_alerts_are_not(site: Site) -> None:
    first, second = history(), history(shard=2)
    site.write(first)
    site.write(second)
    done = site.publish("--from", "1")
    assert done.exit_code == 0, done.output
    wanted = [*events(first), *events(second, shard=2)]
    assert site.kept() == wanted
    assert f"shard 0: {len(events(first))} events of records 1 to 20 published" in done.output
    assert "shard 2: " in done.output

    again = site.publish("--from", "1", "--shard", "2")
    count = len(events(second, shard=2))
    assert f"of which the broker had {count}" in again.output
    assert site.kept() == wanted


def test_a_stream_that_has_lost_its_events_gets_them_back_under_their_ids(site: Site) -> None:
    records = history()
    site.write(records)
    assert site.publish("--from", "1").exit_code == 0
    former = site.kept()
    site.make_stream(anew=True)
    assert site.publish("--from", "7").exit_code == 0
    assert site.kept() == events(records, first=7)
    assert set(site.kept()) < set(former)
    document = json.loads(site.kept()[0][1])
    assert document["decision_id"] == "d-3"


def test_what_was_trimmed_is_named_and_what_came_after_a_ledger_needs_no_archive(site: Site) -> None:
    records = history()
    site.write(records)
    ledger = Ledger(shard=0)
    for record in records[:10]:
        messages_of(ledger, record)
    site.trim(10, Checkpoint(20, LedgerImage(10, pack(ledger))))
    refused = site.publish("--from", "5")
    assert refused.exit_code == 78
    assert "ARCHIVE_DIR" in refused.output
    assert site.kept() == []
    done = site.publish("--from", "12")
    assert done.exit_code == 0, done.output
    assert site.kept() == events(records, first=12)


def test_what_is_not_there_is_said(site: Site) -> None:
    site.write(history())
    beyond = site.publish("--from", "99")
    assert (beyond.exit_code, "its last record is 20" in beyond.output) == (0, True)
    unknown = site.publish("--from", "1", "--shard", "5")
    assert (unknown.exit_code, "no records of shard 5" in unknown.output) == (78, True)
    site.env["NATS_URL"] = ""
    nowhere = site.publish("--from", "1")
    assert (nowhere.exit_code, "set NATS_URL" in nowhere.output) == (78, True)
    wrong = site.publish("--from", "1", "--nats", "http://somewhere")
    assert wrong.exit_code == 2
    assert site.publish("--from", "0").exit_code == 2


def test_a_broker_without_the_stream_is_told(tmp_path: Path, nats_server: NatsServer) -> None:
    made = Site(tmp_path, nats_server.url, None)
    made.write(history(count=1))
    done = made.publish("--from", "1")
    assert (done.exit_code, "no stream takes execution.events." in done.output) == (1, True)


def test_the_archive_leaves_what_publishing_goes_on_with(tmp_path: Path, nats_server: NatsServer) -> None:
    made = Site(tmp_path, nats_server.url, None)
    records = history()
    made.write(records)
    ledger = Ledger(shard=0)
    for record in records[:10]:
        messages_of(ledger, record)
    made.trim(0, Checkpoint(15, LedgerImage(10, pack(ledger))))
    for command in (("project", "--rebuild", "sqlite"), ("journal", "snapshot")):
        assert made.run(*command).exit_code == 0
    done = made.run("journal", "archive", "--keep-records", "0")
    assert done.exit_code == 0, done.output
    assert "records 1 to 10 archived" in done.output
    assert "publishing goes on with the records after it" in done.output
