"""The simulated broker: acknowledgement, redelivery, order, duplicates, and clients that come and go."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from random import Random
from typing import Any

import pytest
from nats.js import api

from contracts.subjects import (
    SIGNALS_STREAM,
    SIGNALS_WILDCARD,
    partition_target,
    shard_filter,
    shard_of,
    signal_subject,
)
from tests.simulation.broker import MESSAGE_ID, Attached, Broker, matches
from tests.simulation.clock import TrueClock
from tests.simulation.loop import SimLoop, unheard

SHARDS = 3
DURABLE = "engine"
SYMBOL = "BTCUSDT"


class Stage:
    """A broker with the signals' stream, one consumer, and a client that asks it for messages."""

    def __init__(self, loop: SimLoop, *, max_deliver: int = -1) -> None:
        self.broker = Broker(loop, TrueClock(loop))
        transform = api.SubjectTransform(src=SIGNALS_WILDCARD, dest=partition_target(SHARDS))
        config = api.StreamConfig(
            name=SIGNALS_STREAM, subjects=[SIGNALS_WILDCARD], subject_transform=transform, duplicate_window=120
        )
        self.broker.add_stream(config)
        consumer = api.ConsumerConfig(
            durable_name=DURABLE,
            filter_subject=shard_filter(shard_of(SYMBOL, SHARDS)),
            ack_wait=5,
            max_deliver=max_deliver,
        )
        self.broker.add_consumer(SIGNALS_STREAM, consumer)
        self.got: list[tuple[str, str]] = []
        self.statuses: list[str] = []
        self.client = Attached(self._take, lambda: None)
        self.attach(self.client)

    def attach(self, client: Attached) -> None:
        client.subscriptions["_INBOX.test.*"] = None
        self.broker.attach(client)

    def _take(self, wanted: str, subject: str, reply: str, data: bytes, headers: dict[str, str] | None) -> None:
        if reply:
            self.got.append((data.decode(), reply))
        else:
            self.statuses.append((headers or {})["Status"])

    def want(self, batch: int = 10, expires_s: float = 1_000, beat_s: float = 2_000) -> None:
        wish = {"batch": batch, "expires": int(expires_s * 1e9), "idle_heartbeat": int(beat_s * 1e9)}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{SIGNALS_STREAM}.{DURABLE}"
        self.broker.publish(subject, json.dumps(wish).encode(), "_INBOX.test.1")

    def send(self, *texts: str, symbol: str = SYMBOL, number: str | None = None) -> None:
        for text in texts:
            self.broker.publish(signal_subject(symbol), text.encode(), headers={MESSAGE_ID: number or text})

    def settle(self, data: bytes = b"", index: int = -1) -> None:
        self.broker.publish(self.got[index][1], data)

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.got]


Test = Callable[[Stage], Coroutine[Any, Any, None]]


@pytest.fixture
def loop() -> Iterator[SimLoop]:
    made = SimLoop(Random(1))
    yield made
    with unheard():
        made.end()


def test_messages_come_in_order_and_only_those_of_the_filter(loop: SimLoop) -> None:
    async def job() -> None:
        stage = Stage(loop)
        other = next(name for name in ("ETHUSDT", "XRPUSDT", "ADAUSDT") if shard_of(name, 3) != shard_of(SYMBOL, 3))
        stage.send("a", "b")
        stage.send("x", symbol=other)
        stage.want()
        stage.send("c")
        assert stage.texts == ["a", "b", "c"]

    loop.run(job())


def test_what_is_not_acknowledged_comes_again_and_what_is_does_not(loop: SimLoop) -> None:
    async def job() -> None:
        stage = Stage(loop)
        stage.want()
        stage.send("a", "b")
        stage.settle(index=1)
        await asyncio.sleep(4.9)
        assert stage.texts == ["a", "b"]
        await asyncio.sleep(0.2)
        assert stage.texts == ["a", "b", "a"]
        assert stage.got[2][1].split(".")[4] == "2"
        stage.settle()
        await asyncio.sleep(30)
        assert stage.texts == ["a", "b", "a"]
        assert stage.broker.unsettled() == 0

    loop.run(job())


