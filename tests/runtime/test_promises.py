"""What holds over starts and stops: the commit before orders, the look before decisions, the same venue, its orders."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.enums import CloseReason, OrderPurpose, Outcome
from contracts.subjects import shard_of
from shared.errors import ConfigError, RetrySafe
from shared.settings import Settings
from tests.support.engines import CLOCK, eventually, make_signal, running_engine, send
from tests.support.journals import GatedJournal
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.events import OrderFilled, OrderOpened, OrderPlanned
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.journal.base import Journal
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.service import Service
from tradeengine.venue.base import Sight
from tradeengine.venue.paper.book import PaperBook
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS, default_instrument
from tradeengine.venue.paper.venue import PaperVenue


class Exchange(PaperVenue):
    """The paper venue; it notes what arrives, and tells what it holds once it may."""

    def __init__(self) -> None:
        book = PaperBook(maker_fee=Decimal(0), taker_fee=Decimal(0), slippage_bps=Decimal(0))
        super().__init__(book, CLOCK, [default_instrument("BTCUSDT")])
        self.placed: list[str] = []
        self.tells = asyncio.Event()
        self.tells.set()

    async def place(self, order: ApprovedOrder) -> None:
        self.placed.append(order.client_order_id)
        await super().place(order)

    async def observe(self, last_trades: Mapping[str, str | None]) -> Sight:
        await self.tells.wait()
        return await super().observe(last_trades)


def engine_at(venue: PaperVenue, journal: Journal) -> Engine:
    return Engine(
        shards=1,
        journal=journal,
        venue=venue,
        clock=CLOCK,
        config=TradingConfig(),
        initial_equity=Decimal(10_000),
        committer=Committer(journal, CLOCK),
    )


async def test_no_order_leaves_before_its_record_is_committed() -> None:
    journal, venue = GatedJournal(), Exchange()
    journal.takes.set()
    async with running_engine(journal, venue=venue, prices={"BTCUSDT": "50000"}) as engine:
        journal.takes.clear()
        knocks = journal.knocks
        deciding = asyncio.create_task(send(engine, make_signal("buy", "A", quantity="0.01")))
        await eventually(lambda: journal.knocks > knocks, "the record to be brought to the journal")
        state = engine.hosts[shard_of("BTCUSDT", engine.shards)].state
        assert len(state.orders) == 1, "the order is planned"
        for _ in range(100):
            await asyncio.sleep(0)
        assert venue.placed == []
        assert not deciding.done()

        journal.takes.set()
        assert [decided.outcome for decided in await deciding] == [Outcome.ACCEPTED]
        await eventually(lambda: len(venue.placed) == 1, "the order to leave")


async def test_nothing_is_decided_before_the_exchange_was_looked_at() -> None:
    venue = Exchange()
    venue.tells.clear()
    engine = engine_at(venue, MemoryJournal())
    await engine.load()
    await engine.start()
    try:
        signal = make_signal("buy", "A", quantity="0.01")
        await eventually(lambda: not engine.hosts[0].failure, "the shard to work")
        for _ in range(100):
            await asyncio.sleep(0)
        with pytest.raises(RetrySafe, match="not been looked at"):
            await engine.decide(0, [signal])
        venue.tells.set()
        await engine.reconciler.first()
        venue.post_price("BTCUSDT", Decimal(50_000))
        assert [decided.outcome for decided in await engine.decide(0, [signal])] == [Outcome.ACCEPTED]
    finally:
        await engine.stop()


async def test_a_journal_of_another_venue_is_refused() -> None:
    journal = MemoryJournal()
    async with running_engine(journal, shards=1, venue=Exchange(), prices={"BTCUSDT": "50000"}):
        pass
    venue = Exchange()
    venue.name = "elsewhere"
    second = engine_at(venue, journal)
    with pytest.raises(ConfigError, match="holds orders of the venue paper"):
        await second.load()
    await second.stop()


@asynccontextmanager
async def service_on(folder: Path, records: list[Record]) -> AsyncIterator[Service]:
    settings = Settings.load({"TRADEENGINE_DATA_DIR": str(folder), "NATS_EMBEDDED": "off", "SHARDS": "1"})
    service = Service(settings, CLOCK, "0-test", DEMO_INSTRUMENTS, listeners=[records.append])
    await service.start()
    try:
        await eventually(lambda: service.engine.trouble is None, "the service to work")
        yield service
    finally:
        await service.stop()


async def test_after_a_restart_the_stop_that_rested_on_paper_rests_again(tmp_path: Path) -> None:
    records: list[Record] = []

    def close_reasons() -> list[CloseReason | None]:
        # By the records: the state runs ahead of the commit.
        fills = [event for record in records for event in record.events() if isinstance(event, OrderFilled)]
        return [share.close_reason for fill in fills for share in fill.shares]

    async with service_on(tmp_path, records) as service:
        service.post_price("BTCUSDT", Decimal(50_000))
        await send(service.engine, make_signal("buy", "A", quantity="0.01", stop_loss_pct="0.02"))
        await eventually(lambda: _rests(records, OrderPurpose.STOP_LOSS), "the stop to rest")
    async with service_on(tmp_path, records) as service:
        service.post_price("BTCUSDT", Decimal(48_000))
        await eventually(lambda: len(close_reasons()) == 2, "the position to be closed")
    assert close_reasons() == [None, CloseReason.STOP_LOSS]


def _rests(records: Sequence[Record], purpose: OrderPurpose) -> bool:
    """Whether the records tell that an order of that purpose was planned, and taken by the venue."""
    events = [event for record in records for event in record.events()]
    planned = {e.order.client_order_id for e in events if isinstance(e, OrderPlanned) and e.order.purpose is purpose}
    return any(event.client_order_id in planned for event in events if isinstance(event, OrderOpened))
