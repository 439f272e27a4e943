"""A real server, a publisher, and a desk that records what the intake brings."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec
import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext

from contracts.enums import Outcome
from contracts.signal import Signal
from contracts.subjects import shard_of, signal_subject
from shared.clock import SystemClock
from tests.support.deadline import PATIENCE_S, Deadline
from tests.support.nats import NatsServer, nats_server
from tradeengine.domain.events import SignalDecided
from tradeengine.runtime.firsts import FirstDecisions
from tradeengine.runtime.intake import NatsIntake

__all__ = ["nats_server"]

SHARDS = 4
_LOOK_S = 0.01


class RecordingDesk:
    """Decides every signal once and remembers the order; a test may make it slow or refuse."""

    def __init__(self, shards: int = SHARDS) -> None:
        self.shards = shards
        self.owned = frozenset(range(shards))
        self.decided: list[Signal] = []
        self.errors: list[Exception] = []
        self.calls = 0
        self.delay = 0.0
        self.otherwise: dict[str, Any] = {}
        """Fields of a decision that are not what they are by default."""
        self.firsts = FirstDecisions(SystemClock())
        self._seen: set[str] = set()

    @property
    def ids(self) -> list[str]:
        return [signal.signal_id for signal in self.decided]

    async def decide(self, shard: int, signals: Sequence[Signal]) -> list[SignalDecided]:
        self.calls += 1
        assert {shard_of(signal.symbol, self.shards) for signal in signals} == {shard}
        if self.errors:
            raise self.errors.pop(0)
        if self.delay:
            await asyncio.sleep(self.delay)
        self.decided.extend(signals)
        return [self._decide(signal) for signal in signals]

    def _decide(self, signal: Signal) -> SignalDecided:
        outcome = Outcome.DUPLICATE if signal.signal_id in self._seen else Outcome.ACCEPTED
        self._seen.add(signal.signal_id)
        decided = SignalDecided(
            time_ms=1_700_000_000_000,
            strategy_id=signal.strategy_id,
            signal_id=signal.signal_id,
            symbol=signal.symbol,
            action=signal.action,
            outcome=outcome,
            orders=(f"o-{signal.signal_id}",),
        )
        if outcome is Outcome.ACCEPTED:
            self.firsts.note(decided)
        return msgspec.structs.replace(decided, **self.otherwise)


def signal_document(signal_id: str, symbol: str = "BTCUSDT", **fields: Any) -> dict[str, Any]:
    return {
        "strategy_id": "alpha",
        "symbol": symbol,
        "action": "buy",
        "signal_id": signal_id,
        "confidence": 0.8,
        "timestamp": "2026-01-02T03:04:05Z",
        **fields,
    }


def body(signal_id: str, symbol: str = "BTCUSDT", **fields: Any) -> bytes:
    return json.dumps(signal_document(signal_id, symbol, **fields)).encode()


class Publisher:
    """A strategy's side of the server."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.jetstream: JetStreamContext = client.jetstream(timeout=PATIENCE_S)

    async def send(self, signal_id: str, symbol: str = "BTCUSDT", **fields: Any) -> None:
        await self.jetstream.publish(signal_subject(symbol), body(signal_id, symbol, **fields))

    async def pulls(self, stream: str, durable: str) -> bool:
        """Whether anybody asks for a consumer's messages now."""
        return bool((await self.jetstream.consumer_info(stream, durable)).num_waiting)

    async def dead_letters(self) -> list[Any]:
        """All that is parked, oldest first."""
        state = (await self.jetstream.stream_info("SIGNALS_DEAD")).state
        first = state.first_seq or 1
        return [await self.jetstream.get_msg("SIGNALS_DEAD", sequence) for sequence in range(first, state.last_seq + 1)]


@pytest.fixture
def desk() -> RecordingDesk:
    return RecordingDesk()


@pytest.fixture
async def intake(nats_server: NatsServer, desk: RecordingDesk) -> AsyncIterator[NatsIntake]:
    intake = NatsIntake(nats_server.url, desk, SystemClock(), firsts=desk.firsts)
    await intake.start()
    try:
        yield intake
    finally:
        await intake.close()


@pytest.fixture
async def publisher(nats_server: NatsServer) -> AsyncIterator[Publisher]:
    client = await nats.connect(
        nats_server.url,
        connect_timeout=PATIENCE_S,
        reconnect_time_wait=0,
        max_reconnect_attempts=-1,
        error_cb=_ignore,
    )
    try:
        yield Publisher(client)
    finally:
        await client.close()


async def _ignore(_error: Exception) -> None:
    """Outages are what some tests are about."""


async def until(condition: Callable[[], object] | Callable[[], Awaitable[object]], seconds: float = PATIENCE_S) -> None:
    """Wait for a condition; fail when it does not come true in time."""
    deadline = Deadline(seconds, _LOOK_S)
    while True:
        result = condition()
        if isinstance(result, Awaitable):
            result = await result
        if result:
            return
        assert not deadline.passed(), f"not within {deadline}"
        await asyncio.sleep(_LOOK_S)
