"""What goes wrong without a word: a task that died, a log that breaks, a figure that fails, signals all refused.

The service is the engine's own, in this process where a fault has to be put into it.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.settings import Settings
from tests.process.load import connected, publish
from tests.process.store import check_store
from tests.support.deadline import PATIENCE_S
from tests.support.engines import eventually, make_signal, send
from tests.support.nats import NatsServer, nats_server
from tests.support.process import NO_NATS, engine_process, signal_document
from tests.support.protecting import QUICK, flat, opened
from tests.support.records import RecordedWorld
from tests.support.rig import Rig, rig, settings_for
from tradeengine.domain.events import SignalDecided
from tradeengine.runtime.intake import NatsIntake, PullSettings
from tradeengine.runtime.rejections import LASTING_MS, LEAST_SIGNALS, Rejections
from tradeengine.runtime.service import Service
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS

pytestmark = pytest.mark.process

__all__ = ["nats_server"]

ONLY_REJECTIONS = "only_rejections"
UNTIL_STARTED = ("bash", "-c", 'exec "$@" > >(sed -u "/\\"started\\"/q") 2>&1', "bash")
"""Command that becomes another one, whose output is read until it has started, and then by nobody."""
BROKEN_METRICS = """
import prometheus_client

def broken(*given, **named):
    raise RuntimeError("a figure that cannot be recorded")

for kind, name in (("Counter", "inc"), ("Gauge", "set"), ("Histogram", "observe")):
    setattr(getattr(prometheus_client, kind), name, broken)
"""


class AdvancedClock(SystemClock):
    """The machine's clock; a test may put it ahead."""

    ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


class Running:
    """A service on paper, and its clock."""

    def __init__(self, folder: Path, nats_url: str | None) -> None:
        nats = {"NATS_EMBEDDED": "off"} if nats_url is None else {"NATS_URL": nats_url}
        env = {"TRADEENGINE_DATA_DIR": str(folder), **nats}
        self.clock = AdvancedClock()
        self.service = Service(Settings.load(env), self.clock, "0-test", DEMO_INSTRUMENTS)

    async def decided(self, action: str, **fields: Any) -> SignalDecided:
        """Have a signal of now decided."""
        signal = make_signal(action, "A", timestamp=self.clock.now_ms(), **fields)
        (decision,) = await send(self.service.engine, signal)
        return decision

    def reasons(self) -> tuple[str, ...]:
        """Why it is not ready; nothing when it is."""
        return self.service.health.report().reasons

    def parked(self) -> int:
        """How many messages were no signals."""
        assert self.service.intake is not None
        return self.service.intake.status().parked

    def told(self, severity: str) -> float:
        """How often the alert of this page was told."""
        labels = {"name": ONLY_REJECTIONS, "severity": severity}
        return self.service.metrics.registry.get_sample_value("tradeengine_alerts_total", labels) or 0.0


@asynccontextmanager
async def running(folder: Path, nats_url: str | None = None) -> AsyncIterator[Running]:
    made = Running(folder, nats_url)
    await made.service.start()
    try:
        made.service.post_price("BTCUSDT", Decimal(50_000))
        await eventually(lambda: not made.reasons(), "the service to be ready")
        yield made
    finally:
        await made.service.stop()


# ---------------------------------------------------------------- I83: silence


def task_named(name: str) -> "asyncio.Task[Any]":
    """The task of this loop with a name."""
    (found,) = [task for task in asyncio.all_tasks() if task.get_name() == name]
    return found


@pytest.mark.parametrize("task", ["intake-keeper", "nats-connection", "intake-replies", "alerts", "service-watch"])
async def test_i83_a_dead_task_makes_it_not_ready(tmp_path: Path, nats_server: NatsServer, task: str) -> None:
    async with running(tmp_path / "data", nats_server.url) as made:
        task_named(task).cancel()
        await eventually(lambda: bool(made.reasons()), "the service to say so")
        assert any("intake" in reason or task in reason for reason in made.reasons())


@pytest.mark.parametrize("seconds", [3, pytest.param(75, marks=pytest.mark.long)])
async def test_i83_after_idle_time_a_signal_is_decided(tmp_path: Path, nats_server: NatsServer, seconds: int) -> None:
    """Idle for many heartbeats, or for several requests of the consumers: nothing that only waits is collected."""
    async with running(tmp_path / "data") as made, connected(nats_server.url) as client:
        intake = NatsIntake(nats_server.url, made.service.engine, made.clock, pull=PullSettings(silence=0.5))
        await intake.start()
        try:
            for _ in range(seconds):
                gc.collect()
                await made.clock.sleep(1)
            await publish(client.jetstream(timeout=PATIENCE_S), signal_document("hold", signal_id="after"))
            await eventually(lambda: intake.status().acked >= 1, "the signal")
            # A machine that was busy for half a second has silenced a consumer, which is made anew then.
            await eventually(lambda: intake.status().ready, "the intake to be ready")
            assert intake.status().connections == 1
        finally:
            await intake.close()


