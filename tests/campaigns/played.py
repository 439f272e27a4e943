"""The engine that is played with: started, ended anywhere, and started again on the same journal."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Final

from contracts.signal import EXTERNAL, Signal
from contracts.subjects import shard_of
from shared.errors import OutcomeUnknown, RetrySafe
from shared.settings import Settings
from tests.campaigns.equality import unrest
from tests.campaigns.exchange import KEY, SECRET, SYMBOLS, Exchange
from tests.campaigns.warp import WarpClock
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Snapshot
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.trading_config import trading_config
from tradeengine.venue.binance.build import build_venue
from tradeengine.venue.binance.venue import BinanceVenue

COMMIT_S: Final = 0.002
"""What a commit takes: an engine that ends meanwhile may or may not find its record again."""
SHARDS: Final = 3
"""With three, the two symbols are of different shards."""
PAUSE_S: Final = 0.1
_ATTEMPTS: Final = 50


class SlowJournal(MemoryJournal):
    """The journal in memory, as slow as one on a disk.

    Parameters
    ----------
    down
        Whether nothing reaches it any more: its process is being killed.
    """

    def __init__(self, clock: WarpClock) -> None:
        super().__init__()
        self._clock = clock
        self.down = False

    async def append(self, records: Sequence[Record]) -> None:
        await self._clock.sleep(COMMIT_S / 2)
        if self.down:
            await asyncio.Event().wait()
        await super().append(records)
        await self._clock.sleep(COMMIT_S / 2)

    async def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        if not self.down:
            await super().save_snapshot(shard, snapshot)


class PlayedEngine:
    """The engine, the venue that it trades at, and the journal that outlives both.

    Parameters
    ----------
    env
        Settings beside the addresses.
    """

    def __init__(self, exchange: Exchange, clock: WarpClock, env: dict[str, str]) -> None:
        server = exchange.server
        self._settings = Settings.load(
            {
                "TRADING_MODE": "testnet",
                "BINANCE_API_KEY": KEY,
                "BINANCE_API_SECRET": SECRET,
                "BINANCE_FUTURES_BASE_URL": server.url,
                "BINANCE_WS_URL": server.ws_url,
                "ALLOWED_SYMBOLS": ",".join(SYMBOLS),
                **env,
            }
        )
        self._clock = clock
        self.journal = SlowJournal(clock)
        self._parts: tuple[Engine, BinanceVenue] | None = None

    @property
    def states(self) -> list[ShardState]:
        """The books of all shards."""
        return self._running()[0].states

    async def start(self) -> None:
        """Start as the service does: what is not answered is asked again."""
        for _ in range(_ATTEMPTS):
            venue = build_venue(self._settings, self._clock)
            engine = Engine(
                shards=SHARDS,
                journal=self.journal,
                venue=venue,
                clock=self._clock,
                config=trading_config(self._settings),
                initial_equity=Decimal(0),
                committer=Committer(self.journal, self._clock),
            )
            self._parts = engine, venue
            try:
                await engine.load()
                await engine.start()
            except (RetrySafe, OutcomeUnknown):
                await self.stop()
                await self._clock.sleep(PAUSE_S)
            else:
                return
        raise AssertionError("the engine does not start")

    async def stop(self, *, killed: bool = False) -> None:
        """End it, whatever it is doing; killed, it commits nothing any more."""
        parts, self._parts = self._parts, None
        self.journal.down = killed
        if parts is not None:
            await parts[0].stop()
        self.journal.down = False

    async def decide(self, signal: Signal) -> SignalDecided:
        """Bring a signal to the desk until it is decided, as the broker does."""
        for _ in range(_ATTEMPTS):
            with suppress(RetrySafe, OutcomeUnknown):
                return await self.decide_once(signal)
            await self._clock.sleep(PAUSE_S)
        raise AssertionError(f"nobody decides {signal}")

    async def decide_once(self, signal: Signal) -> SignalDecided:
        """Bring a signal to the desk."""
        (decision,) = await self._running()[0].decide(shard_of(signal.symbol, SHARDS), [signal])
        return decision

    def look(self) -> None:
        """Let it look at what the exchange holds, now."""
        self._running()[0].reconciler.kick()

    def holders(self) -> list[tuple[str, str]]:
        """Strategies that hold something, and of which symbol."""
        held = [p for state in self.states for leg in state.legs.values() for p in leg.strategies.values()]
        return [(p.strategy_id, p.symbol) for p in held if p.strategy_id != EXTERNAL]

    def unrest(self) -> list[str]:
        """What is under way, or does not work."""
        engine, venue = self._running()
        trouble = engine.trouble or venue.state().trouble
        if trouble is not None:
            return [trouble]
        found = [text for state in engine.states for text in unrest(state)]
        for state in engine.states:
            for symbol, watch in state.price_watches.items():
                mark = venue.mark_price(symbol)
                if mark is None or watch.reached(mark):
                    found.append(f"{symbol} has come to a price that is waited for: {watch}, mark {mark}")
        return found

    def _running(self) -> tuple[Engine, BinanceVenue]:
        assert self._parts is not None, "the engine is not started"
        return self._parts
