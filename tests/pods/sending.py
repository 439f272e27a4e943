"""Signals by every way that there is."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

from nats.aio.client import Client

from contracts.subjects import SIGNALS
from tests.process.load import Key, publish
from tests.support.deadline import PATIENCE_S, Deadline
from tests.support.process import EngineProcess

_AT_ONCE = 100


def key_of(document: Mapping[str, Any]) -> Key:
    """What makes a signal one of its kind."""
    return document["strategy_id"], document["signal_id"]


async def by_symbol(client: Client, documents: Iterable[dict[str, Any]]) -> None:
    """Publish signals to the subjects of their symbols, and return when the broker has stored them."""
    waiting = list(documents)
    for start in range(0, len(waiting), _AT_ONCE):
        await publish(client.jetstream(timeout=30), *waiting[start : start + _AT_ONCE])


async def by_bare_subject(client: Client, documents: Iterable[dict[str, Any]]) -> None:
    """The same as a publisher does that only knows the one subject."""
    for document in documents:
        await client.jetstream(timeout=30).publish(SIGNALS, json.dumps(document).encode())


async def by_http(pod: EngineProcess, document: Mapping[str, Any]) -> dict[str, Any]:
    """Send a signal to a pod, whoever owns its shard, until it is decided; the decision."""
    deadline = Deadline(PATIENCE_S)
    while (answer := await pod.send(document)).status_code == 503:
        assert not deadline.passed(), answer.text
        await asyncio.sleep(0.05)
    assert answer.status_code == 200, answer.text
    decision: dict[str, Any] = answer.json()
    return decision
