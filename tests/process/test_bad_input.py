"""Bad input by all three ways: refused or parked with a reason, counted, and the next one is served."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from contracts.api import MAX_BATCH_SIGNALS
from contracts.signal import MAX_SIGNAL_BYTES
from contracts.subjects import DEAD_STREAM, SIGNALS, signal_subject
from contracts.values import iso_millis
from shared.clock import SystemClock
from tests.process.load import connected, publish, until_all_acknowledged
from tests.process.store import check_store
from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer
from tests.support.process import NO_NATS, TRADE, EngineProcess, engine_process, signal_document

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(240)]

TIMES = 10_000
HOUR_MS = 3_600_000


def encoded(**fields: Any) -> bytes:
    return json.dumps(signal_document(**fields)).encode()


def without(field: str) -> bytes:
    document = signal_document()
    del document[field]
    return json.dumps(document).encode()


RUBBISH = b"rubbish"
NOT_A_NUMBER = encoded(quantity="NaN")
NO_SIGNALS = [
    (RUBBISH, "not JSON"),
    (b'{"strategy_id": "A", "action": buy}', "not JSON"),
    (b"\xff\xfe\x00", "not JSON"),
    (encoded(quantity=float("nan")), "not JSON"),
    (b"[1, 2, 3]", "a signal is a JSON object, not list"),
    (b"null", "a signal is a JSON object, not NoneType"),
    (b'{"hello": "world"}', "strategy_id: Field required"),
    (without("confidence"), "confidence: Field required"),
    (encoded(action="hope"), "action: "),
    (encoded(symbol="btc/usdt"), "symbol: "),
    (NOT_A_NUMBER, "quantity: "),
    (encoded(stop_loss="-Infinity"), "stop_loss: "),
    (encoded(take_profit="-1"), "take_profit: "),
    (encoded(timestamp="yesterday"), "timestamp: "),
]
"""What is no signal, and a part of the reason."""

HUGE = encoded(rationale="x" * 10_000_000)


def untimely() -> list[dict[str, Any]]:
    """Signals that are decided, and refused for their time: too old, and from the future."""
    now = SystemClock().now_ms()
    return [
        signal_document(signal_id="old", quantity="0.01", timestamp=iso_millis(now - HOUR_MS)),
        signal_document(signal_id="future", quantity="0.01", timestamp=iso_millis(now + HOUR_MS)),
    ]


async def until_refused_for_their_time(engine: EngineProcess) -> None:
    for signal_id, reason in (("old", "stale_signal"), ("future", "future_signal")):
        (row,) = await engine.until_rows("/decisions", bool, signal_id=signal_id)
        assert (row["outcome"], row["reason"]) == ("rejected", reason)
        await engine.until_metric("tradeengine_signals_rejected_total", 1, reason=reason)


async def until_decided_once(engine: EngineProcess) -> None:
    """Wait until the signal ``once`` is bought once, and all its copies are counted."""
    (row,) = await engine.until_rows("/decisions", bool, signal_id="once")
    assert row["outcome"] == "accepted"
    (position,) = await engine.until_rows("/positions", bool, status="open")
    assert Decimal(position["current_quantity"]) == Decimal("0.01")
    await engine.until_metric("tradeengine_signals_duplicate_total", TIMES - 1)


async def until_invalid(engine: EngineProcess, count: int) -> None:
    """Wait until so many messages are counted that are no signals."""
    await engine.until_metric("tradeengine_signals_rejected_total", count, reason="invalid_signal")


# ---------------------------------------------------------------- NATS


@pytest.fixture
def roomy_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A nats-server that takes messages far above its default, as an operator may allow."""
    folder = tmp_path / "nats"
    folder.mkdir()
    server = NatsServer(folder, more="max_payload: 16MB\n")
    server.start()
    try:
        yield server
    finally:
        server.close()


async def test_by_nats(tmp_path: Path, roomy_server: NatsServer) -> None:
    async with engine_process(tmp_path / "data", nats_url=roomy_server.url) as engine:
        await engine.start()
        await engine.post_prices()
        async with connected(roomy_server.url) as client:
            jetstream = client.jetstream(timeout=PATIENCE_S)
            for payload in (*[payload for payload, _ in NO_SIGNALS], HUGE):
                await jetstream.publish(signal_subject("BTCUSDT"), payload)
            await jetstream.publish(signal_subject("ETHUSDT"), encoded(symbol="BTCUSDT"))
            await jetstream.publish(SIGNALS, RUBBISH)
            await publish(jetstream, *untimely())
            await publish(jetstream, signal_document("hold", signal_id="next"))
            await engine.until_rows("/decisions", bool, signal_id="next")
            await until_all_acknowledged(client)

            expected = [part for _, part in NO_SIGNALS]
            expected += [f"a signal at most {MAX_SIGNAL_BYTES}", "published to the subject of ETHUSDT", "not JSON"]
            reasons = await dead_letters(client, len(expected))
            for part in expected:
                assert any(part in reason for reason in reasons), f"{part!r} is not among {reasons}"
            await until_invalid(engine, len(expected))
            await engine.until_metric("tradeengine_nats_messages_processed_total", len(expected), status="parked")
        await until_refused_for_their_time(engine)
        await engine.until_ready()
        await engine.stop()
        await check_store(engine.data, tmp_path)


