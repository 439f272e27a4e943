"""Events and alerts leave for the broker, and what it refuses holds up nothing else; a real server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import pytest
from nats.aio.msg import Msg
from nats.js.api import DiscardPolicy, StreamConfig

from contracts.subjects import ALERTS_PREFIX, ALERTS_STREAM, ALERTS_WILDCARD, EXECUTION_STREAM, EXECUTION_WILDCARD
from shared.errors import RetrySafe
from tests.publication.reading import translated
from tests.support.deadline import PATIENCE_S
from tests.support.engines import eventually
from tests.support.nats import NatsServer, nats_server
from tests.support.records import RecordedWorld
from tradeengine.publication.messages import Message
from tradeengine.runtime.intake.connection import Link
from tradeengine.runtime.publications import _BrokerOutlet

__all__ = ["nats_server"]

_END = "heard.until.here"


class Listener:
    """Hears all that is sent, copies too, by id."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._ends = 0
        self.ids: Counter[str] = Counter()

    async def hear(self, message: Msg) -> None:
        if message.subject == _END:
            self._ends += 1
        elif message_id := (message.headers or {}).get("Nats-Msg-Id"):
            self.ids[message_id] += 1

    async def heard(self, messages: list[Message]) -> list[int]:
        """How often each of these was sent until now."""
        ends = self._ends + 1
        await self._link.client.publish(_END, b"")
        await eventually(lambda: self._ends == ends, "the listener to hear all")
        return [self.ids[message.id] for message in messages]


@asynccontextmanager
async def listening(server: NatsServer) -> AsyncIterator[tuple[Link, Listener]]:
    sender, hearer = [await nats.connect(server.url, connect_timeout=PATIENCE_S) for _ in range(2)]
    link = Link(sender, sender.jetstream(timeout=PATIENCE_S), asyncio.get_running_loop().create_future())
    listener = Listener(link)
    await hearer.subscribe("*.*.>", cb=listener.hear)
    await hearer.flush()
    try:
        yield link, listener
    finally:
        await sender.close()
        await hearer.close()


async def test_an_alert_that_is_refused_sends_nothing_again_that_is_stored(nats_server: NatsServer) -> None:
    world = RecordedWorld()
    for number in (1, 3, 5):
        world.signal("hold", signal_id=f"s{number}", sequence=number)
    world.cut()
    messages = translated(world.records)
    alerts = [message for message in messages if message.subject.startswith("alerts.")]
    events = [message for message in messages if message not in alerts]
    assert (len(alerts), len(events)) == (2, 3)
    async with listening(nats_server) as (link, listener):
        await link.jetstream.add_stream(name=EXECUTION_STREAM, subjects=[EXECUTION_WILDCARD])
        kept = StreamConfig(ALERTS_STREAM, subjects=[ALERTS_WILDCARD], discard=DiscardPolicy.NEW, max_msgs=1)
        await link.jetstream.add_stream(kept)
        outlet = _BrokerOutlet(lambda: link)
        for _ in range(3):
            with pytest.raises(RetrySafe, match="maximum messages exceeded"):
                await outlet.publish(messages)
        assert await listener.heard(events) == [1, 1, 1]
        assert await listener.heard(alerts) == [1, 3]

        await link.jetstream.update_stream(kept.evolve(max_msgs=9))
        await outlet.publish(messages)
        assert await listener.heard(events) == [1, 1, 1]
        assert await listener.heard(alerts) == [1, 4]
        assert outlet.remembered == 0
        # Who asks for them anew once all are stored gets them: nothing is remembered for ever.
        await outlet.publish(messages)
        assert await listener.heard([*events, *alerts]) == [2, 2, 2, 2, 5]


async def test_of_a_shard_that_is_left_nothing_is_remembered_also_if_a_call_is_under_way(
    nats_server: NatsServer,
) -> None:
    made = [(shard, RecordedWorld(shard=shard)) for shard in (0, 1)]
    for _, world in made:
        for number in (1, 3):
            world.signal("hold", signal_id=f"s{number}", sequence=number)
        world.cut()
    first, second = (translated(world.records, shard=shard) for shard, world in made)
    async with listening(nats_server) as (link, _):
        await link.jetstream.add_stream(name=EXECUTION_STREAM, subjects=[EXECUTION_WILDCARD])
        # It takes no alert: what was stored before is remembered.
        full = StreamConfig(ALERTS_STREAM, subjects=[ALERTS_WILDCARD], discard=DiscardPolicy.NEW, max_msgs=1)
        await link.jetstream.add_stream(full)
        await link.jetstream.publish(f"{ALERTS_PREFIX}full", b"")
        outlet = _BrokerOutlet(lambda: link)
        for messages in (first, second):
            with pytest.raises(RetrySafe):
                await outlet.publish(messages)
        assert outlet.remembered == 4
        outlet.forget(0)
        assert outlet.remembered == 2, "the other shard's are still known"

        again = asyncio.create_task(outlet.publish(first))
        await asyncio.sleep(0)
        outlet.forget(0)
        with pytest.raises(RetrySafe):
            await again
        assert outlet.remembered == 2
