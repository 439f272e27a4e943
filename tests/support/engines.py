"""A real engine over a journal and the paper venue, as tests need it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from contracts.signal import Signal
from contracts.subjects import shard_of
from shared.clock import SystemClock
from tests.support.deadline import eventually
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.events import SignalDecided
from tradeengine.journal.base import Journal
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.shard import CommitListener
from tradeengine.venue.paper.book import PaperBook
from tradeengine.venue.paper.instruments import default_instrument
from tradeengine.venue.paper.venue import PaperVenue

__all__ = ["CLOCK", "SYMBOLS", "eventually", "make_engine", "make_signal", "paper_venue", "running_engine", "send"]

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


def make_engine(
    journal: Journal,
    venue: PaperVenue,
    *,
    shards: int = 4,
    config: TradingConfig | None = None,
    listeners: Sequence[CommitListener] = (),
) -> Engine:
    """Make an engine on an open journal; nothing is loaded yet."""
    return Engine(
        shards=shards,
        journal=journal,
        venue=venue,
        clock=CLOCK,
        config=config or TradingConfig(),
        initial_equity=Decimal(10_000),
        committer=Committer(journal, CLOCK),
        listeners=listeners,
    )


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
    engine = make_engine(journal, venue, shards=shards, config=config, listeners=listeners)
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
