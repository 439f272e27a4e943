"""The benchmarks still run: each in its tiny form, and the page that they write."""

from pathlib import Path

import pytest

from tests.benchmarks.__main__ import BENCHMARKS
from tests.benchmarks.figures import growth, percentile, spread
from tests.benchmarks.page import write_page
from tests.benchmarks.report import Aim, Chart, Report, Table, markdown
from tests.benchmarks.settings import Settings
from tests.benchmarks.stop_times import stop_times


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", BENCHMARKS)
def test_runs_and_compares_with_its_reference(name: str) -> None:
    steps: list[str] = []
    benchmark = BENCHMARKS[name]

    report = benchmark.run(Settings(quick=True, rounds=1), steps.append)

    assert len(steps) == benchmark.STEPS_PER_ROUND
    for table in report.tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}
        against = next(number for number, column in enumerate(table.columns) if "÷" in column)
        assert 1.0 in [float(row[against]) for row in table.rows], "the reference itself"
    assert all(text.strip() for text in report.printed.values())
    assert report.title in markdown(report)


def test_simulation_shows_what_the_command_printed() -> None:
    assert "```text\nequity 1\n```" in markdown(Report("t", "a", [], printed={"strategy": "equity 1\n"}))


def test_page_keeps_the_sections_of_benchmarks_that_did_not_run(tmp_path: Path) -> None:
    page, order = tmp_path / "docs" / "benchmarks.md", ["First", "Second"]
    write_page(page, [_report("Second", "old")], order, "*then*")
    write_page(page, [_report("First", "new")], order, "*now*")

    once = page.read_text(encoding="utf-8")
    write_page(page, [_report("First", "new")], order, "*now*")

    assert page.read_text(encoding="utf-8") == once
    assert [line for line in once.splitlines() if line.startswith("## ")] == ["## First", "## Second"]
    assert "| row | old |" in once
    assert once.index("*now*") < once.index("*then*")


def test_chart_draws_lengths_to_one_scale() -> None:
    chart = Chart("µs", [("engine", 25.0), ("reference", 100.0)])
    title, engine, reference = chart.text.splitlines()
    assert title == "µs"
    assert reference.count("█") == 4 * engine.count("█")
    assert (engine[-2:], reference[-3:]) == ("25", "100")


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile(range(100), fraction) for fraction in (0.0, 0.5, 0.99, 1.0)] == [0, 50, 99, 99]


def test_growth_takes_each_tenth_from_its_quietest_round() -> None:
    flat, disturbed = [100] * 100, [100] * 90 + [900] * 10
    assert growth([flat, disturbed]) == 1.0
    assert growth([disturbed, disturbed]) == 9.0


def test_spread_shows_the_median_and_the_range() -> None:
    assert spread([1200.4, 1000.0, 3000.0]) == "1,200 (1,000–3,000)"
    assert spread([0.5], 2) == "0.50"


def test_a_stop_is_timed_from_the_fill_of_its_own_leg() -> None:
    def fill(at: int, side: str, leg: str) -> dict[str, object]:
        order = {"s": "BTCUSDT", "ps": leg, "S": side, "x": "TRADE"}
        return {"caused": [{"e": "ORDER_TRADE_UPDATE", "T": at, "o": order}]}

    def rest(at: int, leg: str, kind: str = "STOP_MARKET") -> dict[str, object]:
        return {"caused": [{"e": "ALGO_UPDATE", "T": at, "o": {"s": "BTCUSDT", "ps": leg, "X": "NEW", "o": kind}}]}

    both = [fill(100, "BUY", "LONG"), fill(103, "SELL", "SHORT"), rest(107, "SHORT"), rest(110, "LONG")]
    assert stop_times(both) == [4, 10]
    assert stop_times([fill(100, "BUY", "LONG"), rest(102, "LONG", "TAKE_PROFIT_MARKET"), rest(105, "LONG")]) == [5]
    closed_first = [fill(100, "BUY", "LONG"), fill(101, "SELL", "LONG"), rest(105, "LONG")]
    assert stop_times(closed_first) == []


def _report(title: str, figure: str) -> Report:
    return Report(title, "about", [Table(("what", "figure"), [("row", figure)])], aims=[Aim("aim", figure, met=True)])
