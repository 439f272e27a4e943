"""Alerts reach whoever listens at the broker, also those that were told while it was away."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from nats.aio.msg import Msg

from contracts.alert import Alert
from contracts.subjects import ALERTS_STREAM, ALERTS_WILDCARD
from tests.process.load import connected
from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer
from tests.support.process import signal_document
from tests.support.rig import rig

pytestmark = pytest.mark.process

STOPS: dict[str, Any] = {"method": "POST", "path": "/fapi/v1/algoOrder", "params": {"type": "STOP_MARKET"}}
REFUSED = {"status": 400, "code": -2010, "msg": "NEW_ORDER_REJECTED"}


class Listener:
    """Collects what is published."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []

    async def take(self, message: Msg) -> None:
        Alert.model_validate_json(message.data)
        self.heard.append((message.subject, json.loads(message.data)))

    def named(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        return [(subject, alert) for subject, alert in self.heard if alert["alert_name"] == name]


async def test_a_stop_that_cannot_be_placed_is_told_and_an_outage_of_the_broker_hides_none(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    listener = Listener()
    async with rig(tmp_path, nats_url=nats_server.url) as made:
        await made.exchange.fault(REFUSED, times=None, **STOPS)
        async with connected(nats_server.url) as client:
            await client.subscribe("alerts.tradeengine.>", cb=listener.take)
            await client.flush()
            await made.engine.accept(signal_document("buy", "A", quantity="0.01"))
            await made.until(lambda: listener.named("stop_refused"), "the alert")
        subject, alert = listener.named("stop_refused")[0]
        assert subject == "alerts.tradeengine.stop_refused.BTCUSDT"
        assert (alert["severity"], alert["symbol"], alert["strategy_id"]) == ("critical", "BTCUSDT", "A")

        await asyncio.to_thread(nats_server.stop)
        await made.engine.until_not_ready("no connection")
        before = await made.engine.metric("tradeengine_alerts_total", name="stop_refused", severity="critical")
        await made.engine.accept(signal_document("buy", "B", quantity="0.01"))
        await made.engine.until_metric("tradeengine_alerts_total", before + 1, name="stop_refused", severity="critical")
        await asyncio.to_thread(nats_server.start)
        async with connected(nats_server.url) as client:
            jetstream = client.jetstream(timeout=PATIENCE_S)
            kept = await jetstream.subscribe(ALERTS_WILDCARD, stream=ALERTS_STREAM, cb=listener.take)
            late = "the alert of the outage"
            await made.until(lambda: [a for _, a in listener.named("stop_refused") if a["strategy_id"] == "B"], late)
            await kept.unsubscribe()
