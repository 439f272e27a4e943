"""The service puts the paper venue together as the settings say: over a real journal, read model and engine."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from nats.js.errors import NoStreamResponseError

from contracts.enums import PositionSide, Severity
from contracts.subjects import ALERTS_STREAM, alert_subject
from shared.clock import SystemClock
from shared.errors import ConfigError
from shared.leases.sqlite import SqliteLeases
from shared.settings import Settings
from tests.support.engines import eventually, make_signal, send
from tests.support.nats import NatsServer, nats_server
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import FillReported
from tradeengine.journal.record import Record
from tradeengine.runtime.files import leases_file
from tradeengine.runtime.service import Service
from tradeengine.venue.paper.funding import EIGHT_HOURS_MS
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS

__all__ = ["nats_server"]

PRICE = Decimal(50_000)


class ShiftedClock(SystemClock):
    """The machine's clock, put ahead to a settlement time, so that no other one passes unless a test wants it to."""

    def __init__(self) -> None:
        self.ahead_ms = EIGHT_HOURS_MS - super().now_ms() % EIGHT_HOURS_MS

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


class Running:
    """A service at work, its clock and its committed records."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        settings = Settings.load({"TRADEENGINE_DATA_DIR": str(folder), "NATS_EMBEDDED": "off", "SHARDS": "2"} | env)
        self.clock = ShiftedClock()
        self.records: list[Record] = []
        self.service = Service(settings, self.clock, "0-test", DEMO_INSTRUMENTS, listeners=[self.records.append])

    def held(self) -> Decimal:
        """Quantity of the long leg of BTCUSDT."""
        legs = self.service.engine.account.legs()
        return next((leg.quantity for leg in legs if (leg.symbol, leg.side) == ("BTCUSDT", LONG)), Decimal(0))

    async def buy(self, quantity: str, strategy: str = "A") -> SignalDecided:
        """Send a market order's signal of now."""
        signal = make_signal("buy", strategy, quantity=quantity, timestamp=self.clock.now_ms())
        return (await send(self.service.engine, signal))[0]

    async def holds(self, quantity: str) -> None:
        """Wait until the long leg of BTCUSDT holds as much."""
        await eventually(lambda: self.held() == Decimal(quantity), f"{quantity} to be held")

    def booked_funding(self) -> Decimal:
        """Funding of all strategies, negative when paid."""
        return sum((state.totals.funding for state in self.service.engine.states), Decimal(0))

    def fill_times(self) -> list[int]:
        """When the venue executed, milliseconds since 1970 UTC."""
        entries = [entry for record in self.records for entry in record.entries]
        return [entry.input.time_ms for entry in entries if isinstance(entry.input, FillReported)]


LONG = PositionSide.LONG
Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    @asynccontextmanager
    async def starting(**env: str) -> AsyncIterator[Running]:
        running = Running(tmp_path, env)
        service = running.service
        await service.start()
        try:
            await eventually(lambda: service.engine.trouble is None, "the engine to be ready")
            service.post_price("BTCUSDT", PRICE)
            yield running
        finally:
            await service.stop()

    return starting


async def test_funding_is_booked_at_every_settlement_time_that_passes(start: Start) -> None:
    async with start(PAPER_FUNDING_RATE="0.0001") as running:
        await running.buy("0.003")
        await running.holds("0.003")
        assert running.booked_funding() == 0

        running.clock.ahead_ms += EIGHT_HOURS_MS
        running.service.post_price("BTCUSDT", PRICE)
        await eventually(lambda: running.booked_funding() == Decimal("-0.015"), "a settlement")
        running.clock.ahead_ms += 2 * EIGHT_HOURS_MS
        running.service.post_price("BTCUSDT", PRICE)
        await eventually(lambda: running.booked_funding() == Decimal("-0.045"), "two more settlements")


async def test_without_a_rate_no_funding_is_paid(start: Start) -> None:
    async with start() as running:
        await running.buy("0.003")
        await running.holds("0.003")
        running.clock.ahead_ms += EIGHT_HOURS_MS
        running.service.post_price("BTCUSDT", PRICE)
        # The order behind the settlement time is booked after whatever the settlement brought.
        await running.buy("0.001", "B")
        await running.holds("0.004")

        assert running.booked_funding() == 0


