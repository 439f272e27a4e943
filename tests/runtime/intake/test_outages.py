"""Whatever happens to the server or the connection, signals are taken again within seconds."""

import asyncio
import time

import pytest

from contracts.subjects import SIGNALS_STREAM, shard_of, signal_subject
from shared.clock import SystemClock
from tests.runtime.intake.conftest import SHARDS, Publisher, RecordingDesk, body, until
from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer
from tradeengine.runtime.intake import NatsIntake, PullSettings

pytestmark = pytest.mark.process

RESUME_SECONDS = 5.0
BTC_CONSUMER = f"engine-shard-{shard_of('BTCUSDT', SHARDS)}"


async def _resumes(intake: NatsIntake, desk: RecordingDesk, publisher: Publisher, signal_id: str) -> None:
    """From now on, a signal must be decided in time, and /ready must say so."""
    await until(lambda: publisher.client.is_connected, RESUME_SECONDS)
    await publisher.client.publish(signal_subject("BTCUSDT"), body(signal_id))
    await until(lambda: signal_id in desk.ids and intake.status().ready, RESUME_SECONDS)


@pytest.mark.parametrize(
    "seconds",
    [
        3,
        pytest.param(15, marks=pytest.mark.slow),
        pytest.param(60, marks=pytest.mark.long),
        pytest.param(600, marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
async def test_i146_server_away(
    nats_server: NatsServer, intake: NatsIntake, desk: RecordingDesk, publisher: Publisher, seconds: int
) -> None:
    await publisher.send("before")
    await until(lambda: desk.ids == ["before"])

    await asyncio.to_thread(nats_server.stop)
    await until(lambda: not intake.status().connected)
    reason = intake.status().reason or ""
    assert "no connection to nats://127.0.0.1" in reason
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        assert not intake.status().ready
        await asyncio.sleep(0.1)
    await asyncio.to_thread(nats_server.start)

    await _resumes(intake, desk, publisher, "after")
    assert intake.status().connections == 2


async def test_server_killed_under_load_loses_nothing(
    nats_server: NatsServer, intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    desk.delay = 0.02
    sent: list[str] = []
    for number in range(600):
        await publisher.send(f"s{number}")
        sent.append(f"s{number}")
    await until(lambda: desk.calls > 2)
    for _ in range(3):
        await asyncio.to_thread(nats_server.kill)
        await asyncio.to_thread(nats_server.start)
        await _resumes(intake, desk, publisher, f"after-{desk.calls}")

    await until(lambda: set(sent) <= set(desk.ids))
    first_times = list(dict.fromkeys(name for name in desk.ids if name in set(sent)))
    assert first_times == sent


async def test_a_batch_in_flight_is_acknowledged_over_the_next_connection(
    nats_server: NatsServer, intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    await until(lambda: intake.status().ready)
    desk.delay = 1.0
    await publisher.send("s1")
    await until(lambda: desk.calls == 1)
    await asyncio.to_thread(nats_server.stop)
    await until(lambda: desk.ids == ["s1"])
    desk.delay = 0
    await asyncio.to_thread(nats_server.start)

    await until(lambda: intake.status().acked == 1)
    await _resumes(intake, desk, publisher, "s2")
    assert desk.ids == ["s1", "s2"]


@pytest.mark.parametrize("told", [True, False])
async def test_a_client_that_was_closed_is_replaced(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher, told: bool
) -> None:
    for number in range(3):
        link = intake.connection.current
        assert link is not None
        if not told:
            # So it ends when its last bytes meet a broken socket.
            link.client._closed_cb = None
        await link.client.close()
        await until(lambda: intake.connection.state.connected)
        await _resumes(intake, desk, publisher, f"s{number}")
    assert intake.status().connections == 4


async def test_i85_a_frozen_server_is_noticed(
    nats_server: NatsServer, desk: RecordingDesk, publisher: Publisher
) -> None:
    intake = NatsIntake(nats_server.url, desk, SystemClock(), pull=PullSettings(silence=1.0))
    await intake.start()
    try:
        await until(lambda: intake.status().ready)
        nats_server.freeze()
        await until(lambda: not intake.status().ready)
        nats_server.thaw()
        await _resumes(intake, desk, publisher, "s1")
    finally:
        nats_server.thaw()
        await intake.close()


async def test_a_silent_subscription_is_rebuilt(
    nats_server: NatsServer, desk: RecordingDesk, publisher: Publisher
) -> None:
    intake = NatsIntake(nats_server.url, desk, SystemClock(), pull=PullSettings(silence=1.0))
    await intake.start()
    try:
        await until(lambda: intake.status().ready)
        link = intake.connection.current
        assert link is not None
        # The server forgets the subscriptions while the client believes in them.
        for subscription_id in list(link.client._subs):
            await link.client._send_unsubscribe(subscription_id)
        await link.client.flush()
        await publisher.send("s1")

        await until(lambda: desk.ids == ["s1"])
        assert intake.status().rebuilds >= 1
    finally:
        await intake.close()


async def test_a_deleted_consumer_is_made_again(intake: NatsIntake, desk: RecordingDesk, publisher: Publisher) -> None:
    await until(lambda: intake.status().ready)
    await publisher.jetstream.delete_consumer(SIGNALS_STREAM, BTC_CONSUMER)
    await _resumes(intake, desk, publisher, "s1")


async def test_deleted_streams_are_made_again(intake: NatsIntake, desk: RecordingDesk, publisher: Publisher) -> None:
    await until(lambda: intake.status().ready)
    for name in ("SIGNALS", "SIGNALS_BARE", "SIGNALS_DEAD"):
        await publisher.jetstream.delete_stream(name)

    async def exists() -> bool:
        return "SIGNALS" in {info.config.name for info in await publisher.jetstream.streams_info()}

    await until(exists)
    await _resumes(intake, desk, publisher, "s1")


async def test_server_that_comes_after_the_engine(
    nats_server: NatsServer, desk: RecordingDesk, publisher: Publisher
) -> None:
    nats_server.stop()
    intake = NatsIntake(nats_server.url.replace("//", "//user:secret@"), desk, SystemClock())
    await intake.start()
    try:
        status = intake.status()
        assert not status.ready
        assert not status.connected
        assert "secret" not in (status.reason or "")
        nats_server.start()
        await until(lambda: intake.status().ready, RESUME_SECONDS)
        await _resumes(intake, desk, publisher, "s1")
    finally:
        await intake.close()


async def test_closing_while_the_server_is_away(
    nats_server: NatsServer, intake: NatsIntake, desk: RecordingDesk
) -> None:
    await until(lambda: intake.status().ready)
    await asyncio.to_thread(nats_server.stop)
    await until(lambda: not intake.status().connected)

    # An intake that waits for the server does so for ever.
    async with asyncio.timeout(PATIENCE_S):
        await intake.close()
