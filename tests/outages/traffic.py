"""Signals of several strategies by NATS, and prices that move, while servers come and go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random
from typing import Any, Final

from tests.process.load import Key, connected, publish, unacknowledged
from tests.support.deadline import PATIENCE_S
from tests.support.process import signal_document
from tests.support.rig import Rig

PRICES: Final = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(3_000)}
QUANTITIES: Final = {"BTCUSDT": "0.01", "ETHUSDT": "0.1"}
STRATEGIES: Final = ("momentum", "reversion", "breakout")
_HOLDS = 6
_PAUSE_S = 0.2
_ACTIONS, _WEIGHTS = ("buy", "sell", "close"), (4, 4, 5)


class Traffic:
    """Sends until its block ends; one signal of each batch asks for a trade.

    Attributes
    ----------
    stored
        Signals that the broker has confirmed, so that each must be decided once.
    """

    def __init__(self, made: Rig, nats_url: str, chance: Random) -> None:
        self._rig = made
        self._nats_url = nats_url
        self._chance = chance
        self._made = 0
        self._over = False
        self.stored: set[Key] = set()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Send while the block runs, and return when every signal is decided and acknowledged."""
        async with connected(self._nats_url) as client:
            sending = asyncio.create_task(self._send())
            moving = asyncio.create_task(self._move())
            try:
                yield
                # A cancellation that meets an answer may be swallowed (asyncio.wait_for of Python 3.11, in nats-py).
                self._over = True
                sending.cancel()
                moving.cancel()
                for task in await asyncio.gather(sending, moving, return_exceptions=True):
                    assert task is None or isinstance(task, asyncio.CancelledError), task
                await self._rig.until(lambda: _all_done(client), "every signal to be acknowledged")
            finally:
                sending.cancel()
                moving.cancel()

    async def grown(self, signals: int, seconds: float = PATIENCE_S) -> None:
        """Wait until so many more signals were decided, and the engine says so: the stores have taken them."""
        wanted = await self._decided() + signals
        await self._rig.until(lambda: self._reached(wanted), f"{signals} more signals to be decided", seconds)

    async def _reached(self, wanted: float) -> bool:
        return await self._decided() >= wanted

    async def _decided(self) -> float:
        return await self._rig.engine.metric("tradeengine_nats_messages_processed_total", status="acked")

    async def _send(self) -> None:
        async with connected(self._nats_url) as client:
            while not self._over:
                documents = [self._trade(), *(self._signal("hold") for _ in range(_HOLDS))]
                await publish(client.jetstream(timeout=PATIENCE_S), *documents)
                self.stored |= {(document["strategy_id"], document["signal_id"]) for document in documents}
                await asyncio.sleep(_PAUSE_S)

    async def _move(self) -> None:
        """Prices wander around where they began, far enough to trigger some stops and targets."""
        while not self._over:
            for symbol, price in PRICES.items():
                step = Decimal(self._chance.randint(-40, 40)) / 10_000
                await self._rig.exchange.mark(symbol, (price * (1 + step)).quantize(Decimal("0.1")))
            await asyncio.sleep(_PAUSE_S)

    def _trade(self) -> dict[str, Any]:
        action = self._chance.choices(_ACTIONS, _WEIGHTS)[0]
        document = self._signal(action)
        if action == "close":
            return document
        return document | {"quantity": QUANTITIES[document["symbol"]], "stop_loss_pct": "0.004"}

    def _signal(self, action: str) -> dict[str, Any]:
        self._made += 1
        chance = self._chance
        symbol = chance.choice(list(PRICES))
        return signal_document(action, chance.choice(STRATEGIES), symbol=symbol, signal_id=f"n{self._made}")


async def _all_done(client: Any) -> bool:
    return await unacknowledged(client) == 0
