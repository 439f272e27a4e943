"""A limit of the account that pods share: what the exchange holds, and strategies that want more than there is."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final

from tests.outages.pods import until
from tests.pods.sending import by_http
from tests.pods.site import PRICE, Site
from tests.support.process import signal_document

LIMIT: Final = Decimal(3_000)
ORDER_VALUE: Final = Decimal(100)
QUANTITY: Final = str(ORDER_VALUE / PRICE)
EACH: Final = 8
"""Openings of each symbol at once: all of them together ask for more than the limit."""
ROUNDS: Final = 12
SETTINGS: Final[dict[str, Any]] = {
    "MAX_TOTAL_EXPOSURE_USD": str(LIMIT), "LEASE_SECONDS": "4", "BINANCE_RECV_WINDOW_MS": "1000",
}  # fmt: skip
_LOOK_S: Final = 0.05


class Exposure:
    """What the exchange holds, looked at again and again."""

    def __init__(self, made: Site) -> None:
        self._made = made
        self.looks = 0
        self.most = Decimal(0)

    async def now(self) -> Decimal:
        """Everything that is held, in quote currency."""
        rows = await self._made.exchange.signed("GET", "/fapi/v2/positionRisk")
        held = sum((abs(Decimal(row["positionAmt"])) for row in rows), Decimal(0)) * PRICE
        self.looks += 1
        self.most = max(self.most, held)
        assert held <= LIMIT, f"the exchange holds {held}, the limit is {LIMIT}"
        return held

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look while the block runs; a look that sees too much fails it."""

        async def look() -> None:
            while True:
                await self.now()
                await asyncio.sleep(_LOOK_S)

        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(look())
            yield
            looking.cancel()


class Strategies:
    """Strategies that open positions, each one."""

    def __init__(self, made: Site, exposure: Exposure) -> None:
        self._made = made
        self._exposure = exposure
        self._made_so_far = 0
        self.open: dict[str, str] = {}
        """Symbol by strategy."""

    async def fill_up(self, symbols: Sequence[str]) -> Counter[str]:
        """Open at many places at once, until the account has no room for one more; how signals ended, by reason."""
        told: Counter[str] = Counter()
        for _ in range(ROUNDS):
            answers = await asyncio.gather(*(self._open(symbol) for symbol in symbols for _ in range(EACH)))
            told.update(answers)
            if await self._exposure.now() > LIMIT - 2 * ORDER_VALUE:
                return told
            # What others keep ahead of need is given back within a second of a refusal.
            await asyncio.sleep(1.0)
        raise AssertionError(f"the exchange holds {await self._exposure.now()} of {LIMIT} after {told}")

    async def close(self, count: int) -> None:
        """Close some, and wait until they are closed."""
        closing = sorted(self.open)[:count]
        for strategy in closing:
            document = signal_document("close", strategy, symbol=self.open.pop(strategy), signal_id=f"{strategy} out")
            decision = await by_http(self._made.running[0], document)
            assert decision["outcome"] == "accepted", decision
        left = len(self.open) * ORDER_VALUE
        await until(lambda: self._holds(left), f"{left} to be left")

    async def _holds(self, value: Decimal) -> bool:
        return await self._exposure.now() == value

    async def _open(self, symbol: str) -> str:
        self._made_so_far += 1
        number = self._made_so_far
        pods = self._made.running
        document = signal_document("buy", f"S{number:03}", symbol=symbol, signal_id=f"in {number}", quantity=QUANTITY)
        decision = await by_http(pods[number % len(pods)], document)
        if decision["outcome"] == "accepted":
            self.open[document["strategy_id"]] = symbol
            return "accepted"
        return str(decision["reason"])
