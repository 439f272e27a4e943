"""Signals of several strategies, by NATS and by HTTP, with copies that come later and by other ways."""

import asyncio
import json
import time
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from random import Random
from typing import Any, Final

import httpx
from nats.errors import Error as NatsError

from contracts.subjects import signal_subject
from contracts.values import iso_millis
from shared.clock import SystemClock
from tests.chaos.market import MARKS, QUANTITIES
from tests.chaos.stage import Stage
from tests.process.load import Key, connected
from tests.support.process import TRADE

STRATEGIES: Final = ("momentum", "reversion", "breakout", "carry")
TRADES: Final = 0.15
"""Share of the signals that ask for a trade; the others hold."""

BY_HTTP: Final = 0.05
COPIED: Final = 0.05
_COPY_S: Final = 1.0
_TICK_S: Final = 0.1
_AGAIN_S: Final = 0.3
_ANSWER_S: Final = 5.0
_MOST_AT_ONCE: Final = 100
_ACTIONS, _WEIGHTS = ("buy", "sell", "close"), (4, 4, 5)

Document = dict[str, Any]


class Load:
    """Sends so many signals, spread over a time, and each until somebody has confirmed it.

    Attributes
    ----------
    stored
        Signals that the broker has confirmed, or that HTTP has answered with a decision: each must have its outcome.
    """

    def __init__(self, stage: Stage, chance: Random) -> None:
        self._stage = stage
        self._chance = chance
        self._clock = SystemClock()
        self._made = 0
        self._waiting: asyncio.Queue[Document] = asyncio.Queue()
        self._posting: set[asyncio.Task[None]] = set()
        self.stored: set[Key] = set()
        self.counts: Counter[str] = Counter()

    async def send(self, signals: int, seconds: float) -> None:
        """Send; returns when the last of them is confirmed."""
        publishing = asyncio.create_task(self._publish())
        moving = asyncio.create_task(self._move())
        try:
            await self._make(signals, seconds)
            while self._posting:
                await asyncio.wait(self._posting)
            await self._waiting.join()
        finally:
            for task in (publishing, moving):
                task.cancel()
            await asyncio.gather(publishing, moving, return_exceptions=True)

    # ------------------------------------------------------------ what is sent

    async def _make(self, signals: int, seconds: float) -> None:
        began = time.monotonic()
        while self._made < signals:
            due = min(signals, int(signals * (time.monotonic() - began) / seconds) + 1)
            while self._made < due:
                self._begin(self._signal())
            await asyncio.sleep(_TICK_S)

    def _signal(self) -> Document:
        self._made += 1
        chance = self._chance
        symbol = chance.choice(list(MARKS))
        document: Document = {
            "strategy_id": chance.choice(STRATEGIES),
            "signal_id": f"c{self._made}",
            "symbol": symbol,
            "action": "hold",
            "confidence": "0.9",
            "timestamp": iso_millis(self._clock.now_ms()),
        }
        if chance.random() < TRADES:
            document["action"] = chance.choices(_ACTIONS, _WEIGHTS)[0]
            if document["action"] != "close":
                document |= {"quantity": QUANTITIES[symbol], "stop_loss_pct": "0.004"}
        return document

    def _begin(self, document: Document) -> None:
        self._send_one(document, by_http=self._chance.random() < BY_HTTP)
        if self._chance.random() < COPIED:
            by_http = self._chance.random() < 0.5
            asyncio.get_running_loop().call_later(_COPY_S, self._copy, document, by_http)

    def _copy(self, document: Document, by_http: bool) -> None:
        self.counts["copies"] += 1
        self._send_one(document, by_http=by_http)

    def _send_one(self, document: Document, *, by_http: bool) -> None:
        if not by_http or len(self._posting) >= _MOST_AT_ONCE:
            self._waiting.put_nowait(document)
            return
        task = asyncio.create_task(self._post(document))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    # ------------------------------------------------------------ by NATS

    async def _publish(self) -> None:
        """Publish what waits, in order; what the broker has not confirmed is sent again."""
        again: list[Document] = []
        while True:
            with suppress(NatsError, OSError, TimeoutError):
                async with connected(self._stage.nats.url) as client:
                    jetstream = client.jetstream(timeout=_ANSWER_S)
                    while True:
                        again = again or [await self._waiting.get()]
                        while len(again) < _MOST_AT_ONCE and not self._waiting.empty():
                            again.append(self._waiting.get_nowait())
                        await asyncio.wait_for(self._stored(jetstream, again), _ANSWER_S)
                        again = []
            self.counts["publications that were not confirmed"] += bool(again)
            await asyncio.sleep(_AGAIN_S)

    async def _stored(self, jetstream: Any, documents: list[Document]) -> None:
        pending = [
            await jetstream.publish_async(signal_subject(document["symbol"]), json.dumps(document).encode())
            for document in documents
        ]
        await asyncio.gather(*pending)
        for document in documents:
            self.stored.add(_key(document))
            self.counts["by NATS"] += 1
            self._waiting.task_done()

    # ------------------------------------------------------------ by HTTP

    async def _post(self, document: Document) -> None:
        """Post to one pod after the other until one answers with a decision."""
        while True:
            pod = self._chance.choice(list(self._stage.pods.values()))
            if pod.url is not None:
                with suppress(httpx.TransportError):
                    answer = await self._stage.client.post(f"{pod.url}/trade/signal", json=document, headers=TRADE)
                    if answer.status_code == httpx.codes.OK:
                        self.stored.add(_key(document))
                        self.counts["by HTTP"] += 1
                        return
                    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
            await asyncio.sleep(_AGAIN_S)

    # ------------------------------------------------------------ the market

    async def _move(self) -> None:
        """Prices wander around where they began, far enough to trigger some stops and targets."""
        while True:
            for symbol, mark in MARKS.items():
                step = Decimal(self._chance.randint(-40, 40)) / 10_000
                with suppress(httpx.TransportError):
                    await self._stage.exchange.mark(symbol, (mark * (1 + step)).quantize(Decimal("0.01")))
            await asyncio.sleep(_TICK_S * 5)


def _key(document: Document) -> Key:
    return document["strategy_id"], document["signal_id"]
