"""Copies of a signal that was decided: by every way, to every pod, also when its first copy is long forgotten.

Ten minutes are more than the memory of decisions reaches by default. Here it reaches for eleven seconds, so that a copy
which comes later has to be looked up among what was committed, as one after ten minutes would be.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from contracts.subjects import shard_of
from tests.outages.pods import records_of, until
from tests.outages.stores import Stores
from tests.pods.sending import by_bare_subject, by_http, by_symbol
from tests.pods.site import SHARDS, Site
from tests.process.load import connected
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.inputs import SignalReceived

MAX_AGE_S: Final = 1
SHORT_MEMORY: Final[Mapping[str, Any]] = {"MAX_SIGNAL_AGE_SECONDS": str(MAX_AGE_S)}
MEMORY_S: Final = TradingConfig(max_signal_age_ms=MAX_AGE_S * 1000).memory_ms / 1000
_BY_NATS: Final = 2


class Copies:
    """Sends copies of one signal.

    Parameters
    ----------
    orders
        That the first copy called for.

    Attributes
    ----------
    sent
        How many were sent.
    """

    def __init__(self, made: Site, signal: dict[str, Any], orders: Sequence[str]) -> None:
        self.sent = 0
        self._made = made
        self._signal = signal
        self._orders = orders

    async def come(self) -> None:
        """Send one to every pod by HTTP, and one to each subject of NATS; who asks hears of the first."""
        pods = self._made.running
        async with connected(self._made.nats_url) as client:
            answers = await asyncio.gather(*(by_http(pod, self._signal) for pod in pods))
            assert {(told["outcome"], told["reason"]) for told in answers} == {("duplicate", "duplicate_signal")}
            assert [told["orders"] for told in answers] == [[]] * len(answers)
            assert [told["first"]["orders"] for told in answers] == [self._orders] * len(answers)
            await by_symbol(client, [self._signal])
            await by_bare_subject(client, [self._signal])
        self.sent += len(pods) + _BY_NATS


async def until_since(moment: float, seconds: float) -> None:
    """Wait until so much time has passed since a moment of the machine's monotonic clock: copies are about time."""

    async def passed() -> bool:
        return time.monotonic() - moment > seconds

    await until(passed, f"{seconds} s to pass")


async def looked_up(stores: Stores, symbol: str) -> int:
    """How many copies were found among what is committed, because the memory did not reach back to them."""
    inputs = [entry.input for record in await records_of(stores, shard_of(symbol, SHARDS)) for entry in record.entries]
    return sum(isinstance(given, SignalReceived) and given.known for given in inputs)
