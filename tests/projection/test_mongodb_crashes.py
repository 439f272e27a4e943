"""Exactly once without transactions: whatever dies, freezes or is lost, MongoDB's tables end as SQLite's do."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.projection.mongodb_stage import Director, Fate, project
from tests.projection.reference import history, shown, wanted
from tests.projection.tables import Rows, quick_folder
from tests.projection.targets import MongoPlace, opened
from tests.support.records import Move, RecordedWorld, histories, play
from tradeengine.journal.record import Record
from tradeengine.projection.mongodb_shard import MAX_REDO_BYTES

INLINE, IN_CHUNKS = MAX_REDO_BYTES, 10_000


async def commands_of(folder: Path, records: Sequence[Record], max_redo_bytes: int) -> list[str]:
    """Names of the commands that an undisturbed process sends."""
    names: list[str] = []

    async def decide(name: str) -> Fate:
        names.append(name)
        return Fate.GO

    place = MongoPlace(folder)
    await place.prepare()
    async with opened(place.store()) as store:
        await project(store, records, decide, batch=2, max_redo_bytes=max_redo_bytes)
    await place.drop()
    return names


@pytest.mark.parametrize(
    ("fate", "max_redo_bytes"),
    [
        (Fate.KILLED, INLINE),
        (Fate.KILLED_AFTER, INLINE),
        (Fate.LOST, INLINE),
        (Fate.UNANSWERED, INLINE),
        (Fate.KILLED_AFTER, IN_CHUNKS),
    ],
)
async def test_a_fault_at_any_command_changes_nothing_in_the_end(
    tmp_path: Path, fate: Fate, max_redo_bytes: int
) -> None:
    records = history()
    expected = await wanted(tmp_path, records)
    names = await commands_of(tmp_path, records, max_redo_bytes)
    assert {"checkpoints.update_one", "orders.bulk_write", "position_contributions.find"} <= set(names)
    assert ("redo_chunks.insert_one" in names) == (max_redo_bytes == IN_CHUNKS)
    for fatal in range(len(names)):
        sent = 0

        async def decide(name: str, fatal: int = fatal) -> Fate:
            nonlocal sent
            sent += 1
            return fate if sent == fatal + 1 else Fate.GO

        place = MongoPlace(tmp_path)
        await place.prepare()
        async with opened(place.store()) as store:
            kills = await project(store, records, decide, batch=2, max_redo_bytes=max_redo_bytes)
        assert kills == (fate in (Fate.KILLED, Fate.KILLED_AFTER)), names[fatal]
        assert await shown(place) == expected, f"{fate} at {names[fatal]}, the {fatal + 1}th command"
        await place.drop()


turns = st.tuples(st.integers(0, 1), st.sampled_from([Fate.GO] * 6 + list(Fate)))


@settings(max_examples=settings().max_examples // 4)
@given(histories, st.lists(turns, max_size=60), st.tuples(st.integers(1, 4), st.integers(1, 4)), st.booleans())
def test_two_processes_may_write_one_shard_at_once(
    moves: list[Move], script: list[tuple[int, Fate]], batches: tuple[int, int], in_chunks: bool
) -> None:
    """A process that is not its turn stands still, wherever it is: so this freezes and continues them too."""
    records = play(RecordedWorld(), moves)

    async def both(folder: Path) -> tuple[dict[str, Rows], dict[str, Rows]]:
        place = MongoPlace(folder)
        await place.prepare()
        director = Director(2, script)
        async with opened(place.store()) as store:

            async def one(process: int) -> None:
                limit = IN_CHUNKS if in_chunks else INLINE
                decide = director.decider(process)
                batch = batches[process]
                await project(store, records, decide, done=director.done, batch=batch, max_redo_bytes=limit)
                director.end(process)

            await asyncio.gather(one(0), one(1), director.direct())
        found = await shown(place)
        await place.drop()
        return found, await wanted(folder, records)

    with quick_folder() as folder:
        found, expected = asyncio.run(both(Path(folder)))
    assert found == expected
