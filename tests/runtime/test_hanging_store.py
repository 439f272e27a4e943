"""A store that takes its time: what is reported meanwhile is decided, and a stop leaves; nothing else does."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from contracts.enums import OrderPurpose, OrderStatus, Outcome
from shared.errors import ConfigError, EngineError, Fenced, OutcomeUnknown, Rejected, RetrySafe
from tests.support.builders import LONG, T0, instrument
from tests.support.deadline import PATIENCE_S
from tests.support.engines import CLOCK, eventually, make_signal, paper_venue, running_engine, send
from tests.support.journals import GatedJournal
from tests.support.records import claim
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import (
    AnyInput,
    ConfigChanged,
    InstrumentsChanged,
    JournalOpened,
    OrderReported,
    TimeAdvanced,
)
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Snapshot
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.runtime.account import Account
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.pipeline import EARLY_STOP_S
from tradeengine.runtime.recovery import load_state
from tradeengine.runtime.shard import Shard
from tradeengine.venue.paper.venue import PaperVenue

PROTECTED = TradingConfig(stop_loss_pct=Decimal("0.02"), take_profit_pct=Decimal("0.04"))
LIVE_S = 1.0
"""How long a position may be without its stop after the fill."""


# ------------------------------------------------------------ an engine at the paper exchange


class Exchange:
    """The paper exchange, with what reached it, and something to happen when an order does."""

    def __init__(self) -> None:
        self.venue: PaperVenue = paper_venue()
        self.placed: list[ApprovedOrder] = []
        self.on_place: Callable[[ApprovedOrder], object] = lambda order: None
        self._place = self.venue.place
        self.venue.place = self._note  # type: ignore[method-assign]

    async def _note(self, order: ApprovedOrder) -> None:
        self.on_place(order)
        self.placed.append(order)
        await self._place(order)

    def purposes(self) -> list[OrderPurpose]:
        return [order.purpose for order in self.placed]


@asynccontextmanager
async def trading(journal: GatedJournal, exchange: Exchange) -> AsyncIterator[Engine]:
    """Run an engine on an open gate; the gate is opened again at the end."""
    journal.takes.set()
    async with running_engine(journal, shards=1, config=PROTECTED, venue=exchange.venue) as engine:
        try:
            yield engine
        finally:
            journal.takes.set()


async def settled(engine: Engine, journal: GatedJournal, exchange: Exchange) -> None:
    """Let the store answer, and insist that books, journal and exchange say the same."""
    journal.takes.set()
    state = engine.hosts[0].state
    await eventually(lambda: exchange.purposes().count(OrderPurpose.TAKE_PROFIT) == 1, "the target to leave")
    await eventually(lambda: all(live.status == "open" for live in state.orders.values()), "both to rest")
    await send(engine, make_signal("hold", "Z"))
    assert sorted(exchange.purposes()) == [OrderPurpose.OPEN, OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT]
    leg = state.leg("BTCUSDT", LONG)
    assert leg is not None
    assert [(p.quantity, p.stop_order_id) for p in leg.strategies.values()] == [
        (Decimal("0.01"), next(o.client_order_id for o in exchange.placed if o.purpose is OrderPurpose.STOP_LOSS))
    ]
    (observed,) = (await exchange.venue.observe({"BTCUSDT": None})).observed
    assert [(position.position_side, position.quantity) for position in observed.positions] == [(LONG, leg.quantity)]
    assert {order.client_order_id for order in observed.orders} == set(state.orders)
    committed, sequence, _ = await load_state(journal, 0)
    assert (committed.canonical(), sequence) == (state.canonical(), engine.hosts[0].sequence)


async def test_i28_a_stop_leaves_within_a_second_of_its_fill_while_the_journal_hangs() -> None:
    journal, exchange = GatedJournal(), Exchange()
    async with trading(journal, exchange) as engine:
        exchange.on_place = lambda order: journal.takes.clear()
        await send(engine, make_signal("buy", "A", quantity="0.01"))
        await eventually(lambda: OrderPurpose.OPEN in exchange.purposes(), "the opening to leave and fill")
        await eventually(lambda: OrderPurpose.STOP_LOSS in exchange.purposes(), "the stop", LIVE_S)
        exchange.on_place = lambda order: None
        await settled(engine, journal, exchange)


async def test_i28_a_fill_behind_a_commit_that_hangs_is_decided_and_its_stop_leaves() -> None:
    """The acceptance of an entry is what hangs; the entry fills later."""
    journal, exchange = GatedJournal(), Exchange()
    async with trading(journal, exchange) as engine:
        exchange.on_place = lambda order: journal.takes.clear()
        knocks = journal.knocks
        await send(engine, make_signal("buy", "A", quantity="0.01", order_type="limit", price="49000"))
        await eventually(lambda: journal.knocks == knocks + 2, "the acceptance to wait for the journal")
        exchange.venue.post_price("BTCUSDT", Decimal(49_000))
        await eventually(lambda: OrderPurpose.STOP_LOSS in exchange.purposes(), "the stop", LIVE_S)
        exchange.on_place = lambda order: None
        await settled(engine, journal, exchange)


async def test_nothing_but_a_stop_leaves_before_its_record_is_committed() -> None:
    journal, exchange = GatedJournal(), Exchange()
    async with trading(journal, exchange) as engine:
        await send(engine, make_signal("buy", "A", quantity="0.01"))
        await eventually(lambda: len(exchange.placed) == 3, "stop and target")
        journal.takes.clear()
        opening = asyncio.create_task(send(engine, make_signal("buy", "B", quantity="0.01")))
        closing = asyncio.create_task(send(engine, make_signal("close", "A")))
        state = engine.hosts[0].state
        await eventually(lambda: {"B", "A"} == {live.order.strategy_id for live in state.orders.values()}, "both")
        leg = state.leg("BTCUSDT", LONG)
        assert leg is not None
        # The stop does its work meanwhile, and what follows is decided: the closing is not needed any more.
        exchange.venue.post_price("BTCUSDT", Decimal(48_000))
        await eventually(lambda: not leg.quantity, "the stop's fill to be booked")
        # Longer than any order could need to leave.
        await CLOCK.sleep(2 * EARLY_STOP_S)
        assert len(exchange.placed) == 3, "neither opening nor closing has left"
        assert [opening.done(), closing.done()] == [False, False]
        journal.takes.set()
        assert [(await task)[0].outcome for task in (opening, closing)] == [Outcome.ACCEPTED] * 2
        await eventually(lambda: len(exchange.placed) == 6, "B's opening, stop and target")
        assert OrderPurpose.CLOSE not in exchange.purposes()


# ------------------------------------------------------------ a shard alone


def configured(most: int) -> ConfigChanged:
    """Make an input that always leads to an event, told apart by a figure."""
    return ConfigChanged(time_ms=T0, config=TradingConfig(max_accumulations=most))


class Worker:
    """A shard at work on a gate, with what it committed and what it said to be overdue."""

    def __init__(self, journal: GatedJournal) -> None:
        self.journal = journal
        self.records: list[Record] = []
        self.overdue: list[Record] = []
        self.committer = Committer(journal, CLOCK)
        self.shard = Shard(
            ShardState(shard=0),
            0,
            journal=journal,
            committer=self.committer,
            account=Account(Decimal(10_000), lambda symbol: Decimal(100)),
            clock=CLOCK,
            listeners=[self.records.append],
            overdue=self.overdue.append,
            epoch=7,
        )

    @property
    def committed(self) -> list[AnyInput]:
        return [entry.input for record in self.records for entry in record.entries]

    def decide(self, *names: str) -> asyncio.Task[list[SignalDecided]]:
        """Send hold signals."""
        return asyncio.create_task(self.shard.decide([make_signal("hold", "A", signal_id=name) for name in names]))

    async def hang(self, *given: AnyInput) -> None:
        """Shut the gate and wait until a record of these inputs is held there."""
        self.journal.takes.clear()
        knocks = self.journal.knocks
        for one in given:
            self.shard.submit(one)
        await eventually(lambda: self.journal.knocks > knocks, "the record to be brought to the journal")

    async def decided(self, *given: ConfigChanged) -> None:
        """Submit inputs, and wait until the state has the last."""
        for one in given:
            self.shard.submit(one)
        await eventually(lambda: self.shard.state.config == given[-1].config, "reports to be decided", LIVE_S)


@asynccontextmanager
async def working(journal: GatedJournal) -> AsyncIterator[Worker]:
    """Run a shard; it has committed one record."""
    worker = Worker(journal)
    journal.takes.set()
    opened = JournalOpened(time_ms=T0, journal_id="test")
    await worker.shard.process([opened, InstrumentsChanged(time_ms=T0, instruments=(instrument(),))])
    worker.records.clear()
    running = asyncio.create_task(worker.shard.run())
    try:
        yield worker
    finally:
        journal.takes.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await worker.committer.close()


async def test_reports_are_decided_and_signals_wait_while_a_commit_hangs() -> None:
    async with working(GatedJournal()) as worker:
        await worker.hang(configured(1))
        signal = worker.decide("1")
        await worker.decided(configured(2), configured(3))
        await worker.decided(configured(4))
        assert worker.committed == []
        assert worker.shard.state.decided == {}
        worker.journal.takes.set()
        await signal
        assert worker.committed[:4] == [configured(number) for number in (1, 2, 3, 4)]
        assert [record.sequence for record in worker.records] == list(range(2, 2 + len(worker.records)))
        assert {record.epoch for record in worker.records} == {7}
        assert await worker.journal.read(0, after=1) == worker.records


async def test_a_record_is_overdue_once_and_only_while_it_waits() -> None:
    async with working(GatedJournal()) as worker:
        await worker.decided(configured(1))
        assert worker.overdue == [], "a store that answers is not late"
        await worker.hang(configured(2))
        await worker.decided(configured(3))
        await eventually(lambda: len(worker.overdue) == 2, "both to be overdue", LIVE_S)
        await CLOCK.sleep(EARLY_STOP_S)
        worker.journal.takes.set()
        await eventually(lambda: len(worker.records) == 3, "both to be committed")
        assert worker.overdue == worker.records[1:]


async def test_a_shard_that_stops_hands_on_the_reports_of_all_records_that_did_not_land() -> None:
    async with working(GatedJournal()) as worker:
        await worker.hang(configured(1))
        worker.journal.faults = [("before", MemoryError("no memory"))]
        queued = worker.decide("queued")
        await worker.decided(configured(2))
        await worker.decided(configured(3))
        worker.journal.takes.set()
        (told,) = await asyncio.gather(queued, return_exceptions=True)
        assert isinstance(told, RetrySafe), "nothing was decided"
        assert worker.records == []
        assert await worker.journal.last_sequence(0) == 1, "what was decided on a lost record is lost with it"
        assert worker.shard.unworked(1) == [configured(1), configured(2), configured(3)]
        assert worker.shard.unworked(3) == [configured(3)], "the first two have landed after all"


async def test_a_shard_that_is_fenced_lets_nothing_that_it_decided_meanwhile_in() -> None:
    async with working(GatedJournal()) as worker:
        await worker.hang(configured(1))
        queued = worker.decide("queued")
        await worker.decided(configured(2))
        theirs = claim(0, 2, epoch=8)
        await MemoryJournal.append(worker.journal, [theirs])
        worker.journal.takes.set()
        (told,) = await asyncio.gather(queued, return_exceptions=True)
        assert isinstance(told, Fenced)
        assert worker.records == []
        assert await worker.journal.read(0, after=1) == [theirs]


async def test_an_input_that_led_to_nothing_shares_the_fate_of_what_it_was_held_against() -> None:
    async with working(GatedJournal()) as worker:
        await worker.hang(configured(1))
        worker.journal.faults = [("before", MemoryError("no memory"))]
        unknown = OrderReported(time_ms=T0, client_order_id="te-x-0-0o", status=OrderStatus.OPEN)
        worker.shard.submit(unknown)
        worker.shard.submit(TimeAdvanced(time_ms=T0))
        await worker.decided(configured(2))
        worker.shard.submit(unknown)
        await eventually(lambda: worker.shard._inbox.reports == (), "it to be decided")
        worker.journal.takes.set()
        await eventually(lambda: worker.shard.failure is not None, "the shard to stop")
        assert worker.shard.unworked(1).count(unknown) == 2


async def test_of_what_hangs_there_is_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeengine.runtime.pipeline.MAX_ENTRIES", 2)
    async with working(GatedJournal()) as worker:
        await worker.hang(configured(1))
        await worker.decided(configured(2))
        worker.shard.submit(configured(3))
        await CLOCK.sleep(EARLY_STOP_S)
        assert worker.shard.state.config == configured(2).config
        worker.journal.takes.set()
        await eventually(lambda: worker.committed == [configured(number) for number in (1, 2, 3)], "all of them")


async def test_a_look_up_that_hangs_keeps_no_report_from_being_decided_and_committed() -> None:
    class Slow(GatedJournal):
        tells = asyncio.Event()

        async def is_decided(self, key: str) -> bool:
            await self.tells.wait()
            return await super().is_decided(key)

    async with working(journal := Slow()) as worker:
        await worker.decide("1")
        worker.shard.state.decided.clear()
        worker.shard.state.forgotten_ms = CLOCK.now_ms() + 600_000
        deciding = worker.decide("1", "2")
        await worker.decided(configured(1))
        await eventually(lambda: configured(1) in worker.committed, "the report to be committed")
        assert not deciding.done()
        journal.tells.set()
        assert [decided.outcome for decided in await deciding] == [Outcome.DUPLICATE, Outcome.HELD]


async def test_a_snapshot_that_hangs_keeps_no_report_from_being_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(GatedJournal):
        saves = asyncio.Event()

        async def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
            await self.saves.wait()
            await super().save_snapshot(shard, snapshot)

    monkeypatch.setattr("tradeengine.runtime.shard.SNAPSHOT_EVERY", 2)
    async with working(journal := Slow()) as worker:
        await worker.decided(configured(1))
        before = worker.shard.state.canonical()
        await worker.decided(configured(2))
        await eventually(lambda: configured(2) in worker.committed, "the report to be committed")
        journal.saves.set()
        await eventually(lambda: 0 in journal._snapshots, "the snapshot")
        assert journal._snapshots[0] == Snapshot(2, before), "of the state that it says"


@pytest.mark.parametrize("error", [RetrySafe, OutcomeUnknown, Rejected, ConfigError])
async def test_a_snapshot_that_is_refused_stops_no_shard(
    monkeypatch: pytest.MonkeyPatch, error: type[EngineError]
) -> None:
    class Refusing(GatedJournal):
        refusals = 0

        async def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
            self.refusals += 1
            raise error("over quota")

    monkeypatch.setattr("tradeengine.runtime.shard.SNAPSHOT_EVERY", 2)
    async with working(journal := Refusing()) as worker:
        for number in range(6):
            (decided,) = await worker.decide(str(number))
            assert decided.outcome is Outcome.HELD
        assert worker.shard.failure is None
        assert 1 <= journal.refusals <= 3, "it is asked again with as many events, not with each"


async def test_reports_that_never_end_keep_no_signal_waiting_for_a_slow_store() -> None:
    class Slow(GatedJournal):
        async def append(self, records: Sequence[Record]) -> None:
            await CLOCK.sleep(0.12)
            await super().append(records)

    async with working(Slow()) as worker:
        numbers = itertools.count(1)

        async def report() -> None:
            while True:
                worker.shard.submit(configured(next(numbers)))
                await CLOCK.sleep(0.01)

        reporting = asyncio.create_task(report())
        try:
            for name in ("1", "2"):
                await asyncio.wait_for(worker.decide(name), PATIENCE_S)
        finally:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
