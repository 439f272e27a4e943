"""The projector: everything that is committed gets into the tables, whatever is in the way."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import pytest

from shared.clock import Clock, ManualClock, SystemClock
from shared.errors import ConfigError, RetrySafe
from tests.projection.tables import dump, read_model, rows_of
from tests.projection.targets import Model, Place
from tests.support.deadline import PATIENCE_S
from tests.support.records import T0, RecordedWorld, signal_records
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.projection import projector as module
from tradeengine.projection.pages import PageSize
from tradeengine.projection.projector import Projector
from tradeengine.projection.sqlite import SqliteReadModel

DEADLINE_S = PATIENCE_S
ModelT = TypeVar("ModelT", bound=Model)


class Desk(Generic[ModelT]):
    """A journal, its tables, and the projector between them."""

    def __init__(self, model: ModelT) -> None:
        self.journal = MemoryJournal()
        self.model = model
        self.projector = self.projector_with()

    def projector_with(self, *, clock: Clock | None = None, max_buffered: int = 20_000) -> Projector:
        return Projector(self.journal, self.model, clock or SystemClock(), [0, 1], max_buffered=max_buffered)

    async def commit(self, records: Sequence[Record]) -> None:
        """Do what a shard does: append, then tell the listener."""
        for record in records:
            await self.journal.append([record])
            self.projector.notify(record)

    async def shown(self) -> list[str]:
        """Return signal ids in the table, once the projector has caught up."""
        async with asyncio.timeout(DEADLINE_S):
            await self.projector.catch_up()
        return [row["signal_id"] for row in await rows_of(self.model, "decisions")]


SqliteDesk = Desk[SqliteReadModel]


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is no event of this loop
            await asyncio.sleep(0.002)


def ids(records: Sequence[Record]) -> list[str]:
    return [
        entry.input.signal_id for record in records for entry in record.entries if hasattr(entry.input, "signal_id")
    ]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[SqliteDesk]:
    made = Desk(read_model(tmp_path, busy_timeout_ms=20))
    await made.model.open()
    yield made
    await made.projector.stop()
    await made.model.close()


async def test_committed_records_are_applied_as_they_come(desk: SqliteDesk) -> None:
    await desk.projector.start()
    records = signal_records(20, size=3)
    await desk.commit(records[:1])
    assert await desk.shown() == ids(records[:1])
    await desk.commit(records[1:])
    assert await desk.shown() == ids(records)
    assert desk.projector.lag()[:2] == (0, 0.0)


async def test_what_was_committed_before_the_start_is_read_from_the_journal(desk: SqliteDesk) -> None:
    records = signal_records(120)
    await desk.journal.append(records)
    await desk.projector.start()

    assert await desk.shown() == ids(records)


async def test_records_that_come_before_the_start_wait(desk: SqliteDesk) -> None:
    records = signal_records(5)
    await desk.commit(records)
    assert desk.projector.lag().records == 5
    await desk.projector.start()

    assert await desk.shown() == ids(records)


async def test_shards_are_followed_side_by_side(desk: SqliteDesk) -> None:
    await desk.projector.start()
    zero, one = signal_records(10, tag="zero"), signal_records(10, shard=1, tag="one")
    for pair in zip(zero, one, strict=True):
        await desk.commit(pair)

    assert sorted(await desk.shown()) == sorted(ids(zero) + ids(one))


@pytest.mark.parametrize("max_buffered", [0, 1, 7])
async def test_what_does_not_fit_into_memory_is_read_from_the_journal(desk: SqliteDesk, max_buffered: int) -> None:
    desk.projector = desk.projector_with(max_buffered=max_buffered)
    records = signal_records(40, size=2)
    await desk.commit(records[:15])
    await desk.projector.start()
    await desk.commit(records[15:])

    assert await desk.shown() == ids(records)


async def test_a_missed_record_is_read_from_the_journal(desk: SqliteDesk) -> None:
    await desk.projector.start()
    records = signal_records(6)
    await desk.commit(records[:2])
    await desk.journal.append(records[2:4])
    await desk.commit(records[4:])

    assert await desk.shown() == ids(records)


async def test_it_goes_on_where_the_tables_are(desk: SqliteDesk) -> None:
    records = signal_records(8)
    await desk.model.apply(records[:3])
    await desk.journal.append(records)
    await desk.projector.start()
    assert await desk.shown() == ids(records)
    await desk.projector.stop()

    desk.projector = desk.projector_with()
    await desk.projector.start()
    assert desk.projector.lag()[:2] == (0, 0.0)
    assert await desk.shown() == ids(records)


async def test_a_store_that_refuses_is_asked_again_and_the_shard_does_not_wait(desk: SqliteDesk) -> None:
    await desk.projector.start()
    records = signal_records(30)
    await desk.commit(records[:1])
    await desk.shown()
    lock = sqlite3.connect(desk.model.path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")

    # Whoever waited for the tables would wait until the lock is given back.
    async with asyncio.timeout(DEADLINE_S):
        await desk.commit(records[1:])
    await eventually(lambda: desk.projector.trouble is not None)
    assert "another process holds it locked" in (desk.projector.trouble or "")
    assert desk.projector.lag().records == 29
    lock.execute("ROLLBACK")
    lock.close()

    assert await desk.shown() == ids(records)
    await eventually(lambda: desk.projector.trouble is None)


class Pauses:
    """A clock that notes the pauses that it is asked for, and takes none."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def now_ms(self) -> int:
        return 0

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


