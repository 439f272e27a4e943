"""A projector that lingers: records that come soon after a batch wait, and share the next one."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from shared.clock import SystemClock
from tests.support.deadline import PATIENCE_S
from tests.support.records import signal_records
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.projection.projector import Projector
from tradeengine.projection.sqlite import SqliteReadModel

DEADLINE_S = PATIENCE_S


class Gate(SystemClock):
    """A clock that the test sets, and whose pauses end when the test says so."""

    def __init__(self) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        self.passed_s = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.passed_s

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.pauses.append(seconds)
            self.reached.set()
            await self.go.wait()


class Counting(SqliteReadModel):
    """Notes how many records each batch has."""

    def __init__(self, path: Path, clock: SystemClock) -> None:
        super().__init__(path, venue="paper", clock=clock)
        self.batches: list[int] = []

    async def apply(self, records: Sequence[Record]) -> None:
        self.batches.append(len(records))
        await super().apply(records)


async def test_records_that_come_while_it_lingers_share_a_batch(tmp_path: Path) -> None:
    clock, journal, records = Gate(), MemoryJournal(), signal_records(6)
    model = Counting(tmp_path / "tables.db", clock)
    await model.open()
    projector = Projector(journal, model, clock, [0], linger_s=1_000)
    await projector.start()
    await _commit(journal, projector, records[:1])
    async with asyncio.timeout(DEADLINE_S):
        await clock.reached.wait()
    await _commit(journal, projector, records[1:])
    assert model.batches == [1]
    clock.go.set()
    async with asyncio.timeout(DEADLINE_S):
        await projector.catch_up()
    assert model.batches == [1, 5]
    await projector.stop()
    await model.close()


async def test_who_waits_for_all_of_it_is_not_kept_waiting(tmp_path: Path) -> None:
    clock, journal, records = Gate(), MemoryJournal(), signal_records(500)
    model = Counting(tmp_path / "tables.db", clock)
    await model.open()
    await journal.append(records)
    projector = Projector(journal, model, clock, [0], linger_s=1_000)
    await projector.start()
    async with asyncio.timeout(DEADLINE_S):
        await projector.catch_up()
    assert sum(model.batches) == len(records)
    assert not clock.reached.is_set(), "no pause while somebody waits"
    await projector.stop()
    await model.close()


class Slow(Counting):
    """Takes some seconds for a batch."""

    def __init__(self, path: Path, clock: Gate, takes_s: float) -> None:
        super().__init__(path, clock)
        self._gate, self._takes_s = clock, takes_s

    async def apply(self, records: Sequence[Record]) -> None:
        self._gate.passed_s += self._takes_s
        await super().apply(records)


@pytest.mark.parametrize(("takes_s", "pause_s"), [(0.05, 0.2), (0.2, 0.2), (0.7, 0.7), (30.0, 1.0)])
async def test_a_batch_that_took_long_is_followed_by_a_pause_as_long(
    tmp_path: Path, takes_s: float, pause_s: float
) -> None:
    clock, journal = Gate(), MemoryJournal()
    model = Slow(tmp_path / "tables.db", clock, takes_s)
    await model.open()
    projector = Projector(journal, model, clock, [0], linger_s=0.25)
    await projector.start()
    await _commit(journal, projector, signal_records(1))
    async with asyncio.timeout(DEADLINE_S):
        await clock.reached.wait()
    assert clock.pauses == [pytest.approx(pause_s)]
    clock.go.set()
    await projector.stop()
    await model.close()


async def _commit(journal: MemoryJournal, projector: Projector, records: Sequence[Record]) -> None:
    for record in records:
        await journal.append([record])
        projector.notify(record)
