"""Archiving a journal: what goes, what stays, and that archive and journal together are the journal that was."""

import random
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from shared.errors import ConfigError, RetrySafe
from tests.support.records import MOVES, RecordedWorld, play, signal_records
from tests.support.stores import JOURNALS, MakeJournal, journals
from tradeengine.domain.inputs import signal_key
from tradeengine.journal.archive import Archive
from tradeengine.journal.archive_file import ArchiveDamaged
from tradeengine.journal.archive_run import Archived, Keep, Limit, ShardArchiver
from tradeengine.journal.archive_whole import WholeJournal
from tradeengine.journal.base import Journal, Snapshot
from tradeengine.journal.record import Record, encode
from tradeengine.journal.stored import RecordsTrimmed
from tradeengine.runtime.recovery import load_state, remake_state
from tradeengine.runtime.replay import replay

ALL = Limit(1_000_000, "")


@pytest.fixture(params=JOURNALS)
async def make_journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MakeJournal]:
    async with journals(request.param, tmp_path) as make:
        yield make


@pytest.fixture
async def journal(make_journal: MakeJournal) -> Journal:
    return await make_journal()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "archive")
    archive.folder.mkdir()
    return archive


async def archived(
    journal: Journal,
    archive: Archive,
    *limits: Limit,
    keep: Keep = Keep(),  # noqa: B008 - it cannot change
    shard: int = 0,
    file_bytes: int = 1_000,
    dry: bool = False,
) -> Archived:
    last = Limit(await journal.last_sequence(shard), "all")
    archiver = ShardArchiver(journal, archive, shard, "j", [last, *limits], keep, file_bytes=file_bytes)
    return await archiver.run(dry=dry)


def history(chance: random.Random, shard: int, moves: int = 120) -> list[Record]:
    """Random trading of one shard."""
    world = RecordedWorld(shard=shard)
    number = partial(chance.randrange, 1000)
    numbers = [(chance.choice(MOVES), number(), number(), number()) for _ in range(moves)]
    return play(world, numbers)


# ---------------------------------------------------------------- what goes and what stays


async def test_what_a_limit_names_stays(journal: Journal, archive: Archive) -> None:
    records = signal_records(10)
    await journal.append(records)

    done = await archived(journal, archive, Limit(8, "the newest snapshot"), Limit(6, "MySQL needs them"), ALL)

    assert (done.first, done.through, done.held_by) == (1, 6, "MySQL needs them")
    assert done.files == len(archive.files()) > 1
    assert await journal.first_sequence(0) == 7
    assert await journal.read(0, after=6) == records[6:]
    again = await archived(journal, archive, Limit(3, "a copy that is made anew"))
    assert (again.first, again.through, again.files) == (7, 6, 0), "a limit that went back brings nothing back"


async def test_the_newest_records_stay_by_number_and_by_age(journal: Journal, archive: Archive) -> None:
    records = signal_records(10)
    await journal.append(records)
    times = [record.entries[-1].input.time_ms for record in records]

    by_number = await archived(journal, archive, keep=Keep(records=7))
    assert (by_number.through, by_number.held_by) == (3, "the newest 7 records are to stay")
    by_age = await archived(journal, archive, keep=Keep(since_ms=times[5]))
    assert (by_age.first, by_age.through, by_age.held_by) == (4, 5, "the records behind it are too new")
    rest = await archived(journal, archive)
    assert (rest.first, rest.through, rest.held_by) == (6, 10, "everything is archived")
    nothing = await archived(journal, archive)
    assert (nothing.first, nothing.through, nothing.files) == (11, 10, 0)


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(journal: Journal, archive: Archive) -> None:
    records = signal_records(10)
    await journal.append(records)

    dry = await archived(journal, archive, Limit(6, "MySQL needs them"), dry=True)

    assert (dry.first, dry.through, dry.files, dry.held_by) == (1, 6, 0, "MySQL needs them")
    assert archive.files() == []
    assert await journal.read(0) == records
    done = await archived(journal, archive, Limit(6, "MySQL needs them"))
    assert done._replace(files=0) == dry


async def test_a_shard_without_records_is_left_alone(journal: Journal, archive: Archive) -> None:
    done = await archived(journal, archive)

    assert (done.first, done.through, done.files) == (1, 0, 0)
    assert archive.files() == []


# ---------------------------------------------------------------- read as one


async def test_a_history_archived_at_random_points_is_the_history_that_it_was(
    journal: Journal, archive: Archive
) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    histories = {shard: history(chance, shard) for shard in (0, 2, 5)}
    for records in histories.values():
        await journal.append(records)
    digest, before = await journal.digest(), await replay(journal)
    states = {shard: (await load_state(journal, shard)).state.canonical() for shard in histories}
    assert before.difference is None

    whole = WholeJournal(Archive(archive.folder), journal)
    for _ in range(4):
        for shard, records in histories.items():
            limit = Limit(chance.randrange(1 + len(records)), "chance")
            await archived(journal, archive, limit, shard=shard, file_bytes=chance.choice([1, 3_000, 10**9]))
        assert await whole.digest() == digest, f"seed {seed}"
        assert await replay(whole) == before, f"seed {seed}"
    for shard, records in histories.items():
        await archived(journal, archive, shard=shard)
        assert await journal.read(shard, after=len(records)) == []
        assert [record async for record in every(whole, shard)] == records, f"seed {seed}"
        assert (await remake_state(whole, shard)).state.canonical() == states[shard]
    assert (await whole.digest(), await replay(whole)) == (digest, before)


