"""The disk is full: clear error, not ready, nothing acknowledged; once there is room, the engine goes on by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.process.load import connected, publish, unacknowledged, until_all_acknowledged
from tests.process.store import check_decisions, check_store, read_history
from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer
from tests.support.process import (
    NO_NATS,
    NO_ROOM,
    EngineProcess,
    engine_process,
    limited_files,
    signal_document,
    tradeengine,
)
from tradeengine.cli.base import EXIT_CONFIG

pytestmark = pytest.mark.process

ROOM = 524_288
LITTLE_ROOM = 40_000
TEXT = "x" * 20_000
PROBLEM = "application/problem+json"


@asynccontextmanager
async def trading(data: Path, nats_url: str = NO_NATS) -> AsyncIterator[EngineProcess]:
    """Run an engine that holds a position."""
    async with engine_process(data, nats_url=nats_url) as engine:
        await engine.start()
        await engine.post_prices()
        await engine.accept(signal_document(signal_id="position", quantity="0.01", stop_loss_pct="0.01"))
        await engine.until_rows("/positions", bool, status="open")
        yield engine


def hold(signal_id: str, **fields: Any) -> dict[str, Any]:
    return signal_document("hold", signal_id=signal_id, **fields)


def journal_size(engine: EngineProcess) -> int:
    """Size of the largest file of the journal: with room for no more, it takes no record."""
    return max(file.stat().st_size for file in engine.data.glob("journal.sqlite*"))


async def test_nothing_is_acknowledged_until_there_is_room_again(tmp_path: Path) -> None:
    async with trading(tmp_path / "data") as engine:
        engine.limit_files(ROOM)
        decided: dict[str, Any] = {}
        refused = await send_until_refused(engine, decided)

        assert (refused.status_code, refused.headers["content-type"]) == (503, PROBLEM)
        assert refused.json()["code"] == "outcome_pending"
        await engine.until_not_ready("journal.sqlite")
        assert "commit_failed" in engine.log()
        assert (await engine.request("GET", "/live")).status_code == 200
        shown = {row["signal_id"] for row in await engine.rows("/decisions")}
        assert shown <= decided.keys() | {"position"}

        engine.limit_files()
        await engine.until_ready()
        copy = await engine.send(hold(f"long-{len(decided)}", rationale=TEXT))
        assert copy.json()["outcome"] == "duplicate", "what waited for room was not decided when there was some"
        await engine.accept(signal_document("close", signal_id="closing"))
        await engine.until_rows("/positions", lambda rows: not rows, status="open")
        await engine.stop()

        history = await read_history(engine.data)
        assert len(history.decisions) == len(decided) + 3
        await check_store(engine.data, tmp_path)
        check_decisions(engine.data, history, {("A", signal_id): decision for signal_id, decision in decided.items()})


async def send_until_refused(engine: EngineProcess, decided: dict[str, Any]) -> httpx.Response:
    """Send long signals until one is refused, and note the decisions before it; the refusal."""
    for number in range(200):
        answer = await engine.send(hold(f"long-{number}", rationale=TEXT))
        if answer.status_code != 200:
            assert decided, "nothing was decided before the disk was full"
            return answer
        decided[f"long-{number}"] = answer.json()
    raise AssertionError("the disk never became full")


async def test_the_broker_keeps_what_cannot_be_committed(tmp_path: Path, nats_server: NatsServer) -> None:
    async with trading(tmp_path / "data", nats_server.url) as engine, connected(nats_server.url) as client:
        # The log has no room either.
        engine.limit_files(NO_ROOM)
        await publish(client.jetstream(timeout=PATIENCE_S), *[hold(f"waiting-{number}") for number in range(50)])
        await engine.until_not_ready("journal.sqlite")
        assert await unacknowledged(client) == 50
        assert [row["signal_id"] for row in await engine.rows("/decisions")] == ["position"]

        engine.limit_files()
        await until_all_acknowledged(client)
        await engine.until_ready()
        await engine.stop()

        history = await read_history(engine.data)
        expected = {"position", *(f"waiting-{number}" for number in range(50))}
        assert {signal_id for _, signal_id in history.decisions} == expected
        await check_store(engine.data, tmp_path)


async def test_its_own_server_is_started_again_when_a_stream_failed(tmp_path: Path) -> None:
    async with engine_process(tmp_path / "data") as engine:
        await engine.start()
        nats_url = engine.nats_url
        assert nats_url
        # What it logs when the disk is full; from then on it never writes that stream again.
        with (engine.data / "nats" / "nats-server.log").open("a") as log:
            log.write("[1] [ERR] JetStream stream '$G > SIGNALS' critical write error: no space left on device\n")
        await engine.until_logged("nats_store_failed")
        await engine.until_logged("nats_server_died")
        await engine.until_ready()
        async with connected(nats_url) as client:
            await publish(client.jetstream(timeout=PATIENCE_S), hold("after"))
            await until_all_acknowledged(client)
        await engine.until_rows("/decisions", bool, signal_id="after")
        await engine.stop()


async def test_it_stops_cleanly_while_the_disk_is_full(tmp_path: Path) -> None:
    async with trading(tmp_path / "data") as engine:
        engine.limit_files(journal_size(engine))
        waiting = asyncio.create_task(engine.send(hold("waiting")))
        await engine.until_not_ready("journal.sqlite")
        engine.terminate()

        answer = await waiting
        assert (answer.status_code, answer.json()["code"]) == (503, "outcome_pending")
        assert await engine.ended() == 0
        assert "snapshot_failed" in engine.log()
        assert "Traceback" not in engine.log()

        await engine.start()
        assert (await engine.send(hold("waiting"))).json()["outcome"] == "held"
        await engine.stop()
        await check_store(engine.data, tmp_path)


async def test_it_can_be_stopped_while_it_starts_on_a_full_disk(tmp_path: Path) -> None:
    async with trading(tmp_path / "data") as engine:
        await engine.stop()
    # Every shard records a changed setting before anything is served: there is room for some of them.
    options: dict[str, Any] = {"nats_url": NO_NATS, "settings": {"MAX_SIGNAL_AGE_SECONDS": "200"}}
    async with engine_process(engine.data, **options, through=limited_files(LITTLE_ROOM)) as starting:
        starting.spawn()
        await starting.until_logged("commit_failed")
        starting.terminate()
        assert await starting.ended() == 0
        assert "Traceback" not in starting.log()
    async with engine_process(engine.data, **options) as engine:
        await engine.start()
        await engine.stop()
        await check_store(engine.data, tmp_path)


def test_it_does_not_start_on_a_full_disk(tmp_path: Path) -> None:
    data = tmp_path / "data"
    env = {"NATS_EMBEDDED": "off"}
    refused = tradeengine("run", "--data-dir", data, "--port", "0", env=env, through=limited_files(NO_ROOM))
    assert refused.returncode == EXIT_CONFIG, refused.stderr
    assert str(data / "journal.sqlite") in refused.stderr
    assert "disk" in refused.stderr
    assert "Traceback" not in refused.stderr
