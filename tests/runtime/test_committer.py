"""Group commit: what shards are told when the store takes their records, refuses them, or does not answer."""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest

from shared.clock import ManualClock
from shared.errors import Fenced, OutcomeUnknown, Rejected, RetrySafe
from tests.support.deadline import PATIENCE_S
from tests.support.journals import FaultyJournal, GatedJournal
from tests.support.records import RecordedWorld, signal_records
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.runtime.committer import Committer


def committer(journal: MemoryJournal, on_commit: Callable[[float, int], None] = lambda s, n: None) -> Committer:
    return Committer(journal, ManualClock(), on_commit)


async def test_records_that_wait_together_are_appended_together() -> None:
    journal = FaultyJournal()
    commits: list[int] = []
    subject = committer(journal, lambda seconds, records: commits.append(records))
    records = [signal_records(1, shard=shard)[0] for shard in range(5)]
    await asyncio.gather(*[subject.commit(record) for record in records])
    assert sum(journal.appends) == 5
    assert len(journal.appends) <= 2
    assert commits == journal.appends
    assert await journal.shards() == [0, 1, 2, 3, 4]


async def test_a_store_that_refuses_is_asked_again_and_the_trouble_is_told_meanwhile() -> None:
    troubles = []
    journal = FaultyJournal(("before", RetrySafe("disk full")), ("before", RetrySafe("disk full")))
    subject = committer(journal)

    class Watch(ManualClock):
        async def sleep(self, seconds: float) -> None:
            troubles.append((subject.trouble, subject.waiting))
            await super().sleep(seconds)

    subject._clock = Watch()
    await subject.commit(signal_records(1)[0])
    assert troubles == [("disk full", 1), ("disk full", 1)]
    assert (subject.trouble, subject.waiting) == (None, 0)
    assert await journal.last_sequence(0) == 1


async def test_an_append_without_an_answer_that_took_effect_is_not_repeated() -> None:
    journal = FaultyJournal(("after", OutcomeUnknown("connection lost")))
    record = signal_records(1)[0]
    await committer(journal).commit(record)
    assert await journal.read(0) == [record]
    assert journal.appends == [1]


async def test_an_append_without_an_answer_that_took_no_effect_is_repeated() -> None:
    journal = FaultyJournal(("before", OutcomeUnknown("connection lost")))
    record = signal_records(1)[0]
    await committer(journal).commit(record)
    assert await journal.read(0) == [record]
    assert journal.appends == [1, 1]


async def test_an_append_without_an_answer_whose_place_another_took_is_fenced() -> None:
    journal = FaultyJournal(("before", OutcomeUnknown("connection lost")))
    theirs, ours = signal_records(1, tag="theirs")[0], signal_records(1, tag="ours")[0]
    await MemoryJournal.append(journal, [theirs])
    with pytest.raises(Fenced):
        await committer(journal).commit(ours)
    assert await journal.read(0) == [theirs]


async def test_one_fenced_shard_does_not_take_the_others_down() -> None:
    journal = FaultyJournal()
    await journal.append([signal_records(1, shard=2, tag="theirs")[0]])
    subject = committer(journal)
    records = [signal_records(1, shard=shard)[0] for shard in range(4)]
    results = await asyncio.gather(*[subject.commit(r) for r in records], return_exceptions=True)
    assert [type(result) for result in results] == [type(None), type(None), Fenced, type(None)]
    assert await journal.shards() == [0, 1, 2, 3]


async def test_a_close_tells_who_waits_that_the_outcome_is_unknown() -> None:
    class Silent(MemoryJournal):
        async def append(self, records: Sequence[Record]) -> None:
            await asyncio.Event().wait()

    subject = committer(Silent())
    waiting = [asyncio.ensure_future(subject.commit(signal_records(1, shard=n)[0])) for n in range(2)]
    await asyncio.sleep(0)
    await subject.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [OutcomeUnknown, OutcomeUnknown]
    with pytest.raises(OutcomeUnknown):
        await subject.commit(signal_records(1)[0])


async def test_what_a_signal_carries_does_not_make_an_own_record_anothers() -> None:
    world = RecordedWorld()
    world.signal("hold", carried={"rsi": Decimal("31.5"), "bands": [Decimal("1.0"), 2.5, None], "at": (1, 2)})
    record = world.cut()
    journal = FaultyJournal(("after", OutcomeUnknown("connection lost")))
    await committer(journal).commit(record)
    assert journal.appends == [1]
    assert (await journal.read(0))[0] != record, "it comes back with other types"


