"""Records stay small enough for every store: too much for one goes into several, what has no room is left out."""

import asyncio
from collections.abc import Sequence

from contracts.enums import Outcome, Reason
from contracts.signal import Signal
from shared.errors import OutcomeUnknown
from tests.runtime.test_shard import configured, given, hold, prepared, stopped
from tests.support.builders import T0, instrument
from tests.support.deadline import PATIENCE_S
from tests.support.journals import FaultyJournal
from tradeengine.domain.events import AlertRaised, SignalDecided
from tradeengine.domain.inputs import AnyInput, InstrumentsChanged, SignalReceived
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import MAX_RECORD_BYTES, EntryTooLarge, Record, encode
from tradeengine.journal.stored import pages
from tradeengine.runtime.shard import Shard

MEGABYTE = 1_000_000


def heavy(signal_id: str, size: int) -> Signal:
    return hold(signal_id, note="x" * size)


def long_rules(name: str, size: int) -> InstrumentsChanged:
    """Make a report of a size that no exchange sends."""
    return InstrumentsChanged(time_ms=T0, instruments=(instrument(symbol=name + "X" * size),))


async def decided(shard: Shard, signals: Sequence[Signal]) -> list[SignalDecided]:
    running = asyncio.ensure_future(shard.run())
    # In a task behind the shard's: what was there before is taken first.
    answer = await asyncio.wait_for(asyncio.ensure_future(shard.decide(signals)), PATIENCE_S)
    running.cancel()
    return answer


async def test_signals_that_are_too_much_for_one_record_go_into_several() -> None:
    records: list[Record] = []
    journal = MemoryJournal()
    shard = await prepared(journal, records)
    signals = [heavy(str(number), MEGABYTE) for number in range(20)]

    decisions = await decided(shard, signals)
    assert [(one.signal_id, one.outcome) for one in decisions] == [(str(n), Outcome.HELD) for n in range(20)]
    assert len(records) == 3
    assert all(len(encode(record)) < MAX_RECORD_BYTES + 1_000 for record in records)
    assert [record.sequence for record in records] == [2, 3, 4]
    assert [one.signal_id for record in records for one in given(record) if isinstance(one, SignalReceived)] == [
        str(number) for number in range(20)
    ]
    held = [record async for page in pages(journal, 0, 1, 4) for record in page]
    assert [one.payload for one in held] == [encode(record) for record in records]


async def test_a_signal_without_room_in_any_record_is_rejected_and_the_others_are_decided() -> None:
    records: list[Record] = []
    shard = await prepared(MemoryJournal(), records)
    decisions = await decided(shard, [hold("before"), heavy("huge", MAX_RECORD_BYTES), hold("after")])

    assert [one.outcome for one in decisions] == [Outcome.HELD, Outcome.REJECTED, Outcome.HELD]
    assert decisions[1].reason is Reason.INTERNAL_ERROR
    assert decisions[1].detail is not None
    assert "a SignalReceived led to" in decisions[1].detail
    assert sum(len(encode(record)) for record in records) < 10_000
    (alert,) = [event for record in records for event in record.events() if isinstance(event, AlertRaised)]
    assert (alert.name, alert.strategy_id) == ("signal_too_large", "A")
    assert "signal huge was rejected" in alert.text


def many_reports() -> list[AnyInput]:
    """Make reports that take three records: what each of the long ones led to is as long again."""
    long = [long_rules(name, 5 * MEGABYTE // 2) for name in "ABC"]
    return [configured(1), *long, configured(2)]


async def test_reports_that_are_too_much_for_one_record_go_into_several() -> None:
    records: list[Record] = []
    shard = await prepared(MemoryJournal(), records)
    for report in many_reports():
        shard.submit(report)
    await decided(shard, [hold("last")])

    assert [given(record) for record in records[:3]] == [many_reports()[:2], many_reports()[2:3], many_reports()[3:]]
    assert len(records) == 4


async def test_of_reports_in_several_records_those_come_again_whose_record_has_not_landed() -> None:
    journal, reports = FaultyJournal(), many_reports()
    shard = await prepared(journal, [])
    journal.faults = [("before", MemoryError("no memory"))]
    for report in reports:
        shard.submit(report)

    assert isinstance(await stopped(asyncio.ensure_future(shard.run())), OutcomeUnknown)
    assert [len(shard.unworked(end)) for end in (1, 2, 3, 4)] == [5, 3, 2, 0]
    assert shard.unworked(2) == reports[2:]


async def test_a_report_without_room_in_any_record_is_left_out_and_the_others_are_handed_on() -> None:
    journal = MemoryJournal()
    shard = await prepared(journal, [])
    huge = long_rules("H", MAX_RECORD_BYTES)
    for report in (configured(1), huge, configured(2)):
        shard.submit(report)

    assert isinstance(await stopped(asyncio.ensure_future(shard.run())), EntryTooLarge)
    assert shard.undecidable is huge
    assert shard.unworked(1) == [configured(1), configured(2)]
    assert await journal.last_sequence(0) == 1
