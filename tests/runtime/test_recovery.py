"""Recovery: a shard's state from snapshot and records, however they are cut, and beside a journal that is archived."""

import asyncio
from decimal import Decimal

import pytest

from shared.clock import ManualClock, SystemClock
from shared.errors import ConfigError, Fenced, OutcomeUnknown, RetrySafe
from tests.support.builders import T0
from tests.support.deadline import PATIENCE_S
from tests.support.engines import eventually
from tests.support.journals import FaultyJournal
from tests.support.records import RecordedWorld, signal_records
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.inputs import ConfigChanged
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Snapshot
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.journal.stored import PAGE_BYTES, RecordsTrimmed
from tradeengine.runtime.account import Account
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.recovery import load_state, remake_state
from tradeengine.runtime.shard import Shard


async def history(count: int = 9, *, text: str = "") -> tuple[MemoryJournal, list[Record], list[bytes]]:
    """A journal, its records of two events each, and the state after each record."""
    world, journal, states = RecordedWorld(), MemoryJournal(), []
    for number in range(count):
        for part in range(2):
            world.signal("hold", signal_id=f"{number}-{part}", carried={"text": text})
        await journal.append([world.cut()])
        states.append(world.state.canonical())
    return journal, world.records, states


def events_of(records: list[Record]) -> int:
    return sum(len(list(record.events())) for record in records)


async def test_a_state_is_the_same_from_any_snapshot_and_from_none() -> None:
    journal, records, states = await history()
    for sequence in range(10):
        if sequence:
            await journal.save_snapshot(0, Snapshot(sequence, states[sequence - 1]))
        state, last, unsaved = await load_state(journal, 0)
        assert (state.canonical(), last, unsaved) == (states[-1], 9, events_of(records[sequence:]))
    state, last, unsaved = await remake_state(journal, 0)
    assert (state.canonical(), last, unsaved) == (states[-1], 9, events_of(records))


