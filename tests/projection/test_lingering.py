"""A projector that lingers: records that come soon after a batch wait, and share the next one."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from shared.clock import SystemClock
from tests.support.records import signal_records
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.projection.projector import Projector
from tradeengine.projection.sqlite import SqliteReadModel

DEADLINE_S = 20


class Gate(SystemClock):
    """A clock whose pauses end when the test says so."""

    def __init__(self) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
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


async def _commit(journal: MemoryJournal, projector: Projector, records: Sequence[Record]) -> None:
    for record in records:
        await journal.append([record])
        projector.notify(record)