async def test_an_order_takes_the_latency_to_arrive(start: Start) -> None:
    async with start(PAPER_LATENCY_MS="120") as running:
        decided = await running.buy("0.003")
        await eventually(lambda: len(running.fill_times()) == 1, "the fill's commit")

        # One millisecond less: both times are cut to whole ones, on a clock that does not drive the pause.
        assert running.fill_times()[0] - decided.time_ms >= 119


async def test_a_price_executes_no_more_than_the_greatest_fill(start: Start) -> None:
    async with start(PAPER_MAX_FILL_QUANTITY="0.02") as running:
        await running.buy("0.05")
        for held in ("0.02", "0.04", "0.05"):
            await running.holds(held)
            running.service.post_price("BTCUSDT", PRICE)

        await eventually(lambda: len(running.fill_times()) == 3, "the commit of three fills")


async def test_health_and_metrics_tell_what_is_held(start: Start) -> None:
    async with start() as running:
        service = running.service

        def told() -> dict[str, object]:
            return dict(service.health.report().components["distributed_lock_manager"].details)

        await eventually(lambda: told().get("shards_held") == [0, 1], "health to tell of both shards")
        assert told()["epochs"] == {"0": 1, "1": 1}
        assert told()["members"] == [told()["owner"]]
        counted = service.metrics.registry.get_sample_value
        await eventually(lambda: counted("tradeengine_leases_held") == 2, "the gauge")
        assert counted("tradeengine_shard_takeovers_total") == 2


async def test_the_cluster_is_told_before_and_after_the_start(start: Start, tmp_path: Path) -> None:
    idle = Running(tmp_path / "idle", {}).service.cluster.report()
    assert (idle.members, [row.owner for row in idle.shards]) == ([], [None, None])
    assert idle.trouble == "leases are not kept yet"
    async with start(POD_NAME="laptop") as running:
        report = running.service.cluster.report
        await eventually(lambda: all(row.last_takeover for row in report().shards), "the take-overs")
        told = report()
        assert [(member.name, member.version, member.shards) for member in told.members] == [(told.pod, "0-test", 2)]
        assert [(row.owner, row.epoch, row.owner_lives) for row in told.shards] == [(told.pod, 1, True)] * 2
        assert [row.position for row in told.shards] == [
            state.sequence for state in running.service.engine.hosts.values()
        ]
        assert [(copy.name, copy.trouble) for copy in told.copies] == [("read_model", None)]


async def test_an_alert_whose_connection_closes_while_it_is_published_is_published_on_the_next(
    start: Start, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server keeps no alerts and nobody listens; before it can be told without, the connection is gone."""
    async with start(NATS_URL=nats_server.url) as running:
        service = running.service
        assert service.intake is not None
        connection = service.intake.connection
        await eventually(lambda: connection.current is not None, "the connection")
        former = connection.current
        assert former is not None
        await former.jetstream.delete_stream(ALERTS_STREAM)
        publish = former.jetstream.publish

        async def close_in_between(*message: Any, **more: Any) -> None:
            try:
                await publish(*message, **more)
            except NoStreamResponseError:
                await former.client.close()
                raise

        monkeypatch.setattr(former.jetstream, "publish", close_in_between)
        service.alerts.tell("engine_trouble", Severity.CRITICAL, "look at it")
        await eventually(lambda: not service.alerts._waiting, "the alert to be taken")
        assert former.client.is_closed
        link = connection.current
        assert link is not None
        kept = await link.jetstream.get_last_msg(ALERTS_STREAM, alert_subject("engine_trouble", None))
        assert json.loads(kept.data or b"")["message"] == "look at it"


async def test_who_starts_in_a_folder_takes_what_a_dead_process_left_without_waiting(
    start: Start, tmp_path: Path
) -> None:
    leases = SqliteLeases(leases_file(tmp_path))
    await leases.open()
    await leases.announce("dead", 1)
    for shard in range(2):
        await leases.take(None, shard, "dead", 3_600_000)
    await leases.close()
    async with start() as running:
        held = running.service.engine.ownership.held
        assert {shard: lease.epoch for shard, lease in held.items()} == {0: 2, 1: 2}


def test_a_greatest_fill_off_the_step_refuses_to_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no multiple of the step of SOLUSDT"):
        Running(tmp_path, {"PAPER_MAX_FILL_QUANTITY": "0.001"})
