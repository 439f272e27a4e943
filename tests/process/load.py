"""Load on an engine that comes and goes: signals by both ways, and prices; what was acknowledged is remembered."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from random import Random
from typing import Any

import httpx
import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from contracts.subjects import SIGNALS_STREAM, signal_subject
from tests.support.deadline import PATIENCE_S, Deadline, eventually
from tests.support.process import PRICES, EngineProcess, signal_document

Key = tuple[str, str]
"""Strategy and signal id: what makes a signal one of its kind."""

STRATEGIES = ("momentum", "reversion", "breakout", "carry")
QUANTITIES = {"BTCUSDT": "0.01", "ETHUSDT": "0.1", "SOLUSDT": "2"}

_BATCH = 15
_PAUSE_S = 0.15
_ANSWERED_S = 10
"""After that a broker has died with what it was sent."""
_COPIES = 0.05


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """Connect to NATS; the connection is not made again when it breaks."""

    async def ignore(_error: Exception) -> None:
        """Errors reach whoever publishes."""

    client = await nats.connect(url, connect_timeout=PATIENCE_S, allow_reconnect=False, error_cb=ignore)
    try:
        yield client
    finally:
        await client.close()


async def publish(jetstream: JetStreamContext, *documents: dict[str, Any], seconds: float = PATIENCE_S) -> None:
    """Publish signals and return when the broker has stored all of them."""
    stored = [
        await jetstream.publish_async(signal_subject(document["symbol"]), json.dumps(document).encode())
        for document in documents
    ]
    await asyncio.wait_for(asyncio.gather(*stored), seconds)


async def until_all_acknowledged(client: Client, seconds: float = PATIENCE_S, shards: int = 8) -> None:
    """Wait until the engine has acknowledged every stored signal."""
    deadline = Deadline(seconds)
    while left := await unacknowledged(client, shards):
        assert not deadline.passed(), f"{left} signals are not acknowledged after {deadline}"
        await asyncio.sleep(0.05)


async def unacknowledged(client: Client, shards: int = 8) -> int:
    """Number of stored signals that the engine has not acknowledged."""
    infos = [
        await client.jetstream(timeout=PATIENCE_S).consumer_info(SIGNALS_STREAM, f"engine-shard-{shard}")
        for shard in range(shards)
    ]
    return sum((info.num_pending or 0) + (info.num_ack_pending or 0) for info in infos)


class Load:
    """Senders of signals and prices, at work until told to stop.

    Parameters
    ----------
    nats_url
        Where to publish now, ``None`` while there is no server.

    Attributes
    ----------
    stored
        Signals that the broker has confirmed.
    answered
        Decisions that HTTP has answered with, and no copy's.
    """

    def __init__(self, engine: EngineProcess, chance: Random, nats_url: Callable[[], str | None]) -> None:
        self._engine = engine
        self._chance = chance
        self._nats_url = nats_url
        self._made = 0
        self._stopping = False
        self.stored: dict[Key, dict[str, Any]] = {}
        self.answered: dict[Key, dict[str, Any]] = {}
        self.posted: set[Key] = set()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Send while the block runs, then finish what has no answer yet: the engine must be up by then."""
        async with asyncio.TaskGroup() as tasks:
            for sender in (self._publish(), self._post(), self._move_prices()):
                tasks.create_task(sender)
            try:
                yield
            finally:
                self._stopping = True

    async def answers(self, more: int) -> None:
        """Wait until HTTP has answered so many more signals: on a slow machine a moment has no load."""
        wanted = len(self.answered) + more
        await eventually(lambda: len(self.answered) >= wanted, f"{more} more answers", look_s=0.02)

    def _signal(self, way: str) -> dict[str, Any]:
        self._made += 1
        chance = self._chance
        symbol = chance.choice(list(PRICES))
        action = chance.choices(("buy", "sell", "close"), (4, 4, 3))[0]
        fields: dict[str, Any] = {"signal_id": f"{way}-{self._made}", "symbol": symbol}
        if action != "close":
            fields["quantity"] = QUANTITIES[symbol]
            if chance.random() < 0.7:
                fields |= {"stop_loss_pct": "0.002", "take_profit_pct": "0.003"}
        return signal_document(action, chance.choice(STRATEGIES), **fields)

    async def _publish(self) -> None:
        while not self._stopping:
            url = self._nats_url()
            # The broker may die with the engine: what it has not confirmed may be lost.
            with suppress(NatsError, OSError, TimeoutError):
                if url is not None:
                    async with connected(url) as client:
                        await self._publish_to(client)
            await asyncio.sleep(0.05)

    async def _publish_to(self, client: Client) -> None:
        jetstream = client.jetstream(timeout=5)
        while not self._stopping:
            documents = [self._signal("nats") for _ in range(_BATCH)]
            copies = [d for d in list(self.stored.values())[-100:] if self._chance.random() < _COPIES]
            await publish(jetstream, *documents, *copies, seconds=_ANSWERED_S)
            self.stored |= {_key(document): document for document in documents}
            await asyncio.sleep(_PAUSE_S)

    async def _post(self) -> None:
        document: dict[str, Any] | None = None
        while document is not None or not self._stopping:
            document = document or self._signal("http")
            try:
                answer = await self._engine.send(document)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 200:
                self._note(document, answer.json())
                document = None
            else:
                assert answer.status_code == 503, answer.text
                await asyncio.sleep(0.05)

    def _note(self, document: dict[str, Any], decision: dict[str, Any]) -> None:
        self.posted.add(_key(document))
        if decision["outcome"] != "duplicate":
            self.answered[_key(document)] = decision

    async def _move_prices(self) -> None:
        prices = dict(PRICES)
        while not self._stopping:
            for symbol, price in prices.items():
                step = Decimal(self._chance.randint(-15, 15)) / 10_000
                prices[symbol] = (price * (1 + step)).quantize(Decimal("0.1"))
            with suppress(httpx.TransportError):
                await self._engine.post_prices(prices)
            await asyncio.sleep(0.05)


def _key(document: dict[str, Any]) -> Key:
    return document["strategy_id"], document["signal_id"]
