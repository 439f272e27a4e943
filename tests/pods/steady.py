"""Signals of every shard at a steady rate, each answered, so that one can see for how long a shard stood still."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from random import Random
from typing import Any, Final, NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.subjects import signal_subject
from tests.process.load import Key, connected
from tests.support.process import signal_document

STRATEGIES: Final = ("momentum", "reversion", "breakout")
REPLY_TO: Final = "Reply-To"
EVERY_S: Final = 0.2
_TRADES: Final = 0.1
_ACTIONS, _WEIGHTS = ("buy", "sell", "close"), (4, 4, 5)
_QUANTITY: Final = "0.2"
_STORED_S: Final = 30.0
_ANSWERED_S: Final = 60.0
_LOOK_S: Final = 0.05


class Pause(NamedTuple):
    """The longest time in which nothing of a symbol was decided, seconds."""

    seconds: float
    symbol: str

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s ({self.symbol})"


class Steady:
    """Publishes a signal of each symbol every fifth of a second, and notes when each is answered.

    Attributes
    ----------
    stored
        Signals that the broker has confirmed, so that each must be decided once.
    outcomes
        First answer to each signal.
    """

    def __init__(self, client: Client, symbols: Sequence[str], chance: Random) -> None:
        self._client = client
        self._jetstream = client.jetstream(timeout=_STORED_S)
        self._symbols = symbols
        self._chance = chance
        self._inbox = client.new_inbox()
        self._answered: dict[str, list[float]] = {symbol: [] for symbol in symbols}
        self._made = 0
        self._sending: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self.stored: set[Key] = set()
        self.outcomes: dict[Key, str] = {}

    async def begin(self) -> None:
        """Send from now on."""
        await self._client.subscribe(f"{self._inbox}.*", cb=self._note)
        self._sending = asyncio.create_task(self._send(), name="steady-load")

    async def end(self) -> None:
        """Send no more, and wait until every signal is answered."""
        await self.stop()
        deadline = time.monotonic() + _ANSWERED_S
        while left := self.stored - self.outcomes.keys():
            assert time.monotonic() < deadline, f"no answer to {len(left)} signals, such as {sorted(left)[:5]}"
            await asyncio.sleep(_LOOK_S)

    async def stop(self) -> None:
        """Send no more."""
        self._stopping.set()
        if self._sending is not None:
            await self._sending

    def longest_pause(self, since: float, until: float | None = None) -> Pause:
        """The longest pause of any symbol between two moments of the machine's monotonic clock, the ends included."""
        end = time.monotonic() if until is None else until
        pauses = []
        for symbol, answered in self._answered.items():
            moments = [since, *(moment for moment in answered if since <= moment <= end), end]
            pauses += [Pause(later - earlier, symbol) for earlier, later in pairwise(moments)]
        return max(pauses)

    async def _note(self, message: Msg) -> None:
        told = json.loads(message.data)
        assert told["signal_id"], f"a signal was parked: {told}"
        self._answered[told["symbol"]].append(time.monotonic())
        self.outcomes.setdefault((told["strategy_id"], told["signal_id"]), told["outcome"])

    async def _send(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            documents = [self._signal(symbol) for symbol in self._symbols]
            await self._publish(documents)
            due = max(due + EVERY_S, time.monotonic() - EVERY_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), max(0.0, due - time.monotonic()))

    async def _publish(self, documents: Sequence[dict[str, Any]]) -> None:
        header = {REPLY_TO: f"{self._inbox}.answers"}
        stored = [
            await self._jetstream.publish_async(
                signal_subject(document["symbol"]), json.dumps(document).encode(), headers=header
            )
            for document in documents
        ]
        await asyncio.wait_for(asyncio.gather(*stored), _STORED_S)
        self.stored |= {(document["strategy_id"], document["signal_id"]) for document in documents}

    def _signal(self, symbol: str) -> dict[str, Any]:
        self._made += 1
        chance = self._chance
        action = chance.choices(_ACTIONS, _WEIGHTS)[0] if chance.random() < _TRADES else "hold"
        fields = {"quantity": _QUANTITY} if action in ("buy", "sell") else {}
        strategy = chance.choice(STRATEGIES)
        return signal_document(action, strategy, symbol=symbol, signal_id=f"n{self._made}", **fields)


@asynccontextmanager
async def steady(nats_url: str, symbols: Sequence[str], chance: Random) -> AsyncIterator[Steady]:
    """Send while the block runs; call :meth:`Steady.end` in it."""
    async with connected(nats_url) as client:
        load = Steady(client, symbols, chance)
        await load.begin()
        try:
            yield load
        finally:
            await load.stop()
