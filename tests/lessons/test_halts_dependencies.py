"""Dependencies that are away, slow or mute: the engine lives, says what it waits for, and takes up again by itself."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contracts.values import iso_millis
from shared.clock import SystemClock
from tests.process.load import connected, publish, until_all_acknowledged
from tests.support.deadline import PATIENCE_S, Deadline, slowness
from tests.support.nats import NatsServer, nats_server
from tests.support.process import NO_NATS, READ, EngineProcess, engine_process, signal_document
from tests.support.protecting import ORDER, QUICK, opened
from tests.support.rig import Rig, rig, settings_for
from tests.support.toxiproxy import Toxiproxy

pytestmark = pytest.mark.process

__all__ = ["nats_server"]

PROBE_S = 0.1
PROBES = 50
SLOW_MS = 10_000
BOOT_MS = 5_000
RESUMES_WITHIN_S = 5.0


async def probed(engine: EngineProcess, enough: Callable[[Counter[int]], bool]) -> Counter[int]:
    """Ask /live and /ready until it is enough; how often /ready said what. They must answer at once."""
    times: list[float] = []
    said: Counter[int] = Counter()
    deadline = Deadline()
    while not enough(said):
        assert not deadline.passed(), f"after {deadline} /ready has said {said}"
        for path in ("/live", "/ready"):
            began = time.monotonic()
            answer = await engine.request("GET", path)
            times.append(time.monotonic() - began)
            if path == "/live":
                assert answer.status_code == 200
            else:
                said[answer.status_code] += 1
        await asyncio.sleep(0.02)
    # A busy machine may hold up one of them; what waits for an exchange would hold up all.
    assert statistics.median(times) < PROBE_S * slowness()
    assert max(times) < BOOT_MS / 1000
    return said


async def test_i80_an_exchange_that_takes_10_s_delays_no_probe(tmp_path: Path) -> None:
    async with rig(tmp_path, **QUICK) as made:
        await opened(made)
        await made.exchange.fault({"delay_ms": SLOW_MS}, None, "before", path="/fapi/*")
        asked = await made.exchange.moment()
        await made.until(lambda: made.exchange.requests(since=asked), "a request that waits")
        await probed(made.engine, lambda said: said.total() >= PROBES)
        await made.exchange.heal()
        await made.engine.until_ready()


async def test_i81_an_exchange_that_takes_5_s_at_the_start_delays_no_probe(tmp_path: Path) -> None:
    """The process is live at once and says what it waits for; it is ready when the exchange has answered."""
    async with rig(tmp_path, started=False, **QUICK) as made:
        await made.exchange.fault({"delay_ms": BOOT_MS}, 1, "before", path="/fapi/v1/exchangeInfo")
        began = time.monotonic()
        made.engine.spawn()
        await made.engine.until_not_ready("the venue binance-testnet")
        said = await probed(made.engine, lambda said: said[200] > 0)
        assert said.keys() <= {200, 503}
        assert time.monotonic() - began > BOOT_MS / 1000
        await opened(made)


async def test_i85_an_exchange_that_never_answers_is_left_and_found_again(tmp_path: Path, toxiproxy: Toxiproxy) -> None:
    """Connections stay open and nothing comes back: the stop rests; what left meanwhile never arrived, and is told."""
    async with rig(tmp_path, started=False) as other:
        proxy = toxiproxy.proxy(other.exchange.url)
        reached = {"BINANCE_FUTURES_BASE_URL": proxy.url, "BINANCE_WS_URL": f"ws://127.0.0.1:{proxy.port}"}
        settings = settings_for(other.exchange) | QUICK | reached
        async with engine_process(tmp_path / "through", nats_url=NO_NATS, settings=settings) as engine:
            await engine.start()
            made = Rig(other.exchange, engine)
            before = await opened(made)
            proxy.timeout()
            await engine.until_not_ready("exchange")
            assert await made.exchange.stops() == before
            assert (await engine.request("GET", "/live")).status_code == 200
            sent = await _orders_sent(engine)
            lost = await engine.send(signal_document("buy", "B", signal_id="lost", quantity="0.01"))
            assert lost.status_code in (200, 503), lost.text
            if lost.status_code == 200:

                async def left() -> bool:
                    count = await _orders_sent(engine)
                    # With a new minute the count has begun anew.
                    return count > sent or 0 < count < sent

                await made.until(left, "the order to leave for the exchange")
            proxy.clear()
            await engine.until_ready()
            await engine.until_rows("/orders", _ended, strategy_id="B")
            await opened(made, "buy", "C")
            assert await made.exchange.held() == Decimal("0.02")
            assert len(await made.exchange.requests("POST", ORDER)) == 2


async def _orders_sent(engine: EngineProcess) -> int:
    """How many orders the engine has sent in this minute."""
    health = (await engine.request("GET", "/health", headers=READ)).json()
    return int(health["components"]["venue"]["order_count_1m"])


def _ended(rows: list[dict[str, Any]]) -> bool:
    """Whether orders, if there are any, have ended."""
    assert not any(row["status"] == "filled" for row in rows)
    return all(row["status"] == "rejected" for row in rows)


async def test_i92_without_its_broker_it_is_not_ready_and_says_why(tmp_path: Path) -> None:
    """A pod that nobody can reach by NATS takes no traffic; when the broker comes, it is ready by itself."""
    with closing(NatsServer(tmp_path / "nats")) as server:
        server.start()
        await asyncio.to_thread(server.stop)
        async with rig(tmp_path, started=False, nats_url=server.url, **QUICK) as made:
            made.engine.spawn()
            await made.engine.until_not_ready(f"nats: no connection to {server.url}")
            assert (await made.engine.request("GET", "/live")).status_code == 200
            await asyncio.to_thread(server.start)
            await made.engine.until_ready(RESUMES_WITHIN_S)
            async with connected(server.url) as client:
                await publish(client.jetstream(timeout=PATIENCE_S), signal_document("hold", signal_id="first"))
            await made.engine.until_rows("/decisions", bool, signal_id="first", seconds=RESUMES_WITHIN_S)


@pytest.mark.parametrize(
    "times", [5, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(600)])], ids=["5", "50"]
)
async def test_i79_a_broker_that_is_killed_again_and_again_ends_no_process(
    tmp_path: Path, nats_server: NatsServer, times: int
) -> None:
    async with engine_process(tmp_path / "data", nats_url=nats_server.url) as engine:
        await engine.start()
        for number in range(times):
            await asyncio.to_thread(nats_server.kill)
            await engine.until_not_ready("no connection")
            await asyncio.to_thread(nats_server.start)
            async with connected(nats_server.url) as client:
                await publish(client.jetstream(timeout=PATIENCE_S), signal_document("hold", signal_id=f"s{number}"))
                await engine.until_rows("/decisions", bool, signal_id=f"s{number}", seconds=RESUMES_WITHIN_S)
            await engine.until_ready(RESUMES_WITHIN_S)
        assert engine.running
        assert engine.runs == 1
        await engine.stop()


async def test_i93_what_is_published_while_nothing_runs_is_decided_or_expires_out_loud(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    """A hundred signals, half of them too old to open anything: each has a decision, and no other orders leave."""
    old = iso_millis(SystemClock().now_ms() - 3_600_000)
    times: dict[str, dict[str, Any]] = {"fresh": {}, "old": {"timestamp": old}}
    documents = [
        signal_document(signal_id=f"{age}-{number}", quantity="0.001", **fields)
        for number in range(50)
        for age, fields in times.items()
    ]
    async with rig(tmp_path, nats_url=nats_server.url, **QUICK) as made, connected(nats_server.url) as client:
        await made.engine.stop()
        await publish(client.jetstream(timeout=PATIENCE_S), *documents)
        await made.engine.start()
        await until_all_acknowledged(client)
        rows = await made.engine.until_rows("/decisions", lambda found: len(found) == 100)
        told = Counter((row["signal_id"].partition("-")[0], row["outcome"], row["reason"]) for row in rows)
        assert told == {("fresh", "accepted", None): 50, ("old", "rejected", "stale_signal"): 50}

        async def holds_all() -> bool:
            return bool(await made.exchange.held() == Decimal("0.05"))

        await made.until(holds_all, "what was fresh")
        assert len(await made.exchange.requests("POST", ORDER)) == 50
