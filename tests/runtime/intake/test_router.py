"""Signals of the bare subject reach the shard of their symbol."""

import pytest

from contracts.subjects import SIGNALS, SIGNALS_STREAM, shard_of
from tests.runtime.intake.conftest import SHARDS, Publisher, RecordingDesk, body, until
from tradeengine.runtime.intake import NatsIntake

pytestmark = pytest.mark.process


async def test_bare_signals_are_routed_in_order_with_their_headers(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    headers = {"Nats-Msg-Id": "their-id", "traceparent": "00-1-2-01", "Nats-Expected-Stream": "SIGNALS_BARE"}
    await publisher.jetstream.publish(SIGNALS, body("s0", "ETHUSDT"), headers=headers)
    for number in range(1, 700):
        await publisher.client.publish(SIGNALS, body(f"s{number}", "ETHUSDT"))

    await until(lambda: len(desk.ids) == 700)

    assert desk.ids == [f"s{number}" for number in range(700)]
    stored = await publisher.jetstream.get_msg(SIGNALS_STREAM, 1)
    assert stored.subject == f"signals.shard.{shard_of('ETHUSDT', SHARDS)}.ETHUSDT"
    assert stored.headers is not None
    assert stored.headers["Nats-Msg-Id"] == "their-id"
    assert stored.headers["traceparent"] == "00-1-2-01"
    await until(lambda: intake.status().acked == 1400)
    assert intake.status().routed == 700


async def test_the_same_message_id_by_both_subjects_is_one_signal(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    await publisher.jetstream.publish("signals.trading.BTCUSDT", body("s1"), headers={"Nats-Msg-Id": "s1"})
    await publisher.jetstream.publish(SIGNALS, body("s1"), headers={"Nats-Msg-Id": "s1"})
    await publisher.jetstream.publish(SIGNALS, body("s2"), headers={"Nats-Msg-Id": "s2"})

    await until(lambda: intake.status().routed == 2 and "s2" in desk.ids)
    assert desk.ids == ["s1", "s2"]


@pytest.mark.parametrize(
    ("payload", "headers", "reason"),
    [
        (b"not json", {}, "no JSON object with a symbol"),
        (b'{"hello": 1}', {}, "symbol"),
        (b'{"symbol": "btc.usdt"}', {}, "symbol: 'btc.usdt' is none"),
        (b'{"symbol": 7}', {}, "symbol"),
        (b'{"symbol": "BTCUSDT", "rationale": "' + b"x" * (1024 * 1024 - 80) + b'"}', {}, "too many"),
    ],
)
async def test_what_cannot_be_routed_is_parked(
    intake: NatsIntake,
    desk: RecordingDesk,
    publisher: Publisher,
    payload: bytes,
    headers: dict[str, str],
    reason: str,
) -> None:
    await until(lambda: intake.status().connected)
    await publisher.jetstream.publish(SIGNALS, payload, headers=headers or None)
    await publisher.jetstream.publish(SIGNALS, body("good"))

    await until(lambda: desk.ids == ["good"] and intake.status().parked == 1)

    (dead,) = await publisher.dead_letters()
    assert dead.subject == "signals.dead.unparsable"
    assert reason in dead.headers["Reason"]
    assert dead.headers["Original-Subject"] == "signals.trading"
    assert dead.headers["Original-Stream"] == "SIGNALS_BARE"
    assert payload.startswith(dead.data)


async def test_only_the_owner_of_the_routing_shard_routes(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher
) -> None:
    async def nobody_pulls() -> bool:
        return not await publisher.pulls("SIGNALS_BARE", "engine-router")

    await until(lambda: intake.status().ready)
    await until(lambda: publisher.pulls("SIGNALS_BARE", "engine-router"))
    desk.owned = desk.owned - {0}
    await until(nobody_pulls)
    await publisher.jetstream.publish(SIGNALS, body("s1"))
    assert desk.ids == []
    desk.owned = frozenset(range(SHARDS))
    await until(lambda: desk.ids == ["s1"])
