"""nats-server goes away and comes back: the engine says so, takes up again by itself, and nothing is lost."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.process.load import connected, publish, until_all_acknowledged
from tests.process.store import check_store, read_history
from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer
from tests.support.process import EngineProcess, engine_process, signal_document

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(300)]

OUTAGES_S = (3, 15, 60)
RESUMES_WITHIN_S = 5.0
BEFORE = 300


async def test_i146_the_intake_resumes_when_the_server_is_back(tmp_path: Path) -> None:
    # Side by side, because nearly all of it is waiting.
    async with asyncio.TaskGroup() as outages:
        for seconds in OUTAGES_S:
            outages.create_task(outage(tmp_path / f"{seconds} s", seconds))


async def outage(folder: Path, seconds: float) -> None:
    """Take the server away under work, for so long, and give it back."""
    (folder / "nats").mkdir(parents=True)
    server = NatsServer(folder / "nats")
    server.start()
    try:
        async with engine_process(folder / "data", nats_url=server.url) as engine:
            await engine.start()
            await engine.post_prices()
            await without_its_server(engine, server, seconds)
            await engine.stop()
    finally:
        server.close()

    history = await read_history(engine.data)
    expected = {f"before-{number}" for number in range(BEFORE)} | {"meanwhile", "after"}
    assert {signal_id for _, signal_id in history.decisions} == expected
    await check_store(engine.data, folder)


async def without_its_server(engine: EngineProcess, server: NatsServer, seconds: float) -> None:
    async with connected(server.url) as client:
        # Some of these are still under way when the server goes.
        await publish(client.jetstream(timeout=PATIENCE_S), *[hold(f"before-{number}") for number in range(BEFORE)])

    away_since = time.monotonic()
    server.stop()
    await engine.until_not_ready("no connection")
    decision = await engine.accept(signal_document(signal_id="meanwhile", quantity="0.01"))
    assert decision["orders"]
    await stays_unready(engine, until=away_since + seconds)
    server.start()

    async with connected(server.url) as client:
        await publish(client.jetstream(timeout=PATIENCE_S), hold("after"))
        await engine.until_rows("/decisions", bool, signal_id="after", seconds=RESUMES_WITHIN_S)
        await engine.until_ready(seconds=RESUMES_WITHIN_S)
        await until_all_acknowledged(client)


async def stays_unready(engine: EngineProcess, until: float) -> None:
    """Insist that the engine says 503, and why, until a time."""
    while time.monotonic() < until:
        status, reasons = await engine.readiness()
        assert status == 503, "it says that it is ready without its server"
        assert any("no connection" in reason for reason in reasons), reasons
        await asyncio.sleep(0.1)


def hold(signal_id: str) -> dict[str, object]:
    return signal_document("hold", signal_id=signal_id)
