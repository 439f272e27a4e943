"""``signal send`` to a real engine, by NATS and by HTTP, from a file and from standard input."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.simulating import write_signals
from tests.support.nats import NatsServer
from tests.support.process import TRADER_KEY, engine_process, signal_document, tradeengine

pytestmark = pytest.mark.process


def signals(count: int, prefix: str) -> list[dict[str, Any]]:
    """Signals that hold: each has a decision, and none an order."""
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    return [
        signal_document("hold", signal_id=f"{prefix}-{number}", symbol=symbols[number % 3]) for number in range(count)
    ]


async def send(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(tradeengine, "signal", "send", *arguments, **options)


async def test_signals_reach_the_engine_by_every_way(tmp_path: Path, nats_server: NatsServer) -> None:
    async with engine_process(tmp_path / "data", nats_url=nats_server.url) as engine:
        await engine.start()
        by_nats = write_signals(tmp_path / "nats.jsonl", signals(450, "nats"))
        by_http = write_signals(tmp_path / "http.jsonl", [*signals(520, "http"), "no JSON"])
        typed = "".join(f"{json.dumps(signal)}\n" for signal in signals(3, "typed")).encode()
        http = ("--http", str(engine.url), "--key", TRADER_KEY)

        done = await send(by_nats, "--nats", nats_server.url)
        assert (done.returncode, done.stdout, done.stderr) == (0, "450 sent, 0 left out\n", "")
        done = await send("-", env={"NATS_URL": nats_server.url}, stdin=typed)
        assert (done.returncode, done.stdout, done.stderr) == (0, "3 sent, 0 left out\n", "")
        done = await send(by_http, *http)
        assert (done.returncode, done.stdout) == (1, "520 sent, 1 left out\n")
        assert "http.jsonl:521: not JSON" in done.stderr
        done = await send("-", *http, stdin=b"")
        assert (done.returncode, done.stdout) == (0, "0 sent, 0 left out\n")

        rows = await engine.until_rows("/decisions", lambda found: len(found) >= 973)
        assert {row["outcome"] for row in rows} == {"held"}
        sent = {
            f"{way}-{number}" for way, count in (("nats", 450), ("http", 520), ("typed", 3)) for number in range(count)
        }
        assert sorted(row["signal_id"] for row in rows) == sorted(sent)

        # Once more, by the other way each: nothing is decided again.
        assert (await send(by_nats, *http)).returncode == 0
        assert (await send(by_http, "--nats", nats_server.url)).returncode == 1
        await engine.until_rows("/decisions", lambda found: len(found) == 973)
        await engine.stop()


async def test_what_the_engine_refuses_is_said(tmp_path: Path) -> None:
    file = write_signals(tmp_path / "signals.jsonl", signals(1, "s"))
    async with engine_process(tmp_path / "data", nats_url="off") as engine:
        await engine.start()

        done = await send(file, "--http", str(engine.url), "--key", "wrong")

        assert done.returncode == 1
        assert f"{engine.url} refused line 1 and following: 401" in done.stderr
        assert await engine.rows("/decisions") == []
        await engine.stop()


async def test_a_server_without_the_stream_does_not_take_signals(tmp_path: Path, nats_server: NatsServer) -> None:
    file = write_signals(tmp_path / "signals.jsonl", signals(2, "s"))

    done = await send(file, "--nats", nats_server.url)

    assert (done.returncode, done.stdout) == (1, "")
    assert "line 1 and following: the broker did not store them" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--nats", "nats://127.0.0.1:1"), 1, "NATS at nats://127.0.0.1:1 does not answer"),
        (("--http", "http://127.0.0.1:1", "--key", "k"), 1, "http://127.0.0.1:1 does not answer"),
        (("--http", "127.0.0.1:8000", "--key", "k"), 2, "'127.0.0.1:8000' is not http://host:port"),
        (("--http", "http://127.0.0.1:port", "--key", "k"), 2, "'http://127.0.0.1:port' is not http://host:port"),
        (("--http", "http://127.0.0.1:1", "--key", "kéy"), 2, "a key has ASCII characters only"),
        (("--nats", "127.0.0.1"), 2, "'127.0.0.1' is not nats://host:port"),
        (("--nats", "nats://me:secret@127.0.0.1:port"), 2, "'nats://me:***@127.0.0.1:port' is not nats://host:port"),
        (("--nats", "nats://me:secret@127.0.0.1:1,nats://127.0.0.1:2"), 1, "NATS at nats://me:***@127.0.0.1:1,nats"),
        (("--http", "http://127.0.0.1:1"), 2, "--http needs the trader key"),
        ((), 2, "name where to send to: --nats URL or --http URL"),
    ],
)
async def test_nobody_there_and_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], code: int, text: str) -> None:
    file = write_signals(tmp_path / "signals.jsonl", signals(1, "s"))

    done = await send(file, *arguments)

    assert done.returncode == code
    assert text in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