async def test_a_store_that_fails_in_an_unexpected_way_is_told_and_the_next_record_is_served() -> None:
    journal = FaultyJournal(("before", MemoryError("no memory")))
    subject = committer(journal)
    first, second = signal_records(2)
    with pytest.raises(OutcomeUnknown, match="MemoryError: no memory"):
        await asyncio.wait_for(subject.commit(first), PATIENCE_S)
    troubles = [subject.trouble]
    for record in (first, second):
        await subject.commit(record)
        troubles.append(subject.trouble)
    assert troubles == ["MemoryError: no memory", None, None]
    assert await journal.last_sequence(0) == 2


async def test_the_records_behind_an_unexpected_failure_are_appended() -> None:
    journal = GatedJournal(("before", TypeError("a defect")))
    subject = committer(journal)
    records = [signal_records(1, shard=shard)[0] for shard in range(3)]
    first = asyncio.ensure_future(subject.commit(records[0]))
    await asyncio.sleep(0)
    others = [asyncio.ensure_future(subject.commit(record)) for record in records[1:]]
    await asyncio.sleep(0)
    journal.takes.set()
    results = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(result) for result in results] == [OutcomeUnknown, type(None), type(None)]
    assert await journal.shards() == [1, 2]


async def test_a_shard_that_begins_anew_is_no_trouble_of_the_store() -> None:
    subject = committer(FaultyJournal(("before", MemoryError("no memory"))))
    with pytest.raises(OutcomeUnknown):
        await subject.commit(signal_records(1)[0])
    await subject.settle(0)
    assert subject.trouble is None


async def test_a_record_whose_shard_stopped_waiting_is_under_way_until_it_has_landed() -> None:
    journal = GatedJournal()
    subject = committer(journal)
    waiting = asyncio.ensure_future(subject.commit(signal_records(1)[0]))
    await asyncio.sleep(0)
    waiting.cancel()
    settled = asyncio.ensure_future(subject.settle(0))
    await asyncio.wait([waiting])
    assert not settled.done()
    await subject.settle(1)
    journal.takes.set()
    await settled
    assert await journal.last_sequence(0) == 1


async def test_a_shard_whose_last_record_was_fenced_while_nobody_waited_does_not_begin_anew() -> None:
    journal = GatedJournal()
    subject = committer(journal)
    waiting = asyncio.ensure_future(subject.commit(signal_records(1, tag="ours")[0]))
    await asyncio.sleep(0)
    waiting.cancel()
    await MemoryJournal.append(journal, signal_records(1, tag="theirs"))
    journal.takes.set()
    with pytest.raises(Fenced):
        await subject.settle(0)


async def test_records_of_one_shard_are_appended_in_their_order_without_waiting_for_each_other() -> None:
    journal = GatedJournal()
    subject = committer(journal)
    records = signal_records(4)
    commits = [subject.begin(record) for record in records[:1]]
    await asyncio.sleep(0)
    commits += [subject.begin(record) for record in records[1:]]
    journal.takes.set()
    await asyncio.gather(*commits)
    assert await journal.read(0) == records
    assert journal.appends == [1, 3]


@pytest.mark.parametrize("error", [MemoryError("no memory"), Rejected("too large")])
async def test_what_was_decided_on_a_record_that_failed_does_not_get_in(error: Exception) -> None:
    journal = GatedJournal(("before", error))
    subject = committer(journal)
    records = [*signal_records(3), *signal_records(1, shard=1)]
    commits = [subject.begin(records[0])]
    await asyncio.sleep(0)
    commits += [subject.begin(record) for record in records[1:]]
    journal.takes.set()
    results = await asyncio.gather(*commits, return_exceptions=True)
    assert type(results[0]) is type(results[1]) is type(results[2]) is not type(None)
    assert results[3] is None, "the other shard's is committed"
    assert (await journal.last_sequence(0), subject.waiting) == (0, 0)
    again = [subject.begin(record) for record in records[:3]]
    await asyncio.gather(*again)
    assert await journal.read(0) == records[:3], "a shard that begins anew is served"
