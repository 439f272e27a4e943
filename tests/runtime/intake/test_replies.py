"""Who asked for an answer gets the outcome; who does not read it harms nobody."""

import json
import socket
from typing import Any

import pytest
from nats.aio.subscription import Subscription

from contracts.subjects import SIGNALS, signal_subject
from shared.clock import SystemClock
from tests.runtime.intake.conftest import Publisher, RecordingDesk, body, until
from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer
from tradeengine.runtime.intake import NatsIntake

pytestmark = pytest.mark.process


async def _answer(subscription: Subscription) -> dict[str, Any]:
    """The next message that is not JetStream's own acknowledgement."""
    while True:
        document: dict[str, Any] = json.loads((await subscription.next_msg(timeout=PATIENCE_S)).data)
        if "outcome" in document:
            return document
        assert document["stream"] in ("SIGNALS", "SIGNALS_BARE")


async def test_reply_inbox_gets_the_outcome_after_the_acknowledgement(intake: NatsIntake, publisher: Publisher) -> None:
    await until(lambda: intake.status().ready)
    inbox = publisher.client.new_inbox()
    subscription = await publisher.client.subscribe(inbox)

    await publisher.client.publish(signal_subject("BTCUSDT"), body("s1"), reply=inbox)

    first = json.loads((await subscription.next_msg(timeout=PATIENCE_S)).data)
    assert (first["stream"], first["seq"]) == ("SIGNALS", 1)
    assert await _answer(subscription) == {
        "signal_id": "s1",
        "strategy_id": "alpha",
        "symbol": "BTCUSDT",
        "outcome": "accepted",
        "reason": None,
        "source": None,
        "detail": None,
        "orders": ["o-s1"],
        "decided_at": "2023-11-14T22:13:20.000Z",
        "first": None,
    }
    await until(lambda: intake.status().replied == 1)


async def test_who_sends_a_copy_is_told_what_became_of_the_first_one(intake: NatsIntake, publisher: Publisher) -> None:
    await until(lambda: intake.status().ready)
    inbox = publisher.client.new_inbox()
    subscription = await publisher.client.subscribe(inbox)

    answers = []
    for _ in range(2):
        await publisher.client.publish(signal_subject("BTCUSDT"), body("s1"), reply=inbox)
        answers.append(await _answer(subscription))

    first, copy = answers
    assert (first["outcome"], copy["outcome"]) == ("accepted", "duplicate")
    told = ("outcome", "reason", "source", "detail", "orders", "decided_at")
    assert copy["first"] == {name: first[name] for name in told}


async def test_bare_subject_is_answered_too_and_once(intake: NatsIntake, publisher: Publisher) -> None:
    await until(lambda: intake.status().ready)
    inbox = publisher.client.new_inbox()
    subscription = await publisher.client.subscribe(inbox)

    await publisher.client.publish(SIGNALS, body("s1"), reply=inbox)
    await publisher.client.publish(SIGNALS, body("s2"), reply=inbox)

    assert [(await _answer(subscription))["signal_id"] for _ in range(2)] == ["s1", "s2"]
    await until(lambda: intake.status().replied == 2)


async def test_a_parked_message_is_answered_with_what_is_wrong(intake: NatsIntake, publisher: Publisher) -> None:
    await until(lambda: intake.status().ready)
    inbox = publisher.client.new_inbox()
    subscription = await publisher.client.subscribe(inbox)

    await publisher.client.publish(signal_subject("BTCUSDT"), b"nonsense", reply=inbox)

    answer = await _answer(subscription)
    assert (answer["outcome"], answer["source"], answer["reason"]) == ("rejected", "validation", "invalid_signal")
    assert "not JSON" in answer["detail"]
    assert answer["signal_id"] is None


async def test_reply_to_header_works_when_the_engine_was_down(
    nats_server: NatsServer, desk: RecordingDesk, publisher: Publisher
) -> None:
    intake = NatsIntake(nats_server.url, desk, SystemClock())
    await intake.start()
    await intake.close()
    subscription = await publisher.client.subscribe("replies.alpha")
    await publisher.jetstream.publish(signal_subject("BTCUSDT"), body("s1"), headers={"Reply-To": "replies.alpha"})

    intake = NatsIntake(nats_server.url, desk, SystemClock())
    await intake.start()
    try:
        assert (await _answer(subscription))["signal_id"] == "s1"
    finally:
        await intake.close()


@pytest.mark.parametrize(
    "target", ["$JS.API.STREAM.PURGE.SIGNALS", "signals.trading.ETHUSDT", "_INBOX.>", "replies", "replies.a b"]
)
async def test_an_answer_is_never_a_command(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher, target: str
) -> None:
    await until(lambda: intake.status().ready)
    inbox = publisher.client.new_inbox()
    subscription = await publisher.client.subscribe(inbox)
    await publisher.jetstream.publish(signal_subject("BTCUSDT"), body("s1"), headers={"Reply-To": target})
    await publisher.jetstream.publish(signal_subject("BTCUSDT"), body("s2"), headers={"Reply-To": inbox})

    # Answers leave in order, so the second one proves that the first was dropped. Each JetStream publish has an inbox
    # of its own that is answered too, hence the count.
    assert (await _answer(subscription))["signal_id"] == "s2"
    assert desk.ids == ["s1", "s2"]
    await until(lambda: intake.status().replied == 3)
    assert (await publisher.jetstream.stream_info("SIGNALS")).state.messages == 2


async def test_i82_an_inbox_that_nobody_reads_does_not_slow_the_intake(
    intake: NatsIntake, desk: RecordingDesk, publisher: Publisher, nats_server: NatsServer
) -> None:
    await until(lambda: intake.status().ready)
    # A client that subscribes to its inbox and then never reads its socket.
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", nats_server.port))
        deaf.sendall(b'CONNECT {"verbose":false}\r\nSUB _INBOX.deaf 1\r\nPING\r\n')
        while b"PONG" not in deaf.recv(4096):
            pass

        for number in range(5000):
            await publisher.client.publish(signal_subject("BTCUSDT"), body(f"s{number}"), reply="_INBOX.deaf")
        await until(lambda: intake.status().acked == 5000, seconds=PATIENCE_S)
        await publisher.send("last")
        await until(lambda: desk.ids[-1] == "last", seconds=2)
        await until(lambda: intake.status().replied >= 5000)
