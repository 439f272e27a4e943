"""Group commit: what shards are told when the store takes their records, refuses them, or does not answer."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from shared.clock import ManualClock
from shared.errors import Fenced, OutcomeUnknown, RetrySafe
from tests.support.records import signal_records
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.runtime.committer import Committer


class FaultyJournal(MemoryJournal):
    """The journal in memory, with faults before or after a number of its appends."""

    def __init__(self, *faults: tuple[str, Exception]) -> None:
        super().__init__()
        self.faults = list(faults)
        self.appends: list[int] = []

    async def append(self, records: Sequence[Record]) -> None:
        await asyncio.sleep(0)
        self.appends.append(len(records))
        when, error = self.faults.pop(0) if self.faults else ("", None)
        if when == "before" and error:
            raise error
        await super().append(records)
        if when == "after" and error:
            raise error


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
            troubles.append(subject.trouble)
            await super().sleep(seconds)

    subject._clock = Watch()
    await subject.commit(signal_records(1)[0])
    assert troubles == ["disk full", "disk full"]
    assert subject.trouble is None
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
