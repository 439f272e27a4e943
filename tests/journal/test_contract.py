"""What every journal promises, whatever it keeps its records in."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.enums import Action, Outcome
from shared.errors import Fenced
from tests.support.records import T0, RecordedWorld, claim, signal_records
from tests.support.stores import JOURNALS, MakeJournal, journals
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import TimeAdvanced, signal_key
from tradeengine.journal.base import Journal, Snapshot
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Entry, Record, encode
from tradeengine.journal.stored import PAGE_BYTES, RecordsTrimmed, Stored, pages


@pytest.fixture(params=JOURNALS)
async def make_journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MakeJournal]:
    async with journals(request.param, tmp_path) as make:
        yield make


@pytest.fixture
async def journal(make_journal: MakeJournal) -> Journal:
    return await make_journal()


async def test_a_new_journal_is_empty(journal: Journal) -> None:
    assert await journal.read(0) == []
    assert await journal.last_sequence(0) == 0
    assert await journal.shards() == []
    assert await journal.load_snapshot(0) is None
    assert not await journal.is_decided(signal_key("A", "BTCUSDT", "s"))
    assert await journal.digest() == hashlib.sha256().hexdigest()


async def test_records_come_back_as_they_were(journal: Journal) -> None:
    world = RecordedWorld()
    world.trade("buy", "A", "45000", "0.001", fee="0.018")
    world.cut()
    world.trade("close", "A", "45100", fee="0.018")
    world.cut()

    await journal.append(world.records)

    assert await journal.read(0) == world.records


async def test_reading_starts_after_a_sequence_and_stops_at_a_limit(journal: Journal) -> None:
    records = signal_records(5)
    await journal.append(records)

    assert await journal.read(0, after=2) == records[2:]
    assert await journal.read(0, after=1, limit=2) == records[1:3]
    assert await journal.read(0, after=5) == []
    assert await journal.read(0, limit=0) == []
    assert await journal.read(1) == []
    assert await journal.last_sequence(0) == 5


async def test_shards_do_not_touch_each_other(journal: Journal) -> None:
    two, seven = signal_records(2, shard=2), signal_records(3, shard=7)
    await journal.append([seven[0], two[0], seven[1]])
    await journal.append([two[1], seven[2]])

    assert await journal.shards() == [2, 7]
    assert await journal.read(2) == two
    assert await journal.read(7) == seven
    assert (await journal.last_sequence(2), await journal.last_sequence(7)) == (2, 3)


async def test_appending_nothing_is_nothing(journal: Journal) -> None:
    await journal.append([])

    assert await journal.shards() == []


@pytest.mark.parametrize("sequence", [1, 2, 4, 9])
async def test_a_position_that_is_taken_or_leaves_a_hole_is_fenced(journal: Journal, sequence: int) -> None:
    records = signal_records(2)
    await journal.append(records)
    intruder = Record(0, sequence, signal_records(1, tag="other")[0].entries)

    with pytest.raises(Fenced, match=f"record {sequence} of shard 0"):
        await journal.append([intruder])

    assert await journal.read(0) == records
    assert not await journal.is_decided(signal_key("A", "BTCUSDT", "other-0-0"))


async def test_an_append_that_cannot_fit_writes_nothing_at_all(journal: Journal) -> None:
    zero, one = signal_records(3, tag="zero"), signal_records(2, shard=1, tag="one")
    await journal.append(zero[:1])

    with pytest.raises(Fenced, match="record 3 of shard 0 leaves a hole"):
        await journal.append([*one, zero[2]])
    with pytest.raises(Fenced, match="record 2 of shard 0 is taken"):
        await journal.append([one[0], zero[1], zero[1]])

    assert await journal.shards() == [0]
    assert await journal.read(0) == zero[:1]
    assert not await journal.is_decided(signal_key("A", "BTCUSDT", "one-0-0"))
    await journal.append([*one, *zero[1:]])
    assert await journal.read(1) == one


async def test_of_two_writers_of_one_position_one_is_fenced(journal: Journal) -> None:
    mine, theirs = signal_records(1, tag="mine"), signal_records(1, tag="theirs")

    done = await asyncio.gather(journal.append(mine), journal.append(theirs), return_exceptions=True)

    assert sorted(type(result).__name__ for result in done) == ["Fenced", "NoneType"]
    assert await journal.read(0) in (mine, theirs)


def of_epoch(record: Record, sequence: int, epoch: int) -> Record:
    return Record(record.shard, sequence, record.entries, epoch)


@pytest.mark.parametrize("reopened", [False, True], ids=["the same", "opened anew"])
@pytest.mark.parametrize("successor", [2, 8], ids=["epochs rise", "epochs begin anew"])
async def test_behind_a_claim_its_former_owner_writes_nothing(journal: Journal, successor: int, reopened: bool) -> None:
    """I75: the position after the claim is free, and whoever was paused may have counted on to it."""
    first, late, own = signal_records(3)
    former = 5
    await journal.append([of_epoch(first, 1, former)])
    await journal.append([claim(0, 2, successor)])
    if reopened and not isinstance(journal, MemoryJournal):
        await journal.close()
        await journal.open()

    with pytest.raises(Fenced, match=f"record 3 of shard 0 is of epoch {former}, the one before it of {successor}"):
        await journal.append([of_epoch(late, 3, former)])

    await journal.append([of_epoch(own, 3, successor)])
    assert [record.epoch for record in await journal.read(0)] == [former, successor, successor]


async def test_decisions_are_found_by_strategy_and_signal(journal: Journal) -> None:
    world = RecordedWorld()
    world.signal("hold", "A", signal_id="x")
    world.signal("hold", "A", signal_id="x")
    world.cut()
    world.signal("hold", "B", signal_id="y")
    world.cut()
    await journal.append(world.records)

    assert await journal.is_decided(signal_key("A", "BTCUSDT", "x"))
    assert await journal.is_decided(signal_key("B", "BTCUSDT", "y"))
    assert not await journal.is_decided(signal_key("B", "BTCUSDT", "x"))
    assert not await journal.is_decided(signal_key("A", "BTCUSDT", ""))


async def test_a_duplicate_alone_decides_nothing(journal: Journal) -> None:
    duplicate = SignalDecided(
        time_ms=T0, strategy_id="A", signal_id="x", symbol="BTCUSDT", action=Action.BUY, outcome=Outcome.DUPLICATE
    )
    await journal.append([Record(0, 1, (Entry(TimeAdvanced(time_ms=T0), (duplicate,)),))])

    assert not await journal.is_decided(signal_key("A", "BTCUSDT", "x"))


async def test_a_signal_that_two_records_decide_stays_decided(journal: Journal) -> None:
    await journal.append(signal_records(1))
    await journal.append([Record(0, 2, signal_records(1)[0].entries)])

    assert await journal.is_decided(signal_key("A", "BTCUSDT", "s-0-0"))
    assert await journal.last_sequence(0) == 2


async def test_a_snapshot_replaces_an_older_one_only(journal: Journal) -> None:
    await journal.save_snapshot(0, Snapshot(5, b"five"))
    await journal.save_snapshot(1, Snapshot(1, b"other shard"))
    assert await journal.load_snapshot(0) == Snapshot(5, b"five")

    await journal.save_snapshot(0, Snapshot(9, b"nine"))
    await journal.save_snapshot(0, Snapshot(7, b"seven"))
    assert await journal.load_snapshot(0) == Snapshot(9, b"nine")

    await journal.save_snapshot(0, Snapshot(9, b"nine again"))
    assert await journal.load_snapshot(0) == Snapshot(9, b"nine again")
    assert await journal.load_snapshot(1) == Snapshot(1, b"other shard")


async def test_the_digest_is_over_all_records_in_order(journal: Journal) -> None:
    zero, one = signal_records(2), signal_records(2, shard=1)
    await journal.append([one[0], zero[0], one[1], zero[1]])

    expected = hashlib.sha256(b"".join(encode(record) for record in [*zero, *one])).hexdigest()

    assert await journal.digest() == expected


async def test_equal_records_give_equal_digests_and_others_do_not(make_journal: MakeJournal) -> None:
    digests = []
    for tag in ("s", "s", "t"):
        journal = await make_journal()
        await journal.append(signal_records(3, tag=tag))
        digests.append(await journal.digest())

    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


async def test_an_append_of_many_megabytes_comes_back(journal: Journal) -> None:
    world = RecordedWorld()
    for number in range(20):
        world.signal("hold", signal_id=str(number), carried={"text": f"{number}" * 1_000_000})
    world.cut()
    world.signal("hold", signal_id="after")
    world.cut()
    await journal.append(world.records)

    assert await journal.read(0) == world.records[:1], "a page is bounded in bytes"
    assert await journal.read(0, after=1) == world.records[1:]
    assert await journal.read(0, after=2) == [], "and only an empty one is the end"
    assert await journal.digest() == hashlib.sha256(b"".join(map(encode, world.records))).hexdigest()
    assert await journal.is_decided(signal_key("A", "BTCUSDT", "19"))


async def test_the_lease_that_wrote_a_record_makes_it_another_record(journal: Journal) -> None:
    record = signal_records(1)[0]
    first, second = (Record(0, 1, record.entries, epoch) for epoch in (1, 2))
    await journal.append([first])

    with pytest.raises(Fenced, match="record 1 of shard 0 is taken"):
        await journal.append([second])
    assert await journal.read(0) == [first] != [second]


async def test_a_snapshot_of_many_megabytes_comes_back(journal: Journal) -> None:
    state = random.Random(5).randbytes(20 * 2**20)
    await journal.save_snapshot(3, Snapshot(1, state))
    await journal.save_snapshot(3, Snapshot(2, state[::-1]))

    assert await journal.load_snapshot(3) == Snapshot(2, state[::-1])


# ---------------------------------------------------------------- pages


async def test_records_come_back_byte_for_byte(journal: Journal) -> None:
    records = signal_records(3, shard=2)
    await journal.append(records)

    assert await journal.stored(2) == [Stored(record.sequence, encode(record)) for record in records]
    assert await journal.stored(2, after=1, limit=1) == [Stored(2, encode(records[1]))]
    assert await journal.stored(2, limit=0) == []


async def test_pages_lead_to_the_end_whatever_their_size(journal: Journal) -> None:
    world = RecordedWorld()
    for number in range(7):
        world.signal("hold", signal_id=str(number), carried={"text": "x" * (PAGE_BYTES // 2)})
        world.cut()
    await journal.append(world.records)

    sizes = [len(page) async for page in pages(journal, 0, 0, 7)]
    found = [row.sequence async for page in pages(journal, 0, 1, 6) for row in page]

    assert max(sizes) == 2
    assert sum(sizes) == 7
    assert found == [2, 3, 4, 5, 6]


# ---------------------------------------------------------------- trimming


async def test_what_is_trimmed_is_refused_and_what_is_left_is_whole(journal: Journal) -> None:
    zero, one = signal_records(5), signal_records(2, shard=1, tag="one")
    await journal.append([*zero, *one])
    assert await journal.first_sequence(0) == 1

    await journal.trim(0, 3)

    assert (await journal.first_sequence(0), await journal.last_sequence(0)) == (4, 5)
    assert await journal.read(0, after=3) == zero[3:]
    assert await journal.read(0, after=4) == zero[4:]
    for after in range(3):
        with pytest.raises(RecordsTrimmed, match=f"record {after + 1} of shard 0 .*archived, .*ARCHIVE_DIR"):
            await journal.read(0, after=after)
        with pytest.raises(RecordsTrimmed):
            await journal.stored(0, after=after, limit=1)
    assert await journal.read(1) == one
    assert await journal.digest() == hashlib.sha256(b"".join(map(encode, [*zero[3:], *one]))).hexdigest()


async def test_the_decisions_of_trimmed_records_stay_known(journal: Journal) -> None:
    await journal.append(signal_records(4, size=2))

    await journal.trim(0, 4)

    assert all([await journal.is_decided(signal_key("A", "BTCUSDT", f"s-{n}-{k}")) for n in range(4) for k in range(2)])
    assert not await journal.is_decided(signal_key("A", "BTCUSDT", "s-4-0"))


async def test_a_shard_that_is_trimmed_whole_goes_on_where_it_was(journal: Journal) -> None:
    records = signal_records(5)
    await journal.append(records[:4])

    await journal.trim(0, 4)

    assert (await journal.first_sequence(0), await journal.last_sequence(0)) == (5, 4)
    assert await journal.shards() == [0]
    assert await journal.read(0, after=4) == []
    assert await journal.digest() == hashlib.sha256().hexdigest()
    for sequence in (1, 4, 6):
        with pytest.raises(Fenced, match=f"record {sequence} of shard 0"):
            await journal.append([Record(0, sequence, records[4].entries)])
    await journal.append(records[4:])
    assert await journal.read(0, after=4) == records[4:]
    assert (await journal.first_sequence(0), await journal.last_sequence(0)) == (5, 5)


async def test_trimming_again_changes_nothing_and_what_is_not_there_cannot_be_trimmed(journal: Journal) -> None:
    records = signal_records(5)
    await journal.append(records)
    await journal.trim(0, 3)

    await journal.trim(0, 3)
    await journal.trim(0, 1)
    await journal.trim(0, 0)
    with pytest.raises(ValueError, match="shard 0 cannot be trimmed through 6: its last record is 5"):
        await journal.trim(0, 6)

    assert await journal.read(0, after=3) == records[3:]
    assert await journal.first_sequence(0) == 4


async def test_a_snapshot_outlives_the_records_that_it_was_made_from(journal: Journal) -> None:
    await journal.append(signal_records(3))
    await journal.save_snapshot(0, Snapshot(3, b"three"))

    await journal.trim(0, 3)

    assert await journal.load_snapshot(0) == Snapshot(3, b"three")


async def test_more_records_than_one_step_takes_are_trimmed_while_others_are_appended(journal: Journal) -> None:
    records = signal_records(460)
    await journal.append(records[:450])

    trimming = asyncio.create_task(journal.trim(0, 450))
    for record in records[450:]:
        await journal.append([record])
    await trimming

    assert await journal.first_sequence(0) == 451
    assert await journal.read(0, after=450) == records[450:]
