"""What every store of the read model promises: checkpoints, half records, readers beside the writer."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from shared.clock import ManualClock
from tests.projection.tables import dump, read_model, rows_of
from tests.projection.targets import Model, Place
from tests.support.records import T0, Move, RecordedWorld, play, signal_records
from tradeengine.domain.events import OrderFilled
from tradeengine.journal.record import Record, encode
from tradeengine.projection.base import DoesNotFollow

ROOT = Path(__file__).resolve().parents[2]
KILLS = 8


def history() -> list[Record]:
    """A hundred and twenty records with entries, fills, partial closes and funding."""
    moves: list[Move] = []
    for number in range(60):
        moves += [("buy", number, 1, number), ("fill", 0, 1, 3), ("fund", 1, 1, number), ("cut", 0, 0, 0)]
        moves += [("close", number // 2, 1, 2), ("fill", 0, 1, 5), ("fill", 1, 1, 5), ("cut", 0, 0, 0)]
    return play(RecordedWorld(), moves)


async def test_checkpoints_are_kept_by_shard(place: Place) -> None:
    model = place.model()
    await model.open()
    zero, seven = signal_records(3), signal_records(2, shard=7, tag="t")
    await model.apply([zero[0], seven[0], zero[1]])
    assert [await model.checkpoint(shard) for shard in (0, 7, 3)] == [2, 1, 0]
    await model.close()

    again = place.model()
    await again.open()
    assert await again.checkpoint(0) == 2
    assert again.freshness.has_applied({0: 2, 7: 1})
    await again.apply([*zero, *seven])
    assert [await again.checkpoint(shard) for shard in (0, 7)] == [3, 2]
    assert len(await rows_of(again, "decisions")) == 5
    await again.close()


async def test_a_record_that_does_not_follow_is_refused_and_nothing_of_its_batch_is_kept(model: Model) -> None:
    records = signal_records(3)
    with pytest.raises(DoesNotFollow, match="record 3 of shard 0 does not follow the checkpoint 1"):
        await model.apply([records[0], records[2]])

    assert await model.checkpoint(0) == 0
    assert await rows_of(model, "decisions") == []


async def test_a_record_without_entries_is_noted(model: Model) -> None:
    await model.apply([Record(0, 1, ())])
    assert await model.checkpoint(0) == 1


@pytest.mark.process
async def test_kill_9_between_two_writes_leaves_no_half_record(place: Place, tmp_path: Path) -> None:
    records = history()
    (tmp_path / "records").write_bytes(b"\n".join(map(encode, records)))
    command = [sys.executable, "-m", "tests.projection.applier", place.target, str(tmp_path)]
    for kill in range(KILLS):
        applier = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert applier.stdout is not None
        for _ in range(1 + 2 * kill):
            applier.stdout.readline()
        applier.kill()
        applier.communicate()

    killed, whole = place.model(), read_model(tmp_path, "whole.db")
    await killed.open()
    await whole.open()
    applied = await killed.checkpoint(0)
    assert applied >= KILLS
    await whole.apply(records[:applied])
    assert await dump(killed) == await dump(whole)
    await killed.apply(records)
    await whole.apply(records)
    assert await dump(killed) == await dump(whole)
    await killed.close()
    await whole.close()


async def test_pages_are_read_while_records_are_applied(model: Model) -> None:
    records = history()
    done = asyncio.Event()

    async def apply() -> None:
        for record in records:
            await model.apply([record])
        done.set()

    async def read() -> int:
        reads = seen = 0
        while not done.is_set():
            fills = await rows_of(model, "fills")
            assert len(fills) >= seen, "a row that was shown has gone"
            seen, reads = len(fills), reads + 1
            await asyncio.gather(rows_of(model, "positions"), rows_of(model, "orders", status="open"))
        return reads

    _, reads = await asyncio.gather(apply(), read())
    assert reads > 1
    shares = [event.shares for record in records for event in record.events() if isinstance(event, OrderFilled)]
    assert len(await rows_of(model, "fills")) == sum(map(len, shares)) > 20


async def test_pages_tell_their_source_and_age(place: Place) -> None:
    clock = ManualClock(T0)
    model = place.model(clock)
    await model.open()
    (record,) = signal_records(1)
    page = await model.query("decisions", filters={}, sort=None, cursor=None, limit=1)
    assert (page.source, page.age_seconds, page.rows) == (place.target, 0.0, [])

    late = Record(0, 1, record.entries[:1])
    assert late.entries[0].input.time_ms == T0
    model.freshness.committed(late)
    clock.set(T0 + 2_500)
    page = await model.query("decisions", filters={}, sort=None, cursor=None, limit=1)
    assert page.age_seconds == 2.5

    await model.apply([late])
    page = await model.query("decisions", filters={}, sort=None, cursor=None, limit=1)
    assert page.age_seconds == 0.0
    await model.close()