def test_work_in_progress_puts_the_next_delivery_off(loop: SimLoop) -> None:
    async def job() -> None:
        stage = Stage(loop)
        stage.want()
        stage.send("a")
        for _ in range(5):
            await asyncio.sleep(4)
            stage.settle(b"+WPI")
        assert stage.texts == ["a"]
        await asyncio.sleep(5.1)
        assert stage.texts == ["a", "a"]

    loop.run(job())


def test_what_is_given_back_comes_again_at_once_or_after_its_delay(loop: SimLoop) -> None:
    async def job() -> None:
        stage = Stage(loop)
        stage.want()
        stage.send("a")
        stage.settle(b"-NAK")
        await asyncio.sleep(0.001)
        assert stage.texts == ["a", "a"]
        stage.settle(b'-NAK {"delay": 2000000000}')
        await asyncio.sleep(1.9)
        assert stage.texts == ["a", "a"]
        await asyncio.sleep(0.2)
        assert stage.texts == ["a", "a", "a"]

    loop.run(job())


def test_nothing_is_delivered_more_often_than_allowed(loop: SimLoop) -> None:
    async def job() -> None:
        stage = Stage(loop, max_deliver=3)
        stage.want()
        stage.send("a")
        await asyncio.sleep(100)
        assert stage.texts == ["a"] * 3

    loop.run(job())


def test_a_message_id_is_stored_once_within_the_window(loop: SimLoop) -> None:
    async def job() -> None:
        stage = Stage(loop)
        first = stage.broker.jetstream_publish(signal_subject(SYMBOL), b"a", {MESSAGE_ID: "1"})
        again = stage.broker.jetstream_publish(signal_subject(SYMBOL), b"a", {MESSAGE_ID: "1"})
        assert (first.duplicate, again.duplicate, again.seq) == (None, True, first.seq)
        await asyncio.sleep(121)
        assert stage.broker.jetstream_publish(signal_subject(SYMBOL), b"a", {MESSAGE_ID: "1"}).seq == first.seq + 1

    loop.run(job())


def test_a_request_ends_with_its_batch_its_time_or_its_client(loop: SimLoop) -> None:
    async def job() -> None:
        stage = Stage(loop)
        stage.want(batch=1, expires_s=3, beat_s=1)
        stage.send("a", "b")
        assert stage.texts == ["a"]
        stage.settle()
        stage.want(expires_s=3, beat_s=1)
        stage.settle()
        await asyncio.sleep(3.5)
        assert stage.statuses == ["100", "100", "408"]
        stage.want()
        stage.client.subscriptions.clear()
        stage.send("c")
        assert stage.texts == ["a", "b"]
        stage.attach(stage.client)
        stage.want()
        assert stage.texts == ["a", "b", "c"]

    loop.run(job())


def test_a_restart_loses_connections_and_no_message(loop: SimLoop) -> None:
    async def job() -> None:
        stage = Stage(loop)
        stage.want()
        stage.send("a")
        stage.broker.stop()
        await asyncio.sleep(60)
        stage.broker.start()
        stage.attach(stage.client)
        stage.want()
        stage.send("b")
        await asyncio.sleep(0.1)
        assert sorted(stage.texts) == ["a", "a", "b"]

    loop.run(job())


def test_a_reset_brings_back_at_once_and_in_order_what_is_out(loop: SimLoop) -> None:
    async def job() -> None:
        stage = Stage(loop)
        stage.want()
        stage.send("a", "b", "c")
        stage.settle(index=1)
        stage.broker.reset_consumer(SIGNALS_STREAM, DURABLE)
        assert stage.texts == ["a", "b", "c", "a", "c"]

    loop.run(job())


@pytest.mark.parametrize(
    ("wanted", "subject", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("*.b", "a.b", True),
        ("a.b", "a.c", False),
    ],
)
def test_patterns(wanted: str, subject: str, expected: bool) -> None:
    assert matches(wanted, subject) is expected
