"""A desk that notes when signals come to it."""

from collections.abc import Sequence

from contracts.signal import Signal
from shared.clock import Clock
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import signal_key
from tradeengine.runtime.desk import SignalDesk


class TracedDesk:
    """A ``SignalDesk`` before another one.

    Parameters
    ----------
    arrived
        Where it notes when signals that are being decided came, by key: milliseconds since 1970 UTC.
    """

    def __init__(self, desk: SignalDesk, clock: Clock, arrived: dict[str, int]) -> None:
        self._desk = desk
        self._clock = clock
        self._arrived = arrived

    @property
    def shards(self) -> int:
        """Number of shards that symbols are dealt to."""
        return self._desk.shards

    @property
    def owned(self) -> frozenset[int]:
        """Shards that this process decides now."""
        return self._desk.owned

    async def decide(self, shard: int, signals: Sequence[Signal]) -> list[SignalDecided]:
        """Decide signals; see ``SignalDesk.decide``."""
        now = self._clock.now_ms()
        keys = [signal_key(signal.strategy_id, signal.symbol, signal.signal_id) for signal in signals]
        for key in keys:
            self._arrived.setdefault(key, now)
        try:
            return await self._desk.decide(shard, signals)
        finally:
            for key in keys:
                self._arrived.pop(key, None)