async def test_i83_whoever_reads_a_shard_is_replaced_when_he_ends(tmp_path: Path, nats_server: NatsServer) -> None:
    async with running(tmp_path / "data", nats_server.url) as made, connected(nats_server.url) as client:
        intake = made.service.intake
        assert intake is not None
        for number in range(3):
            for shard in range(8):
                task_named(f"engine-shard-{shard}").cancel()
            taken = intake.status().acked
            await publish(client.jetstream(timeout=PATIENCE_S), signal_document("hold", signal_id=f"s{number}"))
            await eventually(lambda count=taken: intake.status().acked > count, "the signal")  # type: ignore[misc]
            await eventually(lambda: not made.reasons(), "the service to be ready")


# ---------------------------------------------------------------- I89: logs and figures


async def _trades(made: Rig) -> None:
    """Insist that orders, stops and closes go their way."""
    await opened(made)
    await made.engine.accept(signal_document("close", "A"))
    await flat(made)


async def test_i89_a_log_that_nobody_reads_stops_no_order(tmp_path: Path) -> None:
    """Standard output and error are a pipe whose reader has gone: each line fails, and nothing else does."""
    async with rig(tmp_path, started=False) as other:
        settings = settings_for(other.exchange, **QUICK)
        async with engine_process(
            tmp_path / "mute", nats_url=NO_NATS, settings=settings, through=UNTIL_STARTED
        ) as engine:
            await engine.start()
            await engine.until_logged('"started"')
            length = len(engine.log())
            await _trades(Rig(other.exchange, engine))
            engine.terminate()
            # With 120 Python says that it could not flush its output in the end.
            assert await engine.ended() in (0, 120)
            assert len(engine.log()) == length, "this log could be written"
        await check_store(engine.data, tmp_path, "binance-testnet")


async def test_i89_a_figure_that_fails_stops_no_order(tmp_path: Path, nats_server: NatsServer) -> None:
    """Every counter, gauge and histogram raises: signals of both ways are decided, and alerts are told."""
    (tmp_path / "sitecustomize.py").write_text(BROKEN_METRICS)
    settings: dict[str, Any] = {"PYTHONPATH": str(tmp_path), **QUICK}
    async with rig(tmp_path, nats_url=nats_server.url, **settings) as made:
        await _trades(made)
        async with connected(nats_server.url) as client:
            await publish(
                client.jetstream(timeout=PATIENCE_S), signal_document("buy", "B", signal_id="b", quantity="0.01")
            )
            await made.engine.until_rows("/decisions", bool, signal_id="b")
        assert "metric_failed" in made.engine.log()
        assert await made.engine.metric("tradeengine_signals_received_total") == 0
        assert await made.engine.readiness() == (200, [])


# ---------------------------------------------------------------- I91: everything refused


def test_i91_rejections_are_a_trouble_when_they_are_many_and_last() -> None:
    world, rejections = RecordedWorld(), Rejections()

    world.trade("buy", "A", "100", "1")
    began = world.now

    def trouble(later_ms: int = LASTING_MS) -> str | None:
        rejections.observe(world.cut())
        return rejections.trouble(began + later_ms)

    for number in range(LEAST_SIGNALS - 1):
        world.signal("close", "B", signal_id=f"nothing-{number}")
    world.signal("hold")
    world.signal("close", "B", signal_id="nothing-0")
    assert trouble() is None, "one is missing: what was held, or is a copy, does not count"
    rejections.invalid(1, began + 1)
    assert trouble(LASTING_MS - 1) is None, "for a moment that is nothing"
    assert "20 were rejected (no_position 19, invalid_signal 1)" in str(trouble())
    world.signal("hold", signal_id="another")
    assert trouble() is not None
    world.signal("buy", "A", signal_id="more", quantity="1", mark="100")
    assert trouble() is None


async def test_i91_when_everything_is_rejected_that_is_told_and_once_that_it_is_over(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    async with running(tmp_path / "data", nats_server.url) as made, connected(nats_server.url) as client:
        for number in (1, 2):
            for refused in range(LEAST_SIGNALS - 1):
                decision = await made.decided("close", signal_id=f"{number}-{refused}", symbol="ETHUSDT")
                assert decision.outcome == "rejected"
            # What is no signal at all counts too.
            await publish(client.jetstream(timeout=PATIENCE_S), {"symbol": "BTCUSDT", "number": number})
            await eventually(lambda count=number: made.parked() == count, "the dead letter")  # type: ignore[misc]
            made.clock.ahead_ms += LASTING_MS
            await eventually(lambda count=number: made.told("warning") == count, "the alert")  # type: ignore[misc]
            assert (await made.decided("buy", quantity="0.001")).outcome == "accepted"
            await eventually(lambda count=number: made.told("info") == count, "its end")  # type: ignore[misc]
        assert (made.told("warning"), made.told("info")) == (2, 2)
