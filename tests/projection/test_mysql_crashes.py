"""Exactly once: whatever is lost, dies or comes late, MySQL's tables end as SQLite's do."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import OutcomeUnknown, RetrySafe
from tests.projection.mysql_place import MySqlPlace
from tests.projection.mysql_stage import Fate, Stage, advance, staged
from tests.projection.reference import history, shown, wanted
from tests.projection.tables import quick_folder
from tests.projection.targets import Model, Place, prepared
from tests.support.records import Move, RecordedWorld, histories, play
from tradeengine.journal.record import Record
from tradeengine.projection.base import DoesNotFollow

# ---------------------------------------------------------------- every point of the path


async def struck(
    place: Place, records: Sequence[Record], stage: Stage, aim: tuple[int, Fate], *, dies: bool
) -> str | None:
    """Apply records while one command meets its fate.

    Returns
    -------
    str
        The error that came of it, "" for none; ``None`` if there are fewer commands.
    """
    model, error = place.model(), ""
    await model.open()
    await model.apply(records[:1])
    stage.strike(*aim)
    try:
        await model.apply(records[1:])
    except (RetrySafe, OutcomeUnknown) as lost:
        error = type(lost).__name__
    hit = stage.calm()
    if dies:
        await model.close()
        model = place.model()
        await model.open()
    await advance(model, records)
    await model.close()
    return error if hit else None


@pytest.mark.slow
@pytest.mark.parametrize("fate", Fate)
@pytest.mark.parametrize("dies", [False, True])
async def test_a_crash_at_every_command_ends_in_equality(tmp_path: Path, fate: Fate, dies: bool) -> None:
    """Enumerates every command of the path: the process goes on after the loss, or dies of it and another follows."""
    records = history()
    expected = await wanted(tmp_path, records)
    outcomes: list[str | None] = []
    with staged() as stage:
        while None not in outcomes:
            async with prepared("mysql", tmp_path) as place:
                outcomes.append(await struck(place, records, stage, (len(outcomes), fate), dies=dies))
                assert await shown(place) == expected, f"command {len(outcomes)} was {fate}"
    assert len(outcomes) > 10
    # A ping that is lost is made up for in silence; only a lost commit, or its answer, leaves doubt.
    assert outcomes.count("") == outcomes.count("OutcomeUnknown") == 1


async def test_a_stale_process_changes_nothing(tmp_path: Path) -> None:
    records = history()
    async with prepared("mysql", tmp_path) as place:
        stale, quick = place.model(), place.model()
        await stale.open()
        await quick.open()
        await stale.apply(records[:1])
        await quick.apply(records)
        with staged() as stage:
            await stale.apply(records[1:2])
            assert not [sql for sql in stage.commands if sql.startswith(("INSERT INTO `p", "INSERT INTO `d", "UPDATE"))]
        assert await shown(place) == await wanted(tmp_path, records)
        assert await stale.checkpoint(0) == len(records)
        await stale.close()
        await quick.close()


async def test_a_process_that_was_overtaken_forgets_what_it_remembers(tmp_path: Path) -> None:
    """Else it would add to the amounts that it wrote itself, and lose what the other has added."""
    records = history()
    async with prepared("mysql", tmp_path) as place:
        first, other = place.model(), place.model()
        await first.open()
        await other.open()
        await first.apply(records[:1])
        await other.apply(records[1:2])
        await first.apply(records[2:])
        assert await shown(place) == await wanted(tmp_path, records)
        await first.close()
        await other.close()


async def test_two_processes_at_once_apply_each_record_once(tmp_path: Path) -> None:
    moves: list[Move] = []
    for number in range(40):
        moves += [("buy", number, 1, number), ("fill", 0, 1, 3), ("fund", 1, 1, number), ("cut", 0, 0, 0)]
    records = play(RecordedWorld(), moves)
    async with prepared("mysql", tmp_path) as place:
        models = [place.model() for _ in range(3)]
        for model in models:
            await model.open()

        async def follow(model: Model) -> None:
            for end in range(1, len(records) + 1):
                await advance(model, records[:end])

        await asyncio.gather(*map(follow, models))
        for model in models:
            await model.close()
        assert await shown(place) == await wanted(tmp_path, records)


# ---------------------------------------------------------------- any interleaving

Step = tuple[int, int, int, Fate | None]
_steps = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 4), st.integers(0, 20), st.sampled_from([None, *Fate])), max_size=8
)


async def interleaved(place: MySqlPlace, records: Sequence[Record], steps: Sequence[Step], stage: Stage) -> None:
    """Let two processes project in turns, each from where it believes to be; commands are lost on the way."""
    models = [place.model(), place.model()]
    believed = [0, 0]
    for model in models:
        await model.open()
    for number, count, command, fate in steps:
        if fate is not None:
            stage.strike(command, fate)
        start = believed[number]
        piece = records[start : start + count]
        with suppress(RetrySafe, OutcomeUnknown):
            try:
                await models[number].apply(piece)
            except DoesNotFollow:
                believed[number] = await models[number].checkpoint(0)
            else:
                believed[number] = start + len(piece)
    for model in models:
        await advance(model, records)
        await model.close()


@settings(max_examples=max(2, settings().max_examples // 10))
@given(histories, _steps)
def test_any_interleaving_of_two_processes_and_losses_ends_in_equality(moves: list[Move], steps: list[Step]) -> None:
    records = play(RecordedWorld(), moves)

    async def both(folder: Path) -> None:
        async with prepared("mysql", folder) as place:
            assert isinstance(place, MySqlPlace)
            with staged() as stage:
                await interleaved(place, records, steps, stage)
            assert await shown(place) == await wanted(folder, records)

    with quick_folder() as folder:
        asyncio.run(both(Path(folder)))