async def test_records_that_fill_a_page_each_are_all_applied() -> None:
    journal, records, states = await history(5, text="x" * (PAGE_BYTES // 2))
    assert len(await journal.read(0)) == 1

    state, last, unsaved = await load_state(journal, 0)

    assert (state.canonical(), last, unsaved) == (states[-1], 5, events_of(records))


class Archived(MemoryJournal):
    """A journal that another process saves a snapshot of, and trims, just after a snapshot was read."""

    def __init__(self, *meanwhile: tuple[Snapshot | None, int]) -> None:
        super().__init__()
        self.meanwhile = list(meanwhile)

    async def load_snapshot(self, shard: int) -> Snapshot | None:
        found = await super().load_snapshot(shard)
        if self.meanwhile:
            snapshot, through = self.meanwhile.pop(0)
            if snapshot is not None:
                await self.save_snapshot(shard, snapshot)
            await self.trim(shard, through)
        return found


async def test_a_snapshot_that_is_replaced_and_its_records_trimmed_meanwhile_is_read_again() -> None:
    _, records, states = await history()
    journal = Archived((Snapshot(3, states[2]), 3), (Snapshot(6, states[5]), 5))
    await journal.append(records)

    state, last, unsaved = await load_state(journal, 0)

    assert (state.canonical(), last, unsaved) == (states[-1], 9, events_of(records[6:]))
    assert journal.meanwhile == []


async def test_records_that_are_gone_and_no_newer_snapshot_is_an_error_and_no_empty_state() -> None:
    _, records, _ = await history()
    journal = Archived((None, 4))
    await journal.append(records)

    with pytest.raises(RecordsTrimmed, match="record 1 of shard 0"):
        await load_state(journal, 0)


async def test_a_snapshot_of_another_version_says_how_to_make_it_anew() -> None:
    journal, _, _ = await history(1)
    await journal.save_snapshot(0, Snapshot(1, b'{"shard": "no number"}'))

    with pytest.raises(ConfigError, match=r"snapshot 1 of shard 0 cannot be read .*`tradeengine journal snapshot`"):
        await load_state(journal, 0)


# ---------------------------------------------------------------- snapshots by events


def configured(most: int) -> ConfigChanged:
    """Make an input that always leads to one event, told apart by a figure."""
    return ConfigChanged(time_ms=T0, config=TradingConfig(max_accumulations=most))


class Saves(MemoryJournal):
    """Notes the snapshots that are brought to it, and refuses the first ones."""

    def __init__(self, refused: int = 0) -> None:
        super().__init__()
        self.refused = refused
        self.saves: list[int] = []

    async def save_snapshot(self, shard: int, snapshot: Snapshot) -> None:
        self.saves.append(snapshot.sequence)
        if len(self.saves) <= self.refused:
            raise RetrySafe("the disk is full")
        await super().save_snapshot(shard, snapshot)


async def worked(journal: Saves, count: int, *, unsaved: int = 0) -> Shard:
    """Let a shard commit events, each in a record of its own, until its next snapshot would be seen."""
    seen: list[Record] = []
    clock = SystemClock()
    committer = Committer(journal, clock)
    shard = Shard(
        ShardState(shard=0),
        0,
        journal=journal,
        committer=committer,
        account=Account(Decimal(10_000), lambda symbol: Decimal(100)),
        clock=clock,
        listeners=[seen.append],
        unsaved=unsaved,
    )
    running = asyncio.create_task(shard.run())
    for number in range(1, count + 1):
        shard.submit(ConfigChanged(time_ms=T0, config=TradingConfig(max_accumulations=number)))
        await eventually(lambda: len(seen) == shard.sequence == number, "the record")  # noqa: B023 - awaited at once
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await committer.close()
    return shard


@pytest.mark.parametrize(("unsaved", "expected"), [(0, [5, 10]), (3, [2, 7, 12]), (4, [1, 6, 11]), (40, [1, 6, 11])])
async def test_a_snapshot_is_due_by_events_those_of_the_former_life_too(
    monkeypatch: pytest.MonkeyPatch, unsaved: int, expected: list[int]
) -> None:
    monkeypatch.setattr("tradeengine.runtime.shard.SNAPSHOT_EVERY", 5)
    journal = Saves()

    shard = await worked(journal, 13, unsaved=unsaved)

    assert journal.saves == expected
    await shard.save_snapshot()
    await shard.save_snapshot()
    assert journal.saves == [*expected, 13], "at its end it saves what is left, once"


async def test_a_snapshot_that_was_refused_is_tried_again_later_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeengine.runtime.shard.SNAPSHOT_EVERY", 5)
    journal = Saves(refused=2)

    shard = await worked(journal, 12)

    assert journal.saves == [5, 10]
    assert await journal.load_snapshot(0) is None
    await shard.save_snapshot()
    assert await journal.load_snapshot(0) == Snapshot(12, shard.state.canonical())


# ---------------------------------------------------------------- the committer beside all that


async def test_records_that_landed_and_fill_a_page_each_are_found_again() -> None:
    _, records, _ = await history(3, text="x" * (PAGE_BYTES // 2))
    journal = FaultyJournal(("after", OutcomeUnknown("connection lost")))
    committer = Committer(journal, ManualClock())

    await asyncio.gather(*[committer.commit(record) for record in records])

    assert journal.appends == [3], "and none is appended twice"
    assert await journal.last_sequence(0) == 3


async def test_an_owner_that_wakes_up_among_trimmed_records_is_fenced() -> None:
    records, journal = signal_records(6), MemoryJournal()
    await journal.append(records)
    await journal.trim(0, 6)
    committer = Committer(journal, ManualClock())

    with pytest.raises(Fenced, match=r"record 3 of shard 0 is not in the journal any more.*drop it"):
        await asyncio.wait_for(committer.commit(Record(0, 3, records[0].entries, epoch=1)), PATIENCE_S)
