"""A real engine over a journal and the paper venue, as tests need it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from contracts.signal import Signal
from contracts.subjects import shard_of
from shared.clock import SystemClock
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.events import SignalDecided
from tradeengine.journal.base import Journal
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.shard import CommitListener
from tradeengine.venue.paper.book import PaperBook
from tradeengine.venue.paper.instruments import default_instrument
from tradeengine.venue.paper.venue import PaperVenue

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
CLOCK = SystemClock()


def make_signal(action: str = "buy", strategy: str = "A", **fields: Any) -> Signal:
    """Make a signal of now."""
    document = {"symbol": "BTCUSDT", "confidence": "0.9", "timestamp": CLOCK.now_ms(), **fields}
    return Signal.from_document({"strategy_id": strategy, "action": action, **document})


def paper_venue() -> PaperVenue:
    """Make a paper venue."""
    book = PaperBook(maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0005"), slippage_bps=Decimal(0))
    return PaperVenue(book, CLOCK, [default_instrument(symbol) for symbol in SYMBOLS])


@asynccontextmanager
async def running_engine(
    journal: Journal,
    *,
    shards: int = 4,
    config: TradingConfig | None = None,
    venue: PaperVenue | None = None,
    prices: dict[str, str] | None = None,
    listeners: Sequence[CommitListener] = (),
) -> AsyncIterator[Engine]:
    """Load and start an engine on an open journal; stop it at the end."""
    venue = venue or paper_venue()
    engine = Engine(
        shards=shards,
        journal=journal,
        venue=venue,
        clock=CLOCK,
        config=config or TradingConfig(),
        initial_equity=Decimal(10_000),
        committer=Committer(journal, CLOCK),
        listeners=listeners,
    )
    await engine.load()
    await engine.start()
    try:
        await eventually(lambda: engine.trouble is None, "the engine to be ready")
        for symbol, price in (prices or {"BTCUSDT": "50000", "ETHUSDT": "2500", "SOLUSDT": "150"}).items():
            venue.post_price(symbol, Decimal(price))
        yield engine
    finally:
        await engine.stop()


async def send(engine: Engine, *signals: Signal) -> list[SignalDecided]:
    """Bring signals to the desk one after the other."""
    return [(await engine.decide(shard_of(s.symbol, engine.shards), [s]))[0] for s in signals]


async def eventually(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Wait for a condition; fail with what was waited for."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 (the condition is the world's, nothing tells of it)
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"waited {seconds} s for {what}") from None
