"""The engine is killed at random moments, and the broker too: the stream has each event of the journal, once."""

import asyncio
import os
from collections import Counter
from pathlib import Path
from random import Random, SystemRandom

import pytest

from contracts.subjects import EXECUTION_PREFIX, EXECUTION_STREAM
from tests.process.load import Load, connected, until_all_acknowledged
from tests.publication.reading import events_of, terminals, translated
from tests.support.deadline import PATIENCE_S, Deadline
from tests.support.nats import NatsServer, nats_server
from tests.support.process import READ, EngineProcess, engine_process
from tradeengine.domain.decide import restore
from tradeengine.domain.state import ShardState
from tradeengine.journal.record import Record
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.publication.checkpoints_sqlite import SqliteCheckpoints
from tradeengine.publication.messages import Message
from tradeengine.runtime.files import journal_file, publication_file

__all__ = ["nats_server"]

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(240)]

KILLS = 6
BROKER_DIES_AT = 3


async def test_killed_again_and_again_it_publishes_all_and_nothing_twice(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    seed = int(os.environ.get("KILL_SEED") or SystemRandom().getrandbits(32))
    print(f"KILL_SEED={seed}")
    chance = Random(seed)
    async with engine_process(tmp_path / "data", nats_url=nats_server.url) as engine:
        load = Load(engine, chance, lambda: nats_server.url)
        await engine.start()
        async with load.at_work():
            for number in range(KILLS):
                await asyncio.sleep(chance.uniform(0.3, 1.5))
                if number == BROKER_DIES_AT:
                    await asyncio.to_thread(nats_server.kill)
                    await asyncio.sleep(chance.uniform(0, 1))
                    await asyncio.to_thread(nats_server.start)
                await load.answers(12)
                engine.kill()
                engine.spawn()
                await engine.until_served()
        await published(engine, nats_server.url)
        await engine.stop()

    records = await history(tmp_path / "data")
    wanted = [one for shard, own in records.items() for one in translated(own, shard)]
    events = [message for message in wanted if message.subject.startswith(EXECUTION_PREFIX)]
    kept = await stored(nats_server.url)
    print(f"{engine.runs} runs, {len(events)} events")
    assert len(events) > 10 * KILLS, "the load was no load"
    assert [message_id for message_id, count in Counter(one.id for one in kept).items() if count > 1] == []
    assert sorted(kept) == sorted(events)
    once(records, kept)


def once(records: dict[int, list[Record]], kept: list[Message]) -> None:
    """Insist that each signal has its one end, unless an order of it still rests."""
    told = events_of(kept)
    ends = terminals(told)
    assert set(ends.values()) == {1}
    decided = {
        (one["strategy_id"], one["symbol"], one["signal_id"])
        for one in told
        if one["event_type"] in ("accepted", "held") or (one["event_type"] == "rejected" and one.get("signal_id"))
    }
    waiting = {
        (live.order.strategy_id, live.order.symbol, live.order.signal_id)
        for shard, own in records.items()
        for live in state_of(shard, own).orders.values()
    }
    assert decided - ends.keys() <= waiting


def state_of(shard: int, records: list[Record]) -> ShardState:
    state = ShardState(shard=shard)
    for record in records:
        restore(state, record.events())
    return state


async def published(engine: EngineProcess, nats_url: str) -> None:
    """Wait until everything that was sent is decided, done, and published."""
    await engine.until_ready()
    async with connected(nats_url) as client:
        await until_all_acknowledged(client)
    await engine.until_rows("/orders", lambda rows: not rows, status="planned")
    deadline = Deadline()
    while True:
        health = (await engine.request("GET", "/health", headers=READ)).json()["components"]["execution_events"]
        # What health says may be some time old; what the stores say is true, and may be behind.
        if health["status"] == "healthy" and health["lag_records"] == 0 and await is_published(engine.data):
            return
        assert not deadline.passed(), f"waited {deadline}; {health}\n{engine.log_tail()}"
        await asyncio.sleep(0.05)


async def is_published(data: Path) -> bool:
    """Whether the engine has noted every record of its journal as published."""
    journal, notes = SqliteJournal(journal_file(data), create=False), SqliteCheckpoints(publication_file(data))
    await journal.open()
    await notes.open()
    try:
        shards = await journal.shards()
        return all([(await notes.load(shard)).sequence == await journal.last_sequence(shard) for shard in shards])
    finally:
        await notes.close()
        await journal.close()


async def history(data: Path) -> dict[int, list[Record]]:
    journal = SqliteJournal(journal_file(data), create=False)
    await journal.open()
    try:
        found: dict[int, list[Record]] = {}
        for shard in await journal.shards():
            found[shard] = []
            while page := await journal.read(shard, after=len(found[shard])):
                found[shard] += page
        return found
    finally:
        await journal.close()


async def stored(nats_url: str) -> list[Message]:
    async with connected(nats_url) as client:
        jetstream = client.jetstream(timeout=PATIENCE_S)
        last = (await jetstream.stream_info(EXECUTION_STREAM)).state.last_seq
        found = [await jetstream.get_msg(EXECUTION_STREAM, number) for number in range(1, last + 1)]
    return [Message(one.subject or "", (one.headers or {})["Nats-Msg-Id"], one.data or b"") for one in found]
