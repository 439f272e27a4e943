"""What a journal alone tells of its history: decided, planned and booked once, and what is still under way."""

from collections.abc import Sequence
from pathlib import Path

from shared.clock import SystemClock
from tests.support.records import RecordedWorld
from tradeengine.audit.history import HistoryAudit, Places
from tradeengine.audit.history_report import HistoryReport
from tradeengine.audit.report import Verdict
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record

NOWHERE = Places({}, None, {}, None)
AGAIN_MS = 400_000


async def audited(folder: Path, records: Sequence[Record]) -> HistoryReport:
    journal = MemoryJournal()
    await journal.append(records)
    audit = HistoryAudit(journal, SystemClock(), folder=folder, settle_s=0, limit=2, tell=lambda step, number: None)
    return await audit.run(NOWHERE)


def found(report: HistoryReport) -> dict[str, int]:
    return {one.name: one.number for one in report.findings}


def repeated(world: RecordedWorld) -> list[Record]:
    """The history, and its last record once more at the next position: two owners have written the same."""
    last = world.cut()
    return [*world.records, Record(last.shard, last.sequence + 1, last.entries)]


async def test_a_history_without_a_fault_is_counted(tmp_path: Path) -> None:
    world = RecordedWorld()
    world.trade("buy", "A", "100", "1", signal_id="bought")
    world.order("buy", "B", quantity="1", signal_id="waits")
    world.signal("hold", signal_id="held")
    world.signal("hold", signal_id="held")
    world.cut()

    report = await audited(tmp_path, world.records)

    assert (report.verdict, found(report)) == (Verdict.EQUAL, {})
    assert report.counts["decisions"] == 3
    assert report.counts["copies told as duplicates"] == 1
    assert (report.counts["decisions that have ended"], report.counts["decisions whose orders are alive"]) == (2, 1)
    assert (report.counts["orders planned"], report.counts["fills booked"]) == (2, 1)


async def test_a_record_that_is_there_twice_is_found_by_all_that_it_doubles(tmp_path: Path) -> None:
    world = RecordedWorld()
    world.cut()
    world.trade("buy", "A", "100", "1", signal_id="bought")
    doubled = repeated(world)

    report = await audited(tmp_path, doubled)

    assert report.verdict is Verdict.DIFFERENT
    assert found(report) == {"decided_twice": 1, "planned_twice": 1, "fill_booked_twice": 1}
    (decided,) = [one for one in report.findings if one.name == "decided_twice"]
    assert decided.first == ("A BTCUSDT bought: records 2 and 3 of shard 0",)
    assert all(one.remedy for one in report.findings)


async def test_a_name_that_returns_after_it_was_forgotten_is_a_signal_of_its_own(tmp_path: Path) -> None:
    world = RecordedWorld()
    world.signal("hold", signal_id="again")
    world.pass_time(AGAIN_MS)
    world.signal("hold", signal_id="other")
    world.pass_time(AGAIN_MS)
    world.signal("hold", signal_id="again")
    world.cut()

    report = await audited(tmp_path, world.records)

    assert (report.counts["decisions"], found(report)) == (3, {})


async def test_of_many_the_first_are_shown_and_all_counted(tmp_path: Path) -> None:
    world = RecordedWorld()
    world.cut()
    for number in range(5):
        world.signal("hold", signal_id=f"s{number}")

    (one,) = (await audited(tmp_path, repeated(world))).findings

    assert (one.number, len(one.first)) == (5, 2)


async def test_an_empty_journal_has_nothing_that_must_not_be(tmp_path: Path) -> None:
    report = await audited(tmp_path, [])
    assert (report.verdict, report.counts["decisions"]) == (Verdict.EQUAL, 0)
    assert list(tmp_path.iterdir()) == []