async def every(journal: Journal, shard: int) -> AsyncIterator[Record]:
    after = 0
    while page := await journal.read(shard, after=after, limit=7):
        for record in page:
            yield record
        after = page[-1].sequence


async def test_a_journal_goes_on_while_and_after_it_is_archived(journal: Journal, archive: Archive) -> None:
    records, whole = signal_records(30), WholeJournal(archive, journal)
    for end in (10, 20, 30):
        await journal.append(records[end - 10 : end])
        await archived(journal, archive, keep=Keep(records=3))

    assert (await journal.first_sequence(0), await whole.first_sequence(0)) == (28, 1)
    assert [record async for record in every(whole, 0)] == records
    assert await whole.last_sequence(0) == 30
    assert await whole.read(0, after=30) == []
    assert await whole.is_decided(signal_key("A", "BTCUSDT", "s-0-0"))


async def test_a_snapshot_behind_what_was_trimmed_is_refused_until_the_archive_is_named(
    journal: Journal, archive: Archive
) -> None:
    records = history(random.Random(7), 0)
    await journal.append(records)
    state, sequence, events = await load_state(journal, 0)
    assert events == sum(len(list(record.events())) for record in records)
    await archived(journal, archive)

    with pytest.raises(RecordsTrimmed, match="record 1 of shard 0 is not in the journal any more"):
        await load_state(journal, 0)
    whole = WholeJournal(archive, journal)
    assert await load_state(whole, 0) == (state, sequence, events)
    await whole.save_snapshot(0, Snapshot(sequence, state.canonical()))
    assert await load_state(journal, 0) == (state, sequence, 0)


# ---------------------------------------------------------------- interruptions and mistakes


async def test_what_an_interrupted_run_has_written_is_compared_and_used(journal: Journal, archive: Archive) -> None:
    records = signal_records(10)
    await journal.append(records)
    rows = await journal.stored(0)
    archive.write(0, "j", rows[:4])
    digest = await journal.digest()

    held_back = await archived(journal, archive, Limit(3, "a limit"), file_bytes=10**9)
    assert (held_back.through, held_back.files) == (3, 0)
    done = await archived(journal, archive, file_bytes=10**9)

    assert (done.first, done.through, done.files) == (4, 10, 1)
    assert [(file.first, file.last) for file in archive.files()] == [(1, 4), (5, 10)]
    assert await WholeJournal(archive, journal).digest() == digest


async def test_an_archive_of_other_records_stops_the_run_before_anything_is_trimmed(
    journal: Journal, archive: Archive
) -> None:
    records = signal_records(10)
    await journal.append(records)
    archive.write(
        0, "j", [row._replace(payload=encode(signal_records(1, tag="x")[0])) for row in await journal.stored(0)]
    )

    with pytest.raises(ConfigError, match="holds other records 1 to 10 of shard 0 than the journal"):
        await archived(journal, archive, file_bytes=10**9)

    assert await journal.read(0) == records


async def test_a_damaged_file_stops_the_run_before_anything_is_trimmed(journal: Journal, archive: Archive) -> None:
    records = signal_records(10)
    await journal.append(records)
    file = archive.write(0, "j", (await journal.stored(0))[:4])
    file.path.write_bytes(file.path.read_bytes()[:-40])

    with pytest.raises(ArchiveDamaged, match="records 1 to 4 of shard 0, is damaged"):
        await archived(journal, archive)

    assert await journal.read(0) == records


async def test_an_archive_that_does_not_reach_the_journal_is_not_continued(
    journal: Journal, archive: Archive, tmp_path: Path
) -> None:
    await journal.append(signal_records(10))
    await archived(journal, archive, Limit(6, "a limit"))
    elsewhere = Archive(tmp_path)

    with pytest.raises(ConfigError, match="ends at record 0 of shard 0, the journal begins at 7: what lies between"):
        await archived(journal, elsewhere)

    assert elsewhere.files() == []
    assert await journal.first_sequence(0) == 7


async def test_a_folder_that_takes_nothing_keeps_the_records_in_the_journal(journal: Journal, tmp_path: Path) -> None:
    records = signal_records(3)
    await journal.append(records)
    (tmp_path / "full").write_text("no folder")

    with pytest.raises(RetrySafe, match=r"cannot write .*Not a directory"):
        await archived(journal, Archive(tmp_path / "full"))

    assert await journal.read(0) == records
