"""A shard at work: in which order it decides, and what becomes of what it had not decided when it stops."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from contracts.enums import Outcome
from contracts.signal import Signal
from shared.clock import ManualClock
from shared.errors import Fenced, OutcomeUnknown, RetrySafe
from tests.support.builders import T0, instrument
from tests.support.deadline import PATIENCE_S
from tests.support.journals import FaultyJournal
from tests.support.records import claim
from tradeengine.domain import decide
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.events import AnyEvent, SignalDecided
from tradeengine.domain.inputs import (
    AnyInput,
    ConfigChanged,
    FundingSettled,
    InstrumentsChanged,
    JournalOpened,
    SignalReceived,
)
from tradeengine.domain.state import ShardState
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.runtime.account import Account
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.shard import MAX_BATCH, Shard

Decided = asyncio.Future[list[SignalDecided]]


def hold(signal_id: str, **fields: Any) -> Signal:
    document = {"strategy_id": "A", "symbol": "BTCUSDT", "action": "hold", "confidence": "0.9", "timestamp": T0}
    return Signal.from_document({**document, "signal_id": signal_id, **fields})


def configured(most: int) -> ConfigChanged:
    """Make an input that always leads to an event, told apart by a figure."""
    return ConfigChanged(time_ms=T0, config=TradingConfig(max_accumulations=most))


async def prepared(journal: MemoryJournal, records: list[Record], clock: ManualClock | None = None) -> Shard:
    clock = clock or ManualClock(T0)
    shard = Shard(
        ShardState(shard=0),
        0,
        journal=journal,
        committer=Committer(journal, clock),
        account=Account(Decimal(10_000), lambda symbol: Decimal(100)),
        clock=clock,
        listeners=[records.append],
    )
    opened = JournalOpened(time_ms=T0, journal_id="test")
    await shard.process([opened, InstrumentsChanged(time_ms=T0, instruments=(instrument(),))])
    records.clear()
    return shard


def decide_soon(shard: Shard, signals: Sequence[Signal]) -> Decided:
    return asyncio.ensure_future(shard.decide(signals))


async def stopped(running: "asyncio.Future[None]") -> BaseException | None:
    """Why a shard stopped."""
    await asyncio.wait([running], timeout=PATIENCE_S)
    return running.exception()


def given(record: Record) -> list[AnyInput]:
    return [entry.input for entry in record.entries]


async def test_reports_are_not_kept_waiting_by_signals_and_both_stay_in_order() -> None:
    records: list[Record] = []
    shard = await prepared(MemoryJournal(), records)
    names = [f"{number}" for number in range(4 * MAX_BATCH)]
    parts = [names[at : at + 100] for at in range(0, len(names), 100)]
    waiting = [decide_soon(shard, [hold(name) for name in part]) for part in parts]
    await asyncio.sleep(0)
    shard.submit(configured(1))
    shard.submit(configured(2))
    running = asyncio.ensure_future(shard.run())
    await asyncio.gather(*waiting)
    running.cancel()

    assert given(records[0])[:2] == [configured(1), configured(2)]
    assert len(records) <= 5, "what waits together is committed together"
    decided = [one.signal_id for record in records for one in given(record) if isinstance(one, SignalReceived)]
    assert decided == names


async def test_a_look_up_without_an_answer_is_repeated_and_told() -> None:
    records: list[Record] = []
    journal = FaultyJournal()
    clock = ManualClock(T0)
    shard = await prepared(journal, records, clock)
    running = asyncio.ensure_future(shard.run())
    assert (await shard.decide([hold("1")]))[0].outcome is Outcome.HELD
    shard.state.decided.clear()
    shard.state.forgotten_ms = T0 + 600_000
    troubles: list[str | None] = []
    journal.on_lookup = lambda: troubles.append(shard.trouble)
    journal.silent_lookups = 2

    assert (await shard.decide([hold("1")]))[0].outcome is Outcome.DUPLICATE
    assert troubles == [None, *["the journal does not tell what is decided: database is locked"] * 2]
    assert shard.trouble is None
    (asked,) = given(records[-1])
    assert T0 < asked.time_ms == clock.now_ms(), "it is decided at the time of the answer"
    running.cancel()


class Stopped(NamedTuple):
    """A shard after its end, why it ended, and what the senders of signals were told."""

    shard: Shard
    why: BaseException | None
    in_hand: object
    queued: object


async def stop(error: Exception) -> Stopped:
    """Stop a shard by a commit that fails, with a report and a signal in hand, and one of each in the inbox."""
    journal = FaultyJournal()
    shard = await prepared(journal, [])
    if isinstance(error, Fenced):
        await journal.append([claim(0, 2, epoch=1)])
    queued: list[Decided] = []

    def meanwhile() -> None:
        shard.submit(configured(2))
        queued.append(decide_soon(shard, [hold("queued")]))

    journal.on_append = meanwhile
    journal.faults = [("before", error)]
    in_hand = decide_soon(shard, [hold("in hand")])
    shard.submit(configured(1))
    await asyncio.sleep(0)
    why = await stopped(asyncio.ensure_future(shard.run()))
    return Stopped(shard, why, *await asyncio.gather(in_hand, *queued, return_exceptions=True))


async def test_a_shard_that_stops_hands_on_the_reports_whose_outcome_is_not_committed() -> None:
    end = await stop(MemoryError("no memory"))
    assert isinstance(end.why, OutcomeUnknown)
    assert end.shard.unworked(1) == [configured(1), configured(2)]
    assert end.shard.unworked(2) == [configured(2)], "the record that was under way has landed"


async def test_a_shard_that_stops_tells_senders_what_it_knows() -> None:
    end = await stop(MemoryError("no memory"))
    assert isinstance(end.in_hand, OutcomeUnknown)
    assert isinstance(end.queued, RetrySafe), "nothing was decided"
    with pytest.raises(RetrySafe, match="MemoryError"):
        await end.shard.decide([hold("later")])


async def test_a_shard_that_is_fenced_tells_all_senders() -> None:
    end = await stop(Fenced("taken"))
    assert [type(error) for error in (end.why, end.in_hand, end.queued)] == [Fenced] * 3


async def test_a_shard_that_was_refused_brings_nothing_more_to_the_journal() -> None:
    """I75: the position behind the one that is taken is free."""
    journal = FaultyJournal()
    shard = await prepared(journal, [])
    await journal.append([claim(0, 2, epoch=1)])
    journal.appends.clear()
    for number in (1, 2):
        with pytest.raises(Fenced):
            await shard.process([configured(number)])
        with suppress(Fenced):
            await asyncio.wait_for(shard._committer.settle(0), PATIENCE_S)
    assert journal.appends == [1], "what the second led to was decided on the first"


async def test_nothing_is_written_behind_a_claim_that_is_met_while_a_look_up_is_under_way() -> None:
    """I75: the refusal of the first decision comes before the answer that the second one waits for."""

    class Slow(FaultyJournal):
        async def is_decided(self, key: str) -> bool:
            with suppress(Fenced):
                await shard._committer.settle(0)
            return await super().is_decided(key)

    journal = Slow()
    shard = await prepared(journal, [])
    await journal.append([claim(0, 2, epoch=1)])
    journal.appends.clear()
    shard.state.forgotten_ms = T0 + 600_000
    running = asyncio.ensure_future(shard.run())
    with pytest.raises(Fenced):
        await asyncio.wait_for(shard.decide([hold("1"), hold("2"), hold("3")]), PATIENCE_S)
    assert isinstance(await stopped(running), Fenced)
    assert journal.appends == [1], "a record behind the refused one might have found its position free"


async def test_a_claim_that_is_met_after_a_signal_that_breaks_the_core_is_not_taken_for_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """I75: the state is made anew from the journal, and there another owner's claim has come to lie meanwhile."""
    healthy = decide._DECIDE[SignalReceived]

    def fragile(state: ShardState, received: SignalReceived) -> list[AnyEvent]:
        if received.signal_id == "bad":
            raise ZeroDivisionError("boom")
        return healthy(state, received)

    journal = FaultyJournal()
    shard = await prepared(journal, [])
    monkeypatch.setitem(decide._DECIDE, SignalReceived, fragile)
    await journal.append([claim(0, 2, epoch=1)])
    journal.appends.clear()
    running = asyncio.ensure_future(shard.run())
    with pytest.raises(Fenced, match="shard 0 was taken by another, with epoch 1"):
        await asyncio.wait_for(shard.decide([hold("bad"), hold("1")]), PATIENCE_S)
    assert isinstance(await stopped(running), Fenced)
    assert journal.appends == [], "nothing of it is brought to the journal"


async def test_an_input_that_breaks_the_core_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(state: ShardState, settled: FundingSettled) -> list[Any]:
        raise ZeroDivisionError("boom")

    shard = await prepared(MemoryJournal(), [])
    monkeypatch.setitem(decide._DECIDE, FundingSettled, broken)
    poison = FundingSettled(time_ms=T0, symbol="BTCUSDT", rate=Decimal("0.001"), mark_price=Decimal(100))
    for one in (configured(1), poison, configured(2)):
        shard.submit(one)
    assert isinstance(await stopped(asyncio.ensure_future(shard.run())), ZeroDivisionError)
    assert shard.unworked(1) == [configured(1), configured(2)]


async def test_a_listener_that_fails_does_not_bring_committed_reports_back() -> None:
    def fails(record: Record) -> None:
        raise ZeroDivisionError("boom")

    shard = await prepared(MemoryJournal(), [])
    shard._listeners = [fails]
    shard.submit(configured(1))
    assert isinstance(await stopped(asyncio.ensure_future(shard.run())), ZeroDivisionError)
    assert shard.unworked(2) == []
