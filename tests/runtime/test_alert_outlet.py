"""Alerts leave a server that keeps them, one that does not, and one where somebody else answers; a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from structlog.testing import capture_logs

from contracts.enums import Severity
from contracts.subjects import ALERTS_STREAM, ALERTS_WILDCARD
from shared.clock import SystemClock
from shared.errors import RetrySafe
from shared.metrics import Metrics
from tests.support.deadline import PATIENCE_S
from tests.support.engines import eventually
from tests.support.nats import NatsServer, nats_server
from tradeengine.runtime.alert_outlet import AlertOutlet
from tradeengine.runtime.alerts import Alerts
from tradeengine.runtime.intake.connection import Link

__all__ = ["nats_server"]

SOON_S = 4.0
"""How long JetStream is waited for where it will never answer; elsewhere as long as it takes."""


class Site:
    """Alerts that are published on a real server, and a listener to them."""

    def __init__(self, link: Link, listener: Client) -> None:
        self.link = link
        self.listener = listener
        self.outlet = AlertOutlet(lambda: self.link)
        self.alerts = Alerts(Metrics("test"), SystemClock())
        self.heard: list[str] = []

    async def listen(self, answer: bytes | None = None) -> None:
        """Hear every alert from now on, and answer in the server's place if there is an answer."""

        async def hear(message: Msg) -> None:
            self.heard.append(json.loads(message.data)["message"])
            if answer is not None and message.reply:
                await message.respond(answer)

        await self.listener.subscribe(ALERTS_WILDCARD, cb=hear)
        await self.listener.flush()

    def wait_no_longer_than(self, seconds: float) -> None:
        """Give up waiting for JetStream's answers after so long from now on."""
        self.link = replace(self.link, jetstream=self.link.client.jetstream(timeout=seconds))

    async def keep(self) -> None:
        await self.link.jetstream.add_stream(name=ALERTS_STREAM, subjects=[ALERTS_WILDCARD])

    async def kept(self) -> int:
        return (await self.link.jetstream.stream_info(ALERTS_STREAM)).state.messages

    async def tell(self, *texts: str) -> None:
        """Tell alerts, and wait until all have left."""
        for text in texts:
            self.alerts.tell("engine_trouble", Severity.CRITICAL, text)
        await eventually(lambda: not self.alerts._waiting, "the alerts to leave")

    async def heard_all(self, *texts: str) -> None:
        await eventually(lambda: len(self.heard) >= len(texts), "the listener to hear")
        await self.listener.flush()
        assert self.heard == list(texts)


@asynccontextmanager
async def publishing(server: NatsServer, acknowledged_s: float = PATIENCE_S) -> AsyncIterator[Site]:
    client, listener = [await nats.connect(server.url, connect_timeout=PATIENCE_S) for _ in range(2)]
    lost = asyncio.get_running_loop().create_future()
    site = Site(Link(client, client.jetstream(timeout=acknowledged_s), lost), listener)
    job = asyncio.create_task(site.alerts.run(site.outlet.publish))
    try:
        yield site
        assert not job.done(), "the publishing has ended"
    finally:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        await client.close()
        await listener.close()


async def test_where_no_stream_takes_alerts_a_listener_hears_each_once(nats_server: NatsServer) -> None:
    async with publishing(nats_server, SOON_S) as site:
        await site.listen()
        with capture_logs() as logs:
            await site.tell("first", "second", "third")
        await site.heard_all("first", "second", "third")
        told = [(one["log_level"], ALERTS_STREAM in one["action"]) for one in logs if one["event"] == "alerts_not_kept"]
        assert told == [("warning", True)]


async def test_without_stream_and_listener_alerts_do_not_pile_up(nats_server: NatsServer) -> None:
    async with publishing(nats_server) as site:
        with capture_logs() as logs:
            await site.tell("first", "second")
        assert [one["event"] for one in logs].count("alerts_not_kept") == 1


async def test_a_stream_that_is_made_later_keeps_what_comes_then_and_its_loss_is_told_again(
    nats_server: NatsServer,
) -> None:
    async with publishing(nats_server) as site:
        await site.tell("lost")
        await site.keep()
        await site.listen()
        await site.tell("kept")
        assert await site.kept() == 1
        await site.link.jetstream.delete_stream(ALERTS_STREAM)
        site.wait_no_longer_than(SOON_S)
        with capture_logs() as logs:
            await site.tell("heard")
        await site.heard_all("kept", "heard")
        assert [one["event"] for one in logs].count("alerts_not_kept") == 1


@pytest.mark.parametrize("answer", [b"thank you", b"{}", b"[]", b"1"])
async def test_a_listener_who_answers_does_not_end_the_publishing(nats_server: NatsServer, answer: bytes) -> None:
    async with publishing(nats_server) as site:
        await site.listen(answer)
        with capture_logs() as logs:
            await site.tell("first", "second")
        await site.heard_all("first", "second")
        assert [one["event"] for one in logs].count("alert_not_acknowledged") == 1


async def test_an_alert_that_a_stream_refuses_waits(nats_server: NatsServer) -> None:
    async with publishing(nats_server) as site:
        await site.link.jetstream.add_stream(name=ALERTS_STREAM, subjects=[ALERTS_WILDCARD], max_msgs=1, discard="new")
        await site.tell("kept")
        with pytest.raises(RetrySafe, match="maximum messages exceeded"):
            await site.outlet.publish("alerts.tradeengine.engine_trouble", b"{}")
        await site.link.jetstream.purge_stream(ALERTS_STREAM)
        await site.tell("kept too")
        assert await site.kept() == 1