async def dead_letters(client: Client, count: int) -> list[str]:
    """Reasons of all parked messages, once there are so many."""
    jetstream = client.jetstream(timeout=PATIENCE_S)
    async with asyncio.timeout(60):
        while (await jetstream.stream_info(DEAD_STREAM)).state.messages < count:  # noqa: ASYNC110 - the broker's state
            await asyncio.sleep(0.02)
    assert (await jetstream.stream_info(DEAD_STREAM)).state.messages == count
    letters = [await jetstream.get_msg(DEAD_STREAM, sequence) for sequence in range(1, count + 1)]
    return [(letter.headers or {})["Reason"] for letter in letters]


async def test_ten_thousand_times_by_nats(tmp_path: Path, nats_server: NatsServer) -> None:
    async with engine_process(tmp_path / "data", nats_url=nats_server.url) as engine:
        await engine.start()
        await engine.post_prices()
        async with connected(nats_server.url) as client:
            jetstream = client.jetstream(timeout=PATIENCE_S)
            once = signal_document(signal_id="once", quantity="0.01")
            for _ in range(TIMES // 1000):
                await publish(jetstream, *[once] * 1000)
                await asyncio.gather(*[jetstream.publish(signal_subject("BTCUSDT"), RUBBISH) for _ in range(1000)])
            await publish(jetstream, signal_document("hold", signal_id="next"))
            await engine.until_rows("/decisions", bool, signal_id="next", seconds=60)
            await until_all_acknowledged(client)
            assert all("not JSON" in reason for reason in await dead_letters(client, TIMES))
        await until_decided_once(engine)
        await until_invalid(engine, TIMES)
        await engine.stop()
        await check_store(engine.data, tmp_path)


# ---------------------------------------------------------------- HTTP


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EngineProcess]:
    """An engine with prices and without NATS."""
    async with engine_process(tmp_path / "data", nats_url=NO_NATS) as engine:
        await engine.start()
        await engine.post_prices()
        yield engine


async def test_by_http(engine: EngineProcess) -> None:
    for payload, reason in NO_SIGNALS:
        answer = await post(engine, "/trade/signal", payload)
        assert (answer["status"], answer["code"]) == (422, "invalid_signal")
        assert reason in answer["detail"]
    await until_invalid(engine, len(NO_SIGNALS))

    answer = await post(engine, "/trade/signal", HUGE)
    assert (answer["status"], answer["code"]) == (413, "body_too_large")
    await engine.until_metric("tradeengine_http_request_seconds_count", 1, method="POST", status="413")

    for document in untimely():
        assert (await engine.send(document)).json()["outcome"] == "rejected"
    await until_refused_for_their_time(engine)
    await engine.accept(signal_document(signal_id="next", quantity="0.01"))
    await engine.stop()


async def test_ten_thousand_times_by_http(engine: EngineProcess) -> None:
    once = encoded(signal_id="once", quantity="0.01")
    for _ in range(TIMES // MAX_BATCH_SIGNALS):
        decided = await post(engine, "/trade", batch([once] * MAX_BATCH_SIGNALS))
        assert {result["decision"]["signal_id"] for result in decided["results"]} == {"once"}
        refused = await post(engine, "/trade", batch([NOT_A_NUMBER] * MAX_BATCH_SIGNALS))
        assert {result["problem"]["code"] for result in refused["results"]} == {"invalid_signal"}
    await engine.accept(signal_document("buy", symbol="ETHUSDT", signal_id="next", quantity="0.1"))
    await engine.until_rows("/positions", bool, status="open", symbol="ETHUSDT")
    await engine.accept(signal_document("close", symbol="ETHUSDT", signal_id="closing"))
    await engine.until_rows("/positions", lambda rows: not rows, status="open", symbol="ETHUSDT")
    await until_decided_once(engine)
    await until_invalid(engine, TIMES)
    await engine.stop()


def batch(documents: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(documents) + b"]"


async def post(engine: EngineProcess, path: str, body: bytes) -> Any:
    headers = {**TRADE, "Content-Type": "application/json"}
    return (await engine.request("POST", path, content=body, headers=headers)).json()


# ---------------------------------------------------------------- files


async def test_by_file(tmp_path: Path) -> None:
    lines = [
        *[payload for payload, _ in NO_SIGNALS],
        HUGE,
        b"",
        *[json.dumps(document).encode() for document in untimely()],
    ]
    lines += [encoded(action="hold", signal_id="again")] * TIMES
    lines += [RUBBISH] * TIMES
    lines += [encoded(action="hold", signal_id="next")]
    (tmp_path / "signals.jsonl").write_bytes(b"\n".join(lines) + b"\n")

    arguments = ("--signals", tmp_path / "signals.jsonl")
    async with engine_process(tmp_path / "data", nats_url=NO_NATS, arguments=arguments) as engine:
        await engine.start()
        await engine.until_rows("/decisions", bool, signal_id="next", seconds=60)
        await until_refused_for_their_time(engine)
        await engine.until_metric("tradeengine_signals_duplicate_total", TIMES - 1)

        expected = [*[part for _, part in NO_SIGNALS], f"longer than {MAX_SIGNAL_BYTES}", *["not JSON"] * TIMES]
        await until_invalid(engine, len(expected))
        entries = [json.loads(line) for line in (engine.data / "dead-letters.jsonl").read_text().splitlines()]
        for part, entry in zip(expected, entries, strict=True):
            assert part in entry["reason"]
        assert [entry["line"] for entry in entries[: len(NO_SIGNALS) + 1]] == list(range(1, len(NO_SIGNALS) + 2))
        assert all(len(entry["raw"]) < MAX_SIGNAL_BYTES for entry in entries)
        await engine.until_logged(f"{3 + TIMES} signals decided, {len(expected)} lines parked")
        await engine.until_ready()
        await engine.stop()
        await check_store(engine.data, tmp_path)
