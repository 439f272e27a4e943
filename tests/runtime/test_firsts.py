"""Who sends a copy is told what became of the first one: from memory, or from what is committed."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from contracts.enums import Outcome, Reason, RejectionSource
from contracts.query import Page
from shared.clock import ManualClock, SystemClock
from shared.errors import RetrySafe
from tests.projection.tables import read_model
from tests.support.records import RecordedWorld, signal_records
from tradeengine.domain.events import SignalDecided
from tradeengine.journal.record import Record
from tradeengine.runtime import firsts as module
from tradeengine.runtime.firsts import FirstDecisions


class Away:
    """Tables that do not answer."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked = 0
        self._error = error

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        self.asked += 1
        if self._error is not None:
            raise self._error
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


def decisions(record: Record) -> list[SignalDecided]:
    return [event for event in record.events() if isinstance(event, SignalDecided)]


def copy_of(first: SignalDecided) -> SignalDecided:
    return msgspec.structs.replace(
        first,
        time_ms=first.time_ms + 1_000,
        outcome=Outcome.DUPLICATE,
        reason=Reason.DUPLICATE_SIGNAL,
        source=RejectionSource.INTAKE,
        detail=None,
        orders=(),
    )


async def test_what_was_committed_lately_is_known_at_once() -> None:
    firsts = FirstDecisions(SystemClock(), away := Away())
    one, two = decisions(signal_records(1, size=2)[0])
    firsts.observe(signal_records(1, size=2)[0])

    assert await firsts.of([copy_of(two), one, copy_of(one)]) == [two, None, one]
    assert not away.asked


async def test_a_copy_is_never_the_first() -> None:
    world = RecordedWorld()
    world.signal("hold", signal_id="s")
    first = decisions(world.cut())[0]
    world.signal("hold", signal_id="s")
    firsts = FirstDecisions(SystemClock())
    firsts.observe(world.records[0])
    firsts.observe(world.cut())

    assert await firsts.of([copy_of(first)]) == [first]


async def test_what_is_forgotten_here_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 1)
    world = RecordedWorld()
    world.signal("buy", signal_id="refused", confidence="0.01")
    world.signal("buy", "B", signal_id="accepted", quantity="0.5")
    record = world.cut()
    refused, accepted = decisions(record)
    model = read_model(tmp_path)
    await model.open()
    await model.apply([record])
    firsts = FirstDecisions(SystemClock(), model)
    firsts.observe(record)

    another = msgspec.structs.replace(refused, symbol="X")
    found = await firsts.of([copy_of(refused), copy_of(accepted), copy_of(another)])

    assert [first.outcome if first else None for first in found] == [Outcome.REJECTED, Outcome.ACCEPTED, None]
    assert found[0] == refused
    assert accepted.orders
    assert found[1] == accepted
    await model.close()


@pytest.mark.parametrize("error", [None, RetrySafe("away")])
async def test_tables_that_do_not_answer_are_not_waited_for_and_left_alone(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.01)
    (first,) = decisions(signal_records(1)[0])
    clock = ManualClock(0)
    firsts = FirstDecisions(clock, away := Away(error))

    for _ in range(3):
        assert await firsts.of([copy_of(first)] * 2) == [None, None]
    assert away.asked == 1
    clock.set(10_000)
    assert await firsts.of([copy_of(first)]) == [None]
    assert away.asked == 2
