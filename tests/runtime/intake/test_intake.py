"""Signals reach the desk once, in order, and are acknowledged only when they are decided."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable

import nats
import pytest
from nats.js import api

from contracts.subjects import SIGNALS_STREAM, shard_filter, shard_of, signal_subject
from shared.clock import SystemClock
from shared.errors import ConfigError, Fenced, OutcomeUnknown, RetrySafe
from tests.runtime.intake.conftest import SHARDS, Publisher, RecordingDesk, body, signal_document, until
from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer
from tradeengine.runtime.intake import NatsIntake, PullSettings, StreamSettings
from tradeengine.runtime.intake.streams import ensure_streams

pytestmark = pytest.mark.process

BTC_SHARD = shard_of("BTCUSDT", SHARDS)
BTC_CONSUMER = f"engine-shard-{BTC_SHARD}"


async def _unacknowledged(publisher: Publisher, consumer: str = BTC_CONSUMER) -> int:
    info = await publisher.jetstream.consumer_info(SIGNALS_STREAM, consumer)
    return (info.num_ack_pending or 0) + (info.num_pending or 0)


def _unacknowledged_are(publisher: Publisher, number: int) -> Callable[[], Awaitable[bool]]:
    """Acknowledgements are sent, not confirmed, so the server may need a moment."""

    async def check() -> bool:
        return await _unacknowledged(publisher) == number

    return check


async def test_signals_are_decided_in_order_and_acknowledged(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    for number in range(1200):
        await publisher.client.publish(signal_subject("BTCUSDT"), body(f"s{number}"))
    await publisher.send("eth", "ETHUSDT")

    await until(lambda: intake.status().acked == 1201)

    assert [name for name in desk.ids if name != "eth"] == [f"s{number}" for number in range(1200)]
    assert "eth" in desk.ids
    await until(_unacknowledged_are(publisher, 0))
    status = intake.status()
    assert (status.ready, status.reason, status.connected) == (True, None, True)
    assert (status.received, status.parked, status.nak, status.rebuilds) == (1201, 0, 0, 0)
    assert status.last_message_age is not None


async def test_a_lone_signal_does_not_wait_for_a_batch(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    await until(lambda: intake.status().ready)
    await publisher.send("s1")

    await until(lambda: desk.ids == ["s1"], seconds=1)


async def test_same_message_id_is_stored_once_and_same_signal_id_is_brought_again(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    for _ in range(2):
        await publisher.jetstream.publish(signal_subject("BTCUSDT"), body("s1"), headers={"Nats-Msg-Id": "s1"})
    await publisher.send("s1")
    await publisher.send("s2")

    await until(lambda: intake.status().acked == 3)
    assert desk.ids == ["s1", "s1", "s2"]


INVALID = {
    "not JSON": (b"{'single': quotes}", "not JSON"),
    "not UTF-8": (b'{"symbol": "\xff\xfe"}', "not JSON"),
    "empty": (b"", "not JSON"),
    "not an object": (b"[1, 2]", "JSON object"),
    "not a signal": (b'{"hello": "world"}', "strategy_id"),
    "NaN": (body("x", quantity=float("nan")), "not JSON"),
    "NaN as text": (body("x", quantity="NaN"), "quantity"),
    "infinity": (body("x", price="Infinity"), "price"),
    "no time": (json.dumps({**signal_document("x"), "timestamp": "soon"}).encode(), "timestamp"),
    "deep": (b'{"a":' * 5000 + b"1" + b"}" * 5000, "not JSON"),
    "newline in the reason": (body("x", symbol="A\r\nB: c"), "symbol"),
}


@pytest.mark.parametrize("name", INVALID)
async def test_an_invalid_message_is_parked_with_bytes_and_reason(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher, name: str
) -> None:
    payload, reason = INVALID[name]
    await publisher.send("before")
    await publisher.jetstream.publish(signal_subject("BTCUSDT"), payload, headers={"Nats-Msg-Id": "their-id"})
    await publisher.send("after")

    await until(lambda: intake.status().acked == 3)

    assert desk.ids == ["before", "after"]
    assert intake.status().parked == 1
    (dead,) = await publisher.dead_letters()
    assert (dead.data or b"") == payload
    assert dead.subject == "signals.dead.BTCUSDT"
    assert reason in dead.headers["Reason"]
    assert dead.headers["Original-Subject"] == "signals.trading.BTCUSDT"
    assert (dead.headers["Original-Stream"], dead.headers["Original-Sequence"]) == ("SIGNALS", "2")
    assert dead.headers["Original-Msg-Id"] == "their-id"


async def test_symbol_of_another_subject_is_parked(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    await until(lambda: intake.status().connected)
    await publisher.jetstream.publish(signal_subject("BTCUSDT"), body("x", "ETHUSDT"))
    await publisher.jetstream.publish("signals.trading.btc-usdt", body("y", "BTCUSDT"))

    await until(lambda: intake.status().parked == 2)

    assert desk.decided == []
    dead = {letter.headers["Original-Subject"]: letter for letter in await publisher.dead_letters()}
    assert "ETHUSDT was published to the subject of BTCUSDT" in dead["signals.trading.BTCUSDT"].headers["Reason"]
    assert dead["signals.trading.btc-usdt"].subject == "signals.dead.unparsable"


async def test_a_message_as_large_as_the_server_takes_is_parked_cut(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    await until(lambda: intake.status().connected)
    payload = b"x" * (1024 * 1024)
    await publisher.jetstream.publish(signal_subject("BTCUSDT"), payload)
    await publisher.send("good")

    await until(lambda: intake.status().parked == 1 and desk.ids == ["good"])

    (dead,) = await publisher.dead_letters()
    assert dead.headers["Original-Bytes"] == str(len(payload))
    assert payload.startswith(dead.data)
    assert len(dead.data) > 1_000_000
    assert intake.status().connections == 1


async def test_ten_thousand_bad_messages_and_a_good_one(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    await until(lambda: intake.status().connected)
    for number in range(10_000):
        await publisher.client.publish(signal_subject("BTCUSDT"), b"bad %d" % number)
    await publisher.client.flush()
    await publisher.send("good")

    await until(lambda: intake.status().acked == 10_001)

    assert desk.ids == ["good"]
    assert intake.status().parked == 10_000
    assert (await publisher.jetstream.stream_info("SIGNALS_DEAD")).state.messages == 10_000


async def test_full_dead_letter_stream_does_not_hold_up_signals(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    await until(lambda: intake.status().connected)
    config = (await publisher.jetstream.stream_info("SIGNALS_DEAD")).config
    await publisher.jetstream.update_stream(config.evolve(max_msgs=1, discard=api.DiscardPolicy.NEW))
    for number in range(3):
        await publisher.jetstream.publish(signal_subject("BTCUSDT"), b"bad %d" % number)
    await publisher.send("good")

    await until(lambda: desk.ids == ["good"] and intake.status().parked == 1)

    await until(_unacknowledged_are(publisher, 2))
    await publisher.jetstream.update_stream(config)
    await until(lambda: intake.status().parked == 3)


async def test_a_desk_that_refuses_gets_the_same_signals_again_in_order(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    await until(lambda: intake.status().ready)
    desk.errors = [RetrySafe("full"), OutcomeUnknown("lost the store"), RetrySafe("full")]
    await publisher.send("s1")
    await until(lambda: desk.calls >= 1)
    reason = intake.status().reason
    await publisher.send("s2")

    await until(lambda: intake.status().acked == 2)

    assert reason is not None
    assert f"shard {BTC_SHARD}: full" in reason
    assert desk.ids == ["s1", "s2"]
    assert desk.calls >= 4
    status = intake.status()
    assert (status.ready, status.nak, status.received) == (True, 0, 2)


async def test_a_defect_in_the_desk_loses_nothing(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    await until(lambda: intake.status().ready)
    desk.errors = [KeyError("defect")]
    for number in range(3):
        await publisher.send(f"s{number}")

    await until(lambda: intake.status().acked == 3)

    assert desk.ids == ["s0", "s1", "s2"]
    assert intake.status().rebuilds == 1


async def test_a_slow_commit_is_not_delivered_twice(
    nats_server: NatsServer, desk: RecordingDesk, publisher: Publisher
) -> None:
    intake = NatsIntake(nats_server.url, desk, SystemClock(), pull=PullSettings(batch=2, ack_wait=3.0))
    desk.delay = 7.0
    await intake.start()
    try:
        # Two are being decided, two more wait in hand: all must stay ours for several times ack_wait.
        for number in range(4):
            await publisher.send(f"s{number}")
        await until(lambda: intake.status().acked == 4, seconds=PATIENCE_S)
        await until(_unacknowledged_are(publisher, 0))

        assert Counter(desk.ids) == {f"s{number}": 1 for number in range(4)}
        assert intake.status().received == 4
    finally:
        await intake.close()


async def test_a_fenced_shard_gives_its_signals_back(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    await until(lambda: intake.status().ready)
    desk.errors = [Fenced("another pod owns the shard")]
    await publisher.send("s1")

    # The desk says that it owns the shard again, so a new loop gets what the fenced one gave back.
    await until(lambda: desk.ids == ["s1"])

    status = intake.status()
    assert (status.nak, status.received) == (1, 2)


async def test_a_lost_shard_is_left_alone_and_the_others_go_on(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    async def nobody_pulls() -> bool:
        return not await publisher.pulls(SIGNALS_STREAM, BTC_CONSUMER)

    other = next(symbol for symbol in ("ETHUSDT", "ADAUSDT", "XRPUSDT") if shard_of(symbol, SHARDS) != BTC_SHARD)
    await until(lambda: intake.status().ready)
    await until(lambda: publisher.pulls(SIGNALS_STREAM, BTC_CONSUMER))
    desk.owned = desk.owned - {BTC_SHARD}
    await until(nobody_pulls)
    await publisher.send("lost")
    await publisher.send("kept", other)

    await until(lambda: desk.ids == ["kept"])
    await until(_unacknowledged_are(publisher, 1))
    assert intake.status().ready


async def test_ownership_is_followed(nats_server: NatsServer, desk: RecordingDesk, publisher: Publisher) -> None:
    desk.owned = frozenset()
    intake = NatsIntake(nats_server.url, desk, SystemClock())
    await intake.start()
    try:
        assert intake.status().ready
        await publisher.send("s1")
        desk.owned = frozenset({BTC_SHARD})
        await until(lambda: desk.ids == ["s1"])
        assert intake.status().ready
    finally:
        await intake.close()


async def test_what_a_killed_engine_had_in_hand_comes_first_and_at_once(
    nats_server: NatsServer, desk: RecordingDesk, publisher: Publisher
) -> None:
    await ensure_streams(publisher.jetstream, SHARDS, StreamSettings())
    await publisher.jetstream.add_consumer(
        SIGNALS_STREAM,
        api.ConsumerConfig(
            durable_name=BTC_CONSUMER, filter_subject=shard_filter(BTC_SHARD), ack_policy=api.AckPolicy.EXPLICIT
        ),
    )
    for number in range(3):
        await publisher.send(f"s{number}")
    killed = await nats.connect(nats_server.url, connect_timeout=PATIENCE_S)
    jetstream = killed.jetstream(timeout=PATIENCE_S)
    subscription = await jetstream.pull_subscribe_bind(consumer=BTC_CONSUMER, stream=SIGNALS_STREAM)
    assert len(await subscription.fetch(3, timeout=PATIENCE_S)) == 3
    await killed.close()
    await publisher.send("s3")

    intake = NatsIntake(nats_server.url, desk, SystemClock())
    await intake.start()
    try:
        await until(lambda: len(desk.ids) == 4, seconds=5)
        assert desk.ids == ["s0", "s1", "s2", "s3"]
    finally:
        await intake.close()


async def test_drain_finishes_what_is_in_flight_and_gives_back_the_rest(
    nats_server: NatsServer, desk: RecordingDesk, publisher: Publisher
) -> None:
    intake = NatsIntake(nats_server.url, desk, SystemClock(), pull=PullSettings(batch=1))
    desk.delay = 0.5
    await intake.start()
    for number in range(3):
        await publisher.send(f"s{number}")
    await until(lambda: desk.calls == 1)
    await intake.close()

    assert desk.ids == ["s0"]
    assert intake.status().acked == 1
    assert not intake.status().ready
    await until(_unacknowledged_are(publisher, 2))

    desk.delay = 0
    again = NatsIntake(nats_server.url, desk, SystemClock())
    await again.start()
    try:
        await until(lambda: desk.ids == ["s0", "s1", "s2"])
    finally:
        await again.close()


async def test_counts_are_told_to_the_hook(nats_server: NatsServer, desk: RecordingDesk, publisher: Publisher) -> None:
    told: Counter[str] = Counter()
    intake = NatsIntake(nats_server.url, desk, SystemClock(), on_event=lambda name, number: told.update({name: number}))
    await intake.start()
    try:
        await publisher.send("s1")
        await publisher.jetstream.publish(signal_subject("BTCUSDT"), b"bad")
        await until(lambda: told["acked"] == 2)
        assert (told["received"], told["parked"], told["connected"]) == (2, 1, 1)
    finally:
        await intake.close()


async def test_what_waits_to_be_decided_is_known(intake: NatsIntake, desk: RecordingDesk, publisher: Publisher) -> None:
    await until(lambda: intake.status().ready)
    assert intake.backlog == 0
    desk.delay = 0.5
    for number in range(600):
        await publisher.client.publish(signal_subject("BTCUSDT"), body(f"s{number}"))

    await until(lambda: intake.backlog == 600)
    desk.delay = 0
    await until(lambda: intake.status().acked == 600)
    assert intake.backlog == 0


async def test_wrong_shard_count_refuses_to_start(
    nats_server: NatsServer, intake: NatsIntake, publisher: Publisher
) -> None:
    other = NatsIntake(nats_server.url, RecordingDesk(shards=SHARDS * 2), SystemClock())

    with pytest.raises(ConfigError, match="set SHARDS"):
        await other.start()
    await other.close()


async def test_consumer_of_other_subjects_is_reported(
    nats_server: NatsServer, desk: RecordingDesk, intake: NatsIntake, publisher: Publisher
) -> None:
    await until(lambda: intake.status().ready)
    await intake.drain()
    await publisher.jetstream.delete_consumer(SIGNALS_STREAM, BTC_CONSUMER)
    await publisher.jetstream.add_consumer(
        SIGNALS_STREAM,
        api.ConsumerConfig(
            durable_name=BTC_CONSUMER, filter_subject=shard_filter(99), ack_policy=api.AckPolicy.EXPLICIT
        ),
    )
    other = NatsIntake(nats_server.url, desk, SystemClock())
    await other.start()
    try:
        await until(lambda: f"nats consumer rm SIGNALS {BTC_CONSUMER}" in (other.status().reason or ""))
    finally:
        await other.close()
