"""The newest take-over is found wherever it is, with few reads."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import TakeoverCause
from tests.support.records import T0
from tests.support.stores import JOURNALS, journals
from tradeengine.domain.inputs import AnyInput, ShardTaken, TimeAdvanced
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Entry, Record
from tradeengine.journal.takeovers import LastTakeover, Takeover, last_takeover

SHARD = 3


class Counting:
    """A journal that counts the records that are read."""

    def __init__(self, journal: MemoryJournal) -> None:
        self.reads = 0
        self._journal = journal

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        self.reads += 1
        return await self._journal.read(shard, after, limit)

    async def first_sequence(self, shard: int) -> int:
        return await self._journal.first_sequence(shard)

    async def last_sequence(self, shard: int) -> int:
        return await self._journal.last_sequence(shard)


def tenures(lengths: list[int]) -> list[Record]:
    """Records of one owner after another: a take-over, and so many more."""
    records: list[Record] = []
    for epoch, length in enumerate(lengths, 1):
        taken = ShardTaken(
            time_ms=T0 + epoch,
            owner=f"pod-{epoch}",
            epoch=epoch,
            former=f"pod-{epoch - 1}" if epoch > 1 else "",
            cause=TakeoverCause.SILENT if epoch > 1 else TakeoverCause.FIRST,
        )
        inputs: list[AnyInput] = [taken, *[TimeAdvanced(time_ms=T0)] * length]
        for given_input in inputs:
            records.append(Record(SHARD, len(records) + 1, (Entry(given_input, ()),), epoch))
    return records


@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=6))
async def test_it_is_the_first_record_of_the_newest_epoch(lengths: list[int]) -> None:
    journal, records = MemoryJournal(), tenures(lengths)
    await journal.append(records)
    counting = Counting(journal)
    (epoch, found) = await last_takeover(counting, SHARD)

    assert found is not None
    assert epoch == found.epoch == len(lengths)
    assert found.sequence == len(records) - lengths[-1]
    assert found.owner == f"pod-{epoch}"
    assert counting.reads <= 3 + 2 * math.log2(len(records) + 1)


@pytest.mark.parametrize("kind", JOURNALS)
async def test_it_is_found_in_every_store(kind: str, tmp_path: Path) -> None:
    async with journals(kind, tmp_path) as make:
        journal = await make()
        assert await last_takeover(journal, SHARD) == LastTakeover(0, None)
        await journal.append(tenures([5, 0, 30]))
        assert await last_takeover(journal, SHARD) == LastTakeover(
            3, Takeover(SHARD, 8, 3, T0 + 3, "pod-3", "pod-2", TakeoverCause.SILENT)
        )
        await journal.trim(SHARD, 7)
        assert (await last_takeover(journal, SHARD)).takeover is not None, "the oldest record is the take-over"
        await journal.trim(SHARD, 8)
        assert await last_takeover(journal, SHARD) == LastTakeover(3, None), "it was archived"
        await journal.trim(SHARD, 38)
        assert await last_takeover(journal, SHARD) == LastTakeover(0, None)


async def test_without_leases_there_is_none() -> None:
    journal = MemoryJournal()
    await journal.append([Record(SHARD, 1, (Entry(TimeAdvanced(time_ms=T0), ()),))])
    assert await last_takeover(journal, SHARD) == LastTakeover(0, None)


async def test_a_record_of_before_says_neither_from_whom_nor_why() -> None:
    journal = MemoryJournal()
    await journal.append([Record(SHARD, 1, (Entry(ShardTaken(time_ms=T0, owner="pod", epoch=4), ()),), 4)])
    found = (await last_takeover(journal, SHARD)).takeover
    assert found is not None
    assert (found.owner, found.former, found.cause) == ("pod", "", None)