async def test_pauses_grow_to_a_limit(desk: SqliteDesk) -> None:
    clock = Pauses()
    desk.projector = desk.projector_with(clock=clock)
    await desk.projector.start()
    lock = sqlite3.connect(desk.model.path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    await desk.commit(signal_records(1))

    await eventually(lambda: len(clock.taken) >= 10)
    lock.execute("ROLLBACK")
    lock.close()
    await desk.shown()
    assert clock.taken[:4] == [0.05, 0.1, 0.2, 0.4]
    assert clock.taken[9] == 5.0


async def test_tables_of_another_journal_are_refused(desk: SqliteDesk) -> None:
    await desk.model.apply(signal_records(2))

    with pytest.raises(ConfigError, match=r"applied record 2 of shard 0, the journal ends at 0.*move its file away"):
        await desk.projector.start()


async def test_catching_up_with_a_projector_that_does_not_run_says_so(desk: SqliteDesk) -> None:
    await desk.commit(signal_records(1))
    with pytest.raises(RuntimeError, match="the projector has stopped"):
        await desk.projector.catch_up()

    await desk.projector.start()
    await desk.shown()
    await desk.projector.stop()
    await desk.commit(signal_records(2)[1:])
    with pytest.raises(RuntimeError, match="the projector has stopped"):
        await desk.projector.catch_up()


async def test_catching_up_ends_when_the_projector_does(desk: SqliteDesk) -> None:
    await desk.projector.start()
    lock = sqlite3.connect(desk.model.path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    await desk.commit(signal_records(1))
    waiting = asyncio.create_task(desk.projector.catch_up())
    await eventually(lambda: desk.projector.trouble is not None)
    await desk.projector.stop()

    with pytest.raises(RuntimeError, match="the projector has stopped"):
        await asyncio.wait_for(waiting, DEADLINE_S)
    lock.execute("ROLLBACK")
    lock.close()


async def test_tables_made_anew_are_the_same(desk: SqliteDesk, tmp_path: Path) -> None:
    await desk.projector.start()
    records = [*signal_records(30, size=2), *signal_records(20, shard=1, tag="t")]
    await desk.commit(records)
    await desk.shown()

    anew = read_model(tmp_path, "anew.db")
    await anew.open()
    again = Projector(desk.journal, anew, SystemClock(), [0, 1])
    await again.start()
    async with asyncio.timeout(DEADLINE_S):
        await again.catch_up()
    await again.stop()
    assert await dump(anew) == await dump(desk.model)
    await anew.close()


# ---------------------------------------------------------------- shards that change hands, stores that come late


@pytest.fixture
async def shared_desk(place: Place) -> AsyncIterator[Desk[Model]]:
    """On each store that several processes can write."""
    made = Desk(place.model(SystemClock()))
    await made.model.open()
    yield made
    await made.projector.stop()
    await made.model.close()


async def test_a_shard_is_followed_and_left_while_others_go_on(shared_desk: Desk[Model]) -> None:
    desk = shared_desk
    await desk.projector.start()
    two = signal_records(6, shard=2, tag="two")
    await desk.commit(two[:3])
    assert desk.projector.lag().records == 0, "records of a shard that is not followed are no lag"

    desk.projector.follow(2)
    await desk.commit(signal_records(4))
    assert len(await desk.shown()) == 7
    await desk.commit(two[3:5])
    assert len(await desk.shown()) == 9

    desk.projector.leave(2)
    await desk.commit(two[5:])
    await desk.commit(signal_records(5)[4:])
    assert len(await desk.shown()) == 10
    assert desk.projector.lag()[:2] == (0, 0.0)


async def test_two_projectors_follow_one_shard_while_it_changes_hands(place: Place) -> None:
    records = signal_records(60, size=2)
    journal = MemoryJournal()
    models = [place.model(SystemClock()), place.model(SystemClock())]
    for model in models:
        await model.open()
    projectors = [Projector(journal, model, SystemClock(), [0], max_buffered=20) for model in models]
    for projector in projectors:
        await projector.start()
    for record in records:
        await journal.append([record])
        for projector in projectors:
            projector.notify(record)
        await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*[projector.catch_up() for projector in projectors])

    assert sorted(row["signal_id"] for row in await rows_of(models[0], "decisions")) == sorted(ids(records))
    for projector, model in zip(projectors, models, strict=True):
        assert projector.trouble is None
        await projector.stop()
        await model.close()


class Late(SqliteReadModel):
    """A read model whose server is not there at first."""

    attempts = 0

    async def open(self) -> None:
        self.attempts += 1
        if self.attempts == 1:
            raise RetrySafe("the server is away")
        if self.attempts == 2:
            raise ConfigError("the user is refused")
        await super().open()


async def test_a_store_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    clock, journal = Pauses(), MemoryJournal()
    model = Late(tmp_path / "late.db", venue="paper", clock=clock)
    projector = Projector(journal, model, clock, [0])
    records = signal_records(3)
    await journal.append(records[:2])
    projector.start_in_background()
    projector.notify(records[2])
    await journal.append(records[2:])
    async with asyncio.timeout(DEADLINE_S):
        await projector.catch_up()

    assert clock.taken[:2] == [0.05, 5.0]
    assert [row["signal_id"] for row in await rows_of(model, "decisions")] == ids(records)
    await eventually(lambda: projector.trouble is None)
    await projector.stop()
    await model.close()


async def test_the_speed_of_catching_up_is_known(desk: SqliteDesk) -> None:
    records = signal_records(50, size=4)
    await desk.journal.append(records)
    await desk.projector.start()
    await desk.shown()

    lag = desk.projector.lag()
    assert lag.events_per_second > 0
    assert (lag.events, lag.remaining_seconds) == (0, 0.0)
    await desk.projector.stop()
    more = signal_records(60, size=4)[50:]
    await desk.commit(more)
    behind = desk.projector.lag()
    assert behind.records == 10
    assert abs(behind.events - sum(len(list(record.events())) for record in more)) <= 1
    assert behind.remaining_seconds == behind.events / behind.events_per_second


def test_pages_of_large_records_are_short() -> None:
    size = PageSize()
    small = signal_records(3)
    assert size.limit == 1
    for expected in (4, 16, 64):
        size.saw(small)
        assert size.limit == expected
    world = RecordedWorld()
    world.signal("hold", signal_id="large", carried={"text": "x" * (3 * 2**20)})
    size.saw([world.cut()])
    assert size.limit == 2
    world.signal("hold", signal_id="larger", carried={"text": "x" * (30 * 2**20)})
    size.saw([world.cut()])
    assert size.limit == 1


class Amnesia(MemoryJournal):
    """A journal that forgets to show its records a few times: a replica that lags."""

    def __init__(self) -> None:
        super().__init__()
        self.forgotten = 0

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        if self.forgotten < 3:
            self.forgotten += 1
            if self.forgotten == 2:
                raise RetrySafe("the journal is away")
            return []
        return await super().read(shard, after, limit)


async def test_a_journal_that_does_not_answer_is_asked_again(desk: SqliteDesk) -> None:
    desk.journal = Amnesia()
    desk.projector = desk.projector_with()
    records = signal_records(3)
    await desk.journal.append(records)
    await desk.projector.start()

    assert await desk.shown() == ids(records)
    assert desk.journal.forgotten == 3


class Unarchived(MemoryJournal):
    """A journal whose shard 0 begins in an archive that is not there."""

    def __init__(self) -> None:
        super().__init__()
        self.is_missing = True

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        if shard == 0 and self.is_missing:
            raise ConfigError("the archive of shard 0 is missing")
        return await super().read(shard, after, limit)


class Foreign(SqliteReadModel):
    """Tables whose shard 0 was made from another journal."""

    is_foreign = True

    async def checkpoint(self, shard: int) -> int:
        return 7 if shard == 0 and self.is_foreign else await super().checkpoint(shard)


async def test_a_shard_that_cannot_be_read_holds_up_no_other(desk: SqliteDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.05)
    desk.journal = journal = Unarchived()
    desk.projector = desk.projector_with()
    lost, other = signal_records(2), signal_records(4, shard=1, tag="t")
    await journal.append([*lost, *other[:2]])
    await desk.projector.start()
    await eventually(lambda: desk.model.freshness.has_applied({1: 2}))
    await eventually(lambda: desk.projector.trouble is not None)
    await desk.commit(other[2:])
    await eventually(lambda: desk.model.freshness.has_applied({1: 4}))
    assert desk.projector.trouble == "the archive of shard 0 is missing"
    assert desk.projector.lag().records == len(lost)

    journal.is_missing = False
    assert sorted(await desk.shown()) == sorted(ids([*lost, *other]))
    await eventually(lambda: desk.projector.trouble is None)


async def test_a_shard_of_another_journal_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.05)
    model = Foreign(tmp_path / "tables.sqlite", venue="paper", clock=ManualClock(T0))
    await model.open()
    desk = Desk(model)
    records = [*signal_records(2), *signal_records(2, shard=1, tag="t")]
    desk.projector.start_in_background()
    await desk.commit(records)
    await eventually(lambda: model.freshness.has_applied({1: 2}))
    await eventually(lambda: "another journal" in (desk.projector.trouble or ""))
    model.is_foreign = False
    assert sorted(await desk.shown()) == sorted(ids(records))
    await desk.projector.stop()
    await model.close()


class Damaged(MemoryJournal):
    """A journal whose records cannot be read."""

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        raise ValueError("the record is damaged")


async def test_a_defect_ends_the_projector_and_is_told(desk: SqliteDesk) -> None:
    desk.journal = Damaged()
    desk.projector = desk.projector_with()
    await desk.journal.append(signal_records(3))
    await desk.projector.start()

    with pytest.raises(RuntimeError, match="ValueError: the record is damaged"):
        await desk.shown()
    assert desk.projector.trouble == "ValueError: the record is damaged"
    desk.projector.notify(signal_records(4)[3])
    assert desk.projector.lag().records == 4
