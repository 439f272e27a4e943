"""The engine in a process of its own: JetStream intake, shards, SQLite journal, paper venue."""

import asyncio
import logging
from decimal import Decimal
from pathlib import Path
from time import monotonic_ns
from typing import Final, NamedTuple

import structlog

from shared.clock import SystemClock
from tests.benchmarks.apart import Line, say
from tests.benchmarks.flow import FEE_RATE, STEP, SYMBOLS, TICK
from tests.benchmarks.load import SHARDS
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.events import OrderFilled, OrderPlanned, SignalDecided
from tradeengine.domain.instrument import Instrument
from tradeengine.journal.base import Journal
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.intake import NatsIntake
from tradeengine.venue.paper.book import PaperBook
from tradeengine.venue.paper.venue import PaperVenue

READY: Final = "ready"
ABOUT: Final = "intake, shards, SQLite journal, paper venue"

_POLL_S = 0.01
_PRICE = Decimal("40500.5")
_PAGE = 1_000


class Committed(NamedTuple):
    """What the journal holds in the end.

    Parameters
    ----------
    booked_ns
        When the last fill was seen to be booked, on the machine's monotonic clock, if that was after the last
        acknowledgement; else 0.
    """

    records: int
    decided: int
    orders: int
    fills: int
    booked_ns: int


def work(line: Line, url: str, folder: Path) -> Committed:
    """Run the engine until told to stop and every order that it planned has filled."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return asyncio.run(_work(line, url, folder))


async def _work(line: Line, url: str, folder: Path) -> Committed:
    clock = SystemClock()
    journal = SqliteJournal(folder / "journal.sqlite")
    await journal.open()
    instruments = [Instrument(symbol, TICK, STEP, min_notional=Decimal(5)) for symbol in SYMBOLS]
    book = PaperBook(maker_fee=FEE_RATE, taker_fee=FEE_RATE, slippage_bps=Decimal(0), instruments=instruments)
    venue = PaperVenue(book, clock, instruments)
    engine = Engine(
        shards=SHARDS,
        journal=journal,
        venue=venue,
        clock=clock,
        config=TradingConfig(),
        initial_equity=Decimal(1_000_000),
        committer=Committer(journal, clock),
    )
    await engine.load()
    await engine.start()
    for symbol in SYMBOLS:
        venue.post_price(symbol, _PRICE)
    intake = NatsIntake(url, engine, clock)
    await intake.start()
    while not (intake.status().ready and engine.trouble is None):
        await asyncio.sleep(_POLL_S)
    say(line, READY)
    await asyncio.to_thread(line.recv)
    booked_ns = await _booked(engine)
    await intake.close()
    await engine.stop()
    committed = await _committed(journal, booked_ns)
    await journal.close()
    return committed


async def _booked(engine: Engine) -> int:
    """Wait until no market order is under way."""
    late = 0
    while any(state.orders for state in engine.states):
        await asyncio.sleep(_POLL_S)
        late = monotonic_ns()
    return late


async def _committed(journal: Journal, booked_ns: int) -> Committed:
    records = decided = orders = fills = 0
    for shard in await journal.shards():
        after = 0
        while page := await journal.read(shard, after, _PAGE):
            for event in (event for record in page for event in record.events()):
                decided += isinstance(event, SignalDecided)
                orders += isinstance(event, OrderPlanned)
                fills += isinstance(event, OrderFilled)
            records += len(page)
            after = page[-1].sequence
    return Committed(records, decided, orders, fills, booked_ns)
