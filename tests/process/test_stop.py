"""SIGTERM: what is under way is finished, the exit code is 0, and the next start goes on from the same state."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.process.load import connected, publish, until_all_acknowledged
from tests.process.store import check_store
from tests.support.deadline import PATIENCE_S
from tests.support.process import NO_NATS, TRADE, EngineProcess, engine_process, signal_document, tradeengine

pytestmark = pytest.mark.process

TABLES = ("/positions", "/strategy-positions", "/contributions", "/orders", "/fills", "/decisions")


async def test_a_restart_gives_the_same_state(tmp_path: Path) -> None:
    async with engine_process(tmp_path / "data") as engine:
        await engine.start()
        await two_strategies_beside_a_third(engine)
        before = await everything(engine)
        nats_url = engine.nats_url
        assert nats_url
        await engine.stop()
        assert not await is_listening(nats_url), "its nats-server outlived it"
        replayed = tradeengine("replay", "--store", engine.data)
        assert (replayed.returncode, replayed.stderr) == (0, "")

        await engine.start()
        assert await everything(engine) == before
        await engine.stop()
        # Each start takes its shards anew, and records that; nothing else has changed.
        replayed = tradeengine("replay", "--store", engine.data)
        assert (replayed.returncode, replayed.stderr) == (0, "")

        # The orders that rested are at the venue again: A's stop is reached, and no other.
        await engine.start()
        await engine.post_prices({"BTCUSDT": Decimal(44_000)})
        closed = await engine.until_rows("/strategy-positions", bool, status="closed")
        assert [(row["strategy_id"], row["close_reason"]) for row in closed] == [("A", "stop_loss")]
        engine.terminate(signal.SIGINT)
        assert await engine.ended() == 0
        await check_store(engine.data, tmp_path)


async def two_strategies_beside_a_third(engine: EngineProcess) -> None:
    """A and B share a LONG position, C holds SHORT beside it; one signal by HTTP, two by NATS."""
    long = {"quantity": "0.01", "stop_loss": "44500", "signal_id": "a"}
    await engine.post_prices({"BTCUSDT": Decimal(45_000)})
    await engine.accept(signal_document("buy", "A", **long))
    await engine.until_rows("/positions", bool, status="open")
    await engine.post_prices({"BTCUSDT": Decimal(46_000)})
    assert engine.nats_url
    async with connected(engine.nats_url) as client:
        more_long = signal_document("buy", "B", quantity="0.02", stop_loss_pct="0.1", signal_id="b")
        short = signal_document("sell", "C", quantity="0.04", stop_loss_pct="0.1", signal_id="c")
        await publish(client.jetstream(timeout=PATIENCE_S), more_long, short)
        await until_all_acknowledged(client)
    await engine.until_rows("/orders", lambda rows: len(rows) == 3, status="open")
    legs = await engine.until_rows("/positions", lambda rows: len(rows) == 2, status="open")
    assert {row["side"]: Decimal(row["current_quantity"]) for row in legs} == {
        "LONG": Decimal("0.03"),
        "SHORT": Decimal("0.04"),
    }


async def everything(engine: EngineProcess) -> dict[str, Any]:
    """Every row of every table."""
    await engine.until_projected()
    return {path: await engine.rows(path) for path in TABLES}


async def test_a_request_under_way_is_answered(tmp_path: Path) -> None:
    async with engine_process(tmp_path / "data", nats_url=NO_NATS) as engine:
        await engine.start()
        await engine.post_prices()
        body = json.dumps(signal_document(signal_id="under-way", quantity="0.01")).encode()
        async with request_under_way(engine, len(body)) as (reader, writer):
            engine.terminate()
            while await is_listening(engine.url or ""):  # noqa: ASYNC110 - nothing tells but the try
                await asyncio.sleep(0.02)
            assert engine.running
            writer.write(body)
            head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            assert json.loads(answer)["outcome"] == "accepted"
        assert await engine.ended() == 0
        assert "Traceback" not in engine.log()

        await engine.start()
        copy = await engine.send(json.loads(body))
        assert copy.json()["outcome"] == "duplicate"
        assert copy.json()["first"]["outcome"] == "accepted", "the answer does not say what became of the first copy"
        await engine.stop()
        await check_store(engine.data, tmp_path)


@asynccontextmanager
async def request_under_way(
    engine: EngineProcess, size: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Send the head of a request and wait until the engine asks for the body."""
    address = urlsplit(engine.url or "")
    head = (
        f"POST /trade/signal HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: {TRADE['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(head.encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def is_listening(url: str) -> bool:
    """Whether a connection to an address is taken, and kept."""
    address = urlsplit(url)
    try:
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.close()
        await writer.wait_closed()
    except ConnectionError:
        return False
    return True
