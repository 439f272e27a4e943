"""One shard's life: what is asked of the venue when it starts, and what a failure must not lose or do twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.enums import OrderPurpose, OrderStatus, Outcome
from contracts.signal import Signal
from shared.clock import ManualClock
from shared.errors import ConfigError, Fenced, OutcomeUnknown, RetrySafe
from tests.support.builders import LONG, T0, instrument
from tests.support.deadline import PATIENCE_S
from tests.support.engines import eventually
from tests.support.journals import FaultyJournal, GatedJournal
from tradeengine.domain import decide
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.events import AnyEvent
from tradeengine.domain.inputs import ConfigChanged, FillReported, OrderReported
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.domain.state import ShardState
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Entry, Record
from tradeengine.runtime.account import Account
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.host import ShardHost
from tradeengine.runtime.ownership import AlwaysHeld
from tradeengine.runtime.workplace import Briefing, Workplace
from tradeengine.venue.paper.book import PaperBook
from tradeengine.venue.paper.venue import PaperVenue

SYMBOL = "BTCUSDT"


class Exchange(PaperVenue):
    """The paper venue, with what was asked of it, and something to happen before the next order is placed."""

    def __init__(self, clock: ManualClock) -> None:
        book = PaperBook(maker_fee=Decimal(0), taker_fee=Decimal(0), slippage_bps=Decimal(0))
        super().__init__(book, clock, [instrument(SYMBOL)])
        self.book = book
        self.placed: list[str] = []
        self.purposes: list[OrderPurpose] = []
        self.on_place: Callable[[], Any] = lambda: None

    async def place(self, order: ApprovedOrder) -> None:
        waited = self.on_place()
        if waited is not None:
            await waited
        self.placed.append(order.client_order_id)
        self.purposes.append(order.purpose)
        await super().place(order)


class Site:
    """A host with its venue and its journal, in virtual time."""

    def __init__(self, journal: MemoryJournal) -> None:
        self.clock = ManualClock(T0)
        self.journal = journal
        self.venue = Exchange(self.clock)
        self.committer = Committer(journal, self.clock)
        self.place = Workplace(
            shards=1,
            ownership=AlwaysHeld(1),
            journal=journal,
            committer=self.committer,
            account=Account(Decimal(10_000), self.venue.mark_price),
            venue=self.venue,
            clock=self.clock,
            listeners=[],
            briefing=self.brief,
        )
        self.lives = 0
        self.config = TradingConfig()
        self.on_brief: Callable[[], object] = lambda: None
        self.host = ShardHost(0, 0, self.place, on_work=self.works)

    def works(self) -> None:
        """Count how often the shard was loaded and began to work."""
        self.lives += 1

    @property
    def ready(self) -> bool:
        """Whether the shard works, and all orders of before are known."""
        return self.host.working and self.host.resolved

    async def brief(self, _: int) -> Briefing:
        self.on_brief()
        return Briefing("test", self.config, await self.venue.instruments())

    def signal(self, action: str, signal_id: str, **fields: Any) -> Signal:
        document = {"strategy_id": "A", "symbol": SYMBOL, "confidence": "0.9", "timestamp": self.clock.now_ms()}
        return Signal.from_document({**document, "action": action, "signal_id": signal_id, **fields})

    async def outcome(self, signal: Signal) -> Outcome:
        """Send a signal until it is decided, as intakes do."""
        while True:
            with suppress(RetrySafe, OutcomeUnknown):
                return (await self.host.decide([signal]))[0].outcome
            await asyncio.sleep(0)

    def held(self) -> Decimal:
        state = self.host.state_if_loaded
        leg = state.leg(SYMBOL, LONG) if state is not None else None
        return leg.quantity if leg is not None else Decimal(0)


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[ShardHost]:
    """Let a host work on an open venue."""
    await site.venue.open(site.host.submit)
    site.venue.post_price(SYMBOL, Decimal(100))
    task = asyncio.create_task(site.host.run())
    try:
        await eventually(lambda: site.host.working, "the shard to work")
        yield site.host
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await site.committer.close()


async def test_an_order_that_is_planned_before_the_resume_begins_is_sent_once() -> None:
    site = Site(MemoryJournal())
    async with running(site) as host:
        decided = await host.decide([site.signal("buy", "1", quantity="1")])
        await eventually(lambda: site.ready and site.held() == 1, "the order")
        assert site.venue.placed == list(decided[0].orders)
        assert site.venue.book.held(SYMBOL, LONG) == 1


async def test_an_order_that_is_planned_right_after_a_reload_is_sent_once() -> None:
    site = Site(FaultyJournal())
    assert isinstance(site.journal, FaultyJournal)
    async with running(site) as host:
        await eventually(lambda: site.ready, "the start")
        site.journal.faults = [("before", MemoryError("no memory"))]
        with pytest.raises(OutcomeUnknown):
            await host.decide([site.signal("hold", "breaks")])
        names = [f"{number}" for number in range(20)]
        buys = [site.signal("buy", name, strategy_id=name, quantity="0.1") for name in names]
        assert set(await asyncio.gather(*[site.outcome(buy) for buy in buys])) == {Outcome.ACCEPTED}
        await eventually(lambda: site.ready and site.held() == 2, "the orders")
        assert len(site.venue.placed) == len(set(site.venue.placed)) == 20
        assert site.venue.book.held(SYMBOL, LONG) == 2


async def test_a_stop_does_not_wait_behind_a_flood_of_openings() -> None:
    site = Site(MemoryJournal())
    site.venue.on_place = lambda: site.clock.sleep(0.02)
    async with running(site) as host:
        names = [f"{number}" for number in range(200)]
        buys = [site.signal("buy", name, strategy_id=name, quantity="0.1", stop_loss_pct="0.01") for name in names]
        await asyncio.gather(*[host.decide([buy]) for buy in buys])
        await eventually(lambda: len(site.venue.placed) == 400, "the orders and their stops")
        first = site.venue.purposes.index(OrderPurpose.STOP_LOSS)
        assert first < 100, f"the first stop was sent after {first} openings"


async def test_a_gateway_that_fails_while_the_journal_is_down_does_not_fence_its_own_shard() -> None:
    journal = GatedJournal()
    journal.takes.set()
    site = Site(journal)
    fails = asyncio.Event()

    async def fail() -> None:
        await fails.wait()
        site.venue.on_place = lambda: None
        raise KeyError("an answer that nobody understands")

    site.venue.on_place = fail
    async with running(site) as host:
        assert await site.outcome(site.signal("buy", "1", quantity="1")) is Outcome.ACCEPTED
        journal.takes.clear()
        journal.knocks = 0
        copied = site.signal("hold", "2")
        pending = asyncio.ensure_future(host.decide([copied]))
        await eventually(lambda: bool(journal.knocks), "the commit")
        fails.set()
        with pytest.raises(OutcomeUnknown):
            await pending
        await eventually(lambda: "KeyError" in (host.trouble or ""), "the shard to fail")
        assert host.state_if_loaded is None
        journal.takes.set()
        assert await site.outcome(copied) is Outcome.DUPLICATE, "the record landed before the shard was loaded"
        assert await site.outcome(site.signal("hold", "3")) is Outcome.HELD
        assert not host.fenced
        await eventually(lambda: site.held() == 1, "the order that was not placed")


@pytest.mark.parametrize("when", ["before", "after"], ids=["record lost", "record landed"])
async def test_no_report_is_lost_or_booked_twice_when_a_commit_fails(when: str) -> None:
    journal = FaultyJournal()
    site = Site(journal)
    async with running(site) as host:
        await site.outcome(site.signal("buy", "1", quantity="1"))
        await eventually(lambda: site.held() == 1 and not host.state.orders, "the position")
        settle = [lambda: site.venue.post_funding(SYMBOL, Decimal("0.001"))]
        journal.faults = [(when, MemoryError("no memory"))]
        journal.on_append = lambda: settle and settle.pop()()
        journal.on_load = lambda: site.venue.post_funding(SYMBOL, Decimal("0.001"))
        site.venue.post_funding(SYMBOL, Decimal("0.001"))
        await eventually(lambda: host.failure is not None, "the shard to fail")
        journal.on_append = lambda: None

        def booked() -> bool:
            state = host.state_if_loaded
            return state is not None and state.totals.funding == Decimal("-0.3")

        await eventually(booked, "the settlements in hand, in the inbox, and of the time of the reload")
        await site.outcome(site.signal("hold", "2"))
        assert booked()


@pytest.mark.parametrize("breaks", ["journal", "briefing", "commit", "nothing"])
async def test_no_report_is_lost_when_a_reload_fails_or_records_something_first(breaks: str) -> None:
    journal = FaultyJournal()
    site = Site(journal)
    async with running(site) as host:
        await site.outcome(site.signal("buy", "1", quantity="1"))
        await eventually(lambda: site.held() == 1 and not host.state.orders, "the position")
        settle = [lambda: site.venue.post_funding(SYMBOL, Decimal("0.001"))]
        journal.on_append = lambda: settle and settle.pop()()
        journal.faults = [("before", MemoryError("no memory"))]
        name, broken = site.venue.name, list[Exception]()

        def refuse() -> None:
            if breaks == "briefing" and not broken:
                broken.append(RetrySafe("the exchange does not tell its rules"))
                raise broken[0]

        def load() -> None:
            # The shard that is loaded records this where the lost record was to land.
            site.config = TradingConfig(stop_loss_pct=Decimal("0.02"))
            site.venue.name = name
            if breaks == "journal" and not broken:
                broken.append(ConfigError("the journal is of another venue"))
                site.venue.name = "another"
            if breaks == "commit" and not broken:
                broken.append(MemoryError("no memory either"))
                journal.faults = [("before", broken[0])]

        site.on_brief, journal.on_load = refuse, load
        site.venue.post_funding(SYMBOL, Decimal("0.001"))
        await eventually(lambda: site.lives == 2, "the shard to work again")
        assert len(broken) == (breaks != "nothing")
        assert host.state.config == site.config

        def booked() -> bool:
            return host.working and host.state.totals.funding == Decimal("-0.2")

        await eventually(booked, "the settlements in hand and in the inbox")
        await site.outcome(site.signal("hold", "2"))
        assert booked()


@pytest.mark.parametrize(
    ("kind", "status", "named"),
    [(FillReported, None, "fill BTCUSDT:"), (OrderReported, OrderStatus.FILLED, " filled ")],
    ids=["fill", "order"],
)
async def test_a_report_that_cannot_be_decided_stops_the_shard_once(
    monkeypatch: pytest.MonkeyPatch, kind: type, status: OrderStatus | None, named: str
) -> None:
    site = Site(MemoryJournal())
    failed: list[str] = []
    healthy = decide._DECIDE[kind]

    def fragile(state: ShardState, given: Any) -> list[AnyEvent]:
        if given.client_order_id == bought[0] and getattr(given, "status", None) is status:
            failed.append(given.client_order_id)
            raise ZeroDivisionError("boom")
        return healthy(state, given)

    async with asyncio.timeout(PATIENCE_S), running(site) as host:
        await eventually(lambda: site.ready, "the start")
        bought = (await host.decide([site.signal("buy", "1", quantity="1")]))[0].orders
        monkeypatch.setitem(decide._DECIDE, kind, fragile)
        with capture_logs() as logs:
            await eventually(lambda: site.lives == 2, "the shard to come back")
            shard = host.state
            assert await site.outcome(site.signal("hold", "2")) is Outcome.HELD
            assert await site.outcome(site.signal("buy", "3", strategy_id="B", quantity="1")) is Outcome.ACCEPTED
            again = site.venue.book.query(bought[0])
            assert again
            for report in again:
                host.submit(report)
            assert await site.outcome(site.signal("hold", "4")) is Outcome.HELD
        assert host.state is shard
        assert failed == [bought[0]]
        assert [one["log_level"] for one in logs if one["event"] == "input_failed"] == ["critical"]
        assert host.failure is None
        assert named in (host.trouble or "")
        assert "ZeroDivisionError: boom" in (host.trouble or "")


async def test_a_look_up_without_an_answer_does_not_stop_the_shard() -> None:
    journal = FaultyJournal()
    site = Site(journal)
    async with running(site) as host:
        await eventually(lambda: site.ready, "the start")
        shard = host.state
        shard.forgotten_ms = T0 + 600_000
        journal.silent_lookups = 1
        assert await site.outcome(site.signal("close", "late")) is Outcome.REJECTED
        assert host.state is shard


async def test_a_fenced_shard_keeps_nothing() -> None:
    site = Site(MemoryJournal())
    async with running(site) as host:
        stolen = Entry(ConfigChanged(time_ms=T0, config=TradingConfig()), ())
        await site.journal.append([Record(0, host.sequence + 1, (stolen,))])
        with pytest.raises(Fenced):
            await host.decide([site.signal("hold", "1")])
        await eventually(lambda: host.fenced, "the shard to be dropped")
        for _ in range(100):
            site.venue.post_funding(SYMBOL, Decimal("0.001"))
        assert host.state_if_loaded is None
        assert host._early == []
        with pytest.raises(RetrySafe):
            await host.decide([site.signal("hold", "2")])
