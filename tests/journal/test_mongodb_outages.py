"""A server that is killed, stands still or is not there: what it acknowledged is there, and callers are told so."""

import asyncio

import pytest

from shared.clock import SystemClock
from shared.errors import OutcomeUnknown, RetrySafe
from shared.mongodb import MongoStore
from tests.support.deadline import Deadline
from tests.support.records import signal_records
from tests.support.services import MongoServer
from tests.support.stores import empty_mongo_journal
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.journal.record import Record, encode
from tradeengine.runtime.committer import Committer

pytestmark = pytest.mark.process

KILLS = 20
SHARDS = 3
DATABASE = "trade"


class Appender:
    """Commits one record after the other, of each shard, and notes which were acknowledged."""

    def __init__(self, committer: Committer) -> None:
        self.acknowledged: dict[int, list[Record]] = {shard: [] for shard in range(SHARDS)}
        self._committer = committer
        self._entries = [signal_records(1, shard=shard, size=5)[0].entries for shard in range(SHARDS)]
        self._tasks = [asyncio.create_task(self._work(shard)) for shard in range(SHARDS)]

    @property
    def count(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    async def reach(self, count: int) -> None:
        deadline = Deadline(look_s=0.005)
        while self.count < count:
            for task in self._tasks:
                if task.done():
                    task.result()
            assert not deadline.passed(), f"{self.count} of {count} records in a minute; {self._committer.trouble}"
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, shard: int) -> None:
        done = self.acknowledged[shard]
        while True:
            record = Record(shard, len(done) + 1, self._entries[shard])
            await self._committer.commit(record)
            done.append(record)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_killed_twenty_times_under_appends_it_has_all_that_was_acknowledged_once(
    mongo_server: MongoServer,
) -> None:
    """I97."""
    journal = await empty_mongo_journal(mongo_server.url, DATABASE, timeout_ms=2_000)
    committer = Committer(journal, SystemClock())
    appender = Appender(committer)
    for kill in range(KILLS):
        # Another number each time, so that it dies wherever it is.
        await appender.reach(appender.count + 3 + 2 * kill)
        await asyncio.to_thread(mongo_server.kill)
        mongo_server.spawn()
    await appender.reach(appender.count + 10)
    await appender.stop()
    await committer.close()

    for shard, acknowledged in appender.acknowledged.items():
        stored = await journal.read(shard, limit=100_000)
        assert [record.sequence for record in stored] == list(range(1, len(stored) + 1))
        assert stored[: len(acknowledged)] == acknowledged
        assert len(stored) - len(acknowledged) <= 1, "only the record under way may be more"
    await journal.close()


async def test_an_append_to_a_server_that_is_gone_is_retry_safe(mongo_server: MongoServer) -> None:
    journal = await empty_mongo_journal(mongo_server.url, DATABASE, timeout_ms=3_000)
    records = signal_records(2)
    await journal.append(records[:1])
    mongo_server.stop()
    # The first may meet the connection that just broke, and cannot know what became of it.
    with pytest.raises((RetrySafe, OutcomeUnknown)):
        await journal.append(records[1:])
    with pytest.raises(RetrySafe, match=f"127.0.0.1:{mongo_server.port}"):
        await journal.append(records[1:])
    with pytest.raises(RetrySafe):
        await journal.read(0)

    mongo_server.start()
    await journal.append(records[1:])
    assert await journal.read(0) == records
    await journal.close()


async def test_a_server_that_swallows_an_append_leaves_the_outcome_unknown_within_the_deadline(
    mongo_server: MongoServer,
) -> None:
    journal = await empty_mongo_journal(mongo_server.url, DATABASE, timeout_ms=3_000)
    records = signal_records(3)
    await journal.append(records[:1])
    mongo_server.freeze()
    async with asyncio.timeout(20):
        with pytest.raises(OutcomeUnknown, match="check the server"):
            await journal.append(records[1:])
    mongo_server.thaw()

    # Whether it did or did not: the committer finds out, and ends with each record once.
    committer = Committer(journal, SystemClock())
    await asyncio.gather(*[committer.commit(record) for record in records[1:]])
    assert [encode(record) for record in await journal.read(0)] == [encode(record) for record in records]
    await committer.close()
    await journal.close()


async def test_a_server_that_comes_after_the_engine_is_waited_for(mongo_server: MongoServer) -> None:
    store = MongoStore(mongo_server.url, DATABASE, timeout_ms=3_000)
    journal = await empty_mongo_journal(mongo_server.url, DATABASE)
    await journal.close()
    mongo_server.stop()
    late = MongoJournal(store)
    with pytest.raises(RetrySafe):
        await late.open()
    mongo_server.start()
    await late.open()
    await late.append(signal_records(1))
    assert await late.last_sequence(0) == 1
    await late.close()
