"""Group commit on a store that may write a prefix of an append: what is there is told from what another wrote."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.clock import ManualClock
from shared.errors import ConfigError, Fenced, OutcomeUnknown, Rejected, RetrySafe
from tests.support.deadline import PATIENCE_S
from tests.support.journals import FaultyJournal, TornJournal
from tests.support.records import claim, signal_records
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.runtime.committer import Committer

LOST = OutcomeUnknown("connection lost")


def a_batch(tag: str = "ours") -> list[Record]:
    """Two records of shard 0, and one each of shards 1 and 2, as they may wait together."""
    zero = signal_records(2, tag=tag)
    return [zero[0], signal_records(1, shard=1, tag=tag)[0], zero[1], signal_records(1, shard=2, tag=tag)[0]]


async def commit(journal: MemoryJournal, records: Sequence[Record]) -> list[BaseException | None]:
    committer = Committer(journal, ManualClock())
    waiting = asyncio.gather(*[committer.commit(record) for record in records], return_exceptions=True)
    return await asyncio.wait_for(waiting, PATIENCE_S)


@pytest.mark.parametrize("written", range(5))
@pytest.mark.parametrize("error", [LOST, Fenced("record 9 is taken")], ids=["unknown", "fenced"])
async def test_of_a_torn_append_only_what_is_missing_is_appended_again(written: int, error: Exception) -> None:
    journal, records = TornJournal((written, error)), a_batch()
    assert await commit(journal, records) == [None] * 4
    assert [await journal.read(shard) for shard in range(3)] == [[records[0], records[2]], [records[1]], [records[3]]]
    again = [(record.shard, record.sequence) for record in records[written:]]
    assert sorted(position for append in journal.appends[1:] for position in append) == sorted(again)


async def test_an_append_that_is_torn_again_and_again_is_finished() -> None:
    journal, records = TornJournal(*[(1, LOST)] * 3), a_batch()
    assert await commit(journal, records) == [None] * 4
    assert [len(append) for append in journal.appends] == [4, 3, 2, 1]


@pytest.mark.parametrize("taken", range(3))
async def test_of_a_torn_append_one_fenced_shard_is_fenced_alone_and_with_all_its_records(taken: int) -> None:
    journal, ours = TornJournal(), a_batch()
    theirs = next(record for record in a_batch("theirs") if record.shard == taken)
    await MemoryJournal.append(journal, [theirs])

    results = await commit(journal, ours)
    for record, result in zip(ours, results, strict=True):
        assert isinstance(result, Fenced) == (record.shard == taken)
    assert await journal.read(taken) == [theirs]
    for shard in {0, 1, 2} - {taken}:
        assert await journal.read(shard) == [record for record in ours if record.shard == shard]


async def test_a_record_of_another_lease_at_the_position_is_anothers() -> None:
    (record,) = signal_records(1)
    journal = TornJournal((0, LOST))
    await MemoryJournal.append(journal, [Record(0, 1, record.entries, epoch=2)])
    (result,) = await commit(journal, [Record(0, 1, record.entries, epoch=1)])
    assert isinstance(result, Fenced)
    assert "position 1 is another's" in str(result)


async def test_a_record_behind_another_owner_s_claim_is_fenced_and_holds_no_other_up() -> None:
    journal, other = TornJournal(), signal_records(1, shard=1)[0]
    await MemoryJournal.append(journal, [claim(0, 1, epoch=2)])
    late = Record(0, 2, signal_records(1)[0].entries, epoch=1)
    results = await commit(journal, [late, other])
    assert isinstance(results[0], Fenced)
    assert results[1] is None
    assert await journal.read(1) == [other]


async def test_a_record_that_leaves_a_hole_is_fenced_and_not_tried_for_ever() -> None:
    journal = TornJournal()
    hole = Record(0, 5, signal_records(1)[0].entries)
    other = signal_records(1, shard=1)[0]
    results = await commit(journal, [other, hole])
    assert results[0] is None
    assert isinstance(results[1], Fenced)
    assert "leaves a hole, the journal is at 0" in str(results[1])


async def test_a_record_that_no_store_takes_fails_alone_and_with_what_its_shard_has_behind_it() -> None:
    class Narrow(MemoryJournal):
        async def append(self, records: Sequence[Record]) -> None:
            for record in records:
                if (record.shard, record.sequence) == (0, 2):
                    raise Rejected("record 2 of shard 0 is too large")
            await super().append(records)

    journal = Narrow()
    zero, one = signal_records(3), signal_records(2, shard=1)
    results = await commit(journal, [zero[0], zero[1], one[0], zero[2], one[1]])
    assert [type(result) for result in results] == [type(None), Rejected, type(None), Rejected, type(None)]
    assert await journal.read(0) == zero[:1]
    assert await journal.read(1) == one


async def test_rights_that_were_taken_away_are_waited_for() -> None:
    denied = ("before", ConfigError("MongoDB refuses: not authorized (code 13)"))
    journal = FaultyJournal(denied, denied)
    assert await commit(journal, signal_records(1)) == [None]
    assert journal.appends == [1, 1, 1]


async def test_a_store_that_does_not_tell_what_it_has_is_asked_until_it_does() -> None:
    class Mute(TornJournal):
        silent = 3

        async def last_sequence(self, shard: int) -> int:
            if self.silent:
                self.silent -= 1
                raise RetrySafe("no primary")
            return await super().last_sequence(shard)

    journal, records = Mute((2, LOST)), a_batch()
    assert await commit(journal, records) == [None] * 4
    assert [await journal.last_sequence(shard) for shard in range(3)] == [2, 1, 1]
