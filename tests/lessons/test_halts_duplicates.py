"""I67: one signal id is one order, whenever, by whatever way and at whichever process it comes again."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from nats.aio.client import Client

from contracts.enums import Outcome
from contracts.subjects import BARE_STREAM, SIGNALS, SIGNALS_STREAM, signal_subject
from tests.outages.stores import Stores, ready_stores
from tests.process.load import connected
from tests.support.deadline import PATIENCE_S, Deadline
from tests.support.nats import NatsServer, nats_server
from tests.support.pods import Pod, Site, played
from tests.support.process import EngineProcess, engine_process, signal_document
from tests.support.protecting import ORDER, QUICK
from tests.support.rig import rig, settings_for
from tradeengine.domain.events import OrderPlanned

__all__ = ["nats_server"]

SHARDS = 2
AGAIN_S = (1, 15, 600)
LEASE: dict[str, Any] = {"LEASE_SECONDS": "10", "SHARDS": str(SHARDS)}


@pytest_asyncio.fixture
async def stores(mongodb_uri: str) -> AsyncIterator[Stores]:
    """A database on the MongoDB that the tests share, dropped in the end."""
    made = await ready_stores(mongodb_uri)
    yield made
    async with made.client() as store:
        await store.database.client.drop_database(made.database)


def test_i67_a_signal_that_comes_again_within_minutes_or_at_another_process_is_a_duplicate() -> None:
    """In virtual time: after 1 s, 15 s and 10 min, after a restart, and at who took over from a silent pod."""

    async def job(site: Site) -> None:
        pod = await site.pod("a")
        await site.spread(pod)
        signal = site.signal("buy", quantity="0.01")
        assert (await pod.decide(signal)).outcome is Outcome.ACCEPTED

        async def comes_again(pod: Pod) -> None:
            for seconds in AGAIN_S:
                await site.clock.sleep(seconds)
                assert (await pod.decide(signal)).outcome is Outcome.DUPLICATE

        await comes_again(pod)
        await pod.engine.stop()
        restarted = await site.pod("a")
        await site.spread(restarted)
        await comes_again(restarted)
        restarted.cut_off()
        other = await site.pod("b")
        await site.spread(other)
        await comes_again(other)
        await site.equal(other)
        planned = [event for record in await site.records() for event in record.events()]
        assert sum(isinstance(event, OrderPlanned) and event.order.purpose.opening for event in planned) == 1
        ((quantity, _),) = (await site.exchange.account()).legs.values()
        assert quantity == signal.quantity

    played(job)


async def comes_by_every_way(document: dict[str, Any], engine: EngineProcess, nats_url: str) -> set[str]:
    """Send a signal by HTTP, and by both subjects of NATS; what HTTP said."""
    body = json.dumps(document).encode()
    said = []
    async with connected(nats_url) as client:
        for _ in range(2):
            for subject in (signal_subject(document["symbol"]), SIGNALS):
                await client.jetstream(timeout=PATIENCE_S).publish(subject, body)
            said.append((await engine.send(document)).json()["outcome"])
        await all_acknowledged(client)
    return set(said)


async def all_acknowledged(client: Client) -> None:
    """Wait until every signal that the broker has stored is done with, on both streams."""
    jetstream = client.jetstream(timeout=PATIENCE_S)
    names = [(SIGNALS_STREAM, f"engine-shard-{shard}") for shard in range(SHARDS)]
    deadline = Deadline()
    for stream, durable in [(BARE_STREAM, "engine-router"), *names]:
        while (info := await jetstream.consumer_info(stream, durable)).num_pending or info.num_ack_pending:
            assert not deadline.passed(), f"{durable} has {info.num_pending} and {info.num_ack_pending} left"
            await asyncio.sleep(0.05)


@pytest.mark.process
async def test_i67_a_signal_that_comes_by_every_way_to_every_process_is_one_order(
    tmp_path: Path, stores: Stores, nats_server: NatsServer
) -> None:
    """HTTP and NATS, before and after a restart, and at another process that took over after a kill."""
    document = signal_document("buy", "A", signal_id="the one", quantity="0.01")
    named = {**stores.settings(), **LEASE, **QUICK}
    async with rig(tmp_path, nats_url=nats_server.url, POD_NAME="first", **named) as made:
        first = await comes_by_every_way(document, made.engine, nats_server.url)
        assert first <= {"accepted", "duplicate"}
        await made.engine.stop()
        await made.engine.start()
        assert await comes_by_every_way(document, made.engine, nats_server.url) == {"duplicate"}
        made.engine.kill()
        settings = settings_for(made.exchange, POD_NAME="second", **named)
        async with engine_process(tmp_path / "second", nats_url=nats_server.url, settings=settings) as second:
            await second.start()
            await owns_everything(second)
            assert await comes_by_every_way(document, second, nats_server.url) == {"duplicate"}
            (row,) = await second.until_rows("/decisions", lambda rows: [r["duplicates"] for r in rows] == [17])
            assert row["outcome"] == "accepted"
            assert len(await made.exchange.requests("POST", ORDER)) == 1
            assert await made.exchange.held() == Decimal("0.01")


async def owns_everything(engine: EngineProcess) -> None:
    """Wait until the shards of the process that was killed are an engine's."""
    await engine.until_metric("tradeengine_leases_held", SHARDS)
    await engine.until_ready()
