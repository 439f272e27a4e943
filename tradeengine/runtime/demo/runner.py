"""The demonstration's loop: prices to the paper venue and to the strategies, signals to the engine."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from typing import Protocol

import structlog

from shared.clock import Clock
from shared.errors import Rejected
from tradeengine.runtime.demo.strategies import Strategy
from tradeengine.runtime.demo.writer import Document

log = structlog.get_logger(__name__)


class PriceSource(Protocol):
    """Where the demonstration's prices come from, such as ``PriceGenerator``."""

    def step(self) -> Iterable[tuple[str, Decimal]]:
        """Next price of each symbol."""
        ...


class Demo:
    """Trades on generated prices until it is cancelled.

    Parameters
    ----------
    strategies
        They hear every price and send through ``publish``.
    prices
        Steps once a round.
    post_price
        Tells the paper venue a price.
    publish
        Sends one signal and returns when it is safely with the transport. Whatever it raises, the signal is sent again
        a round later, under the same id, so that it is decided once; only :class:`~shared.errors.Rejected` is final.
    clock
        Time of the prices, and what the loop waits on.
    pause_s
        Seconds between rounds, above zero.
    """

    def __init__(
        self,
        *,
        strategies: Sequence[Strategy],
        prices: PriceSource,
        post_price: Callable[[str, Decimal], None],
        publish: Callable[[Document], Awaitable[None]],
        clock: Clock,
        pause_s: float,
    ) -> None:
        self._strategies = strategies
        self._prices = prices
        self._post_price = post_price
        self._publish = publish
        self._clock = clock
        self._pause_s = pause_s
        self._waiting: deque[Document] = deque()

    async def run(self) -> None:
        """Go round after round."""
        while True:
            await self.play_round()
            await self._clock.sleep(self._pause_s)

    async def play_round(self) -> None:
        """Let every price move once and send what the strategies make of it."""
        # While signals wait to be sent the strategies hear nothing: so few ever wait, and none is sent out of order.
        listening = await self._send()
        for symbol, price in self._prices.step():
            self._post_price(symbol, price)
            if listening:
                for strategy in self._strategies:
                    self._waiting += strategy.on_price(symbol, price, self._clock.now_ms())
        if listening:
            await self._send()

    async def _send(self) -> bool:
        """Send what waits, oldest first; tell whether all of it could be sent."""
        while self._waiting:
            signal = self._waiting[0]
            try:
                await self._publish(signal)
            except Rejected as error:
                log.warning("demo_signal_rejected", signal_id=signal["signal_id"], reason=str(error))
            except Exception as error:  # noqa: BLE001 - the demonstration outlives whatever its transport raises
                reason = f"{type(error).__name__}: {error}"
                log.warning("demo_signal_not_sent", signal_id=signal["signal_id"], reason=reason, action="sent again")
                return False
            self._waiting.popleft()
        return True
