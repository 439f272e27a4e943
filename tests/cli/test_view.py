import asyncio
import io
import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from rich.console import Console

from contracts.enums import Action, Outcome
from shared.clock import ManualClock
from tests.support.builders import World, instrument, of_kind
from tests.support.deadline import PATIENCE_S
from tradeengine.cli.dashboard import dashboard, plain_line, watch
from tradeengine.cli.view import DECISIONS_KEPT, Activity, View
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import TimeAdvanced
from tradeengine.journal.record import Entry, Record

EMPTY = View(time_ms=0, legs=[], marks={}, account={}, outcomes={}, decisions=[], links={})
ACCOUNT = {
    "initial_equity": "10000",
    "equity": "10012.3456",
    "unrealized_pnl": "-121.12345",
    "realized_pnl": "133.4",
    "fees": "1.23",
    "funding": "-0.5",
    "day_pnl": "12",
    "exposure": "31400.1",
}


def full() -> View:
    """Three strategies on both legs of a symbol, one on another whose price is not known, and some refusals."""
    world = World(instrument(), instrument("SHIBUSDT", tick="0.000001", step_size="1"))
    world.trade("buy", "moving-average", "45000", "0.001", stop_loss_pct="0.02", take_profit_pct="0.04")
    world.trade("buy", "mean-reversion", "46000", "0.002", stop_loss_pct="0.02")
    world.trade("sell", "breakout-with-a-name-that-is-far-too-long", "46100", "0.0015", stop_loss_pct="0.01")
    world.trade("buy", "[bold]markup[/oops]", "0.012345", "250000", symbol="SHIBUSDT")
    world.signal("close", "breakout")
    world.signal("buy", "[red]ml[/oops]", confidence="0.2", quantity="1")
    decisions = of_kind(world.events, SignalDecided)[::-1]
    return View(
        time_ms=world.now,
        legs=list(world.state.legs.values()),
        marks={"BTCUSDT": Decimal("45900.1")},
        account={name: Decimal(value) for name, value in ACCOUNT.items()},
        outcomes={Outcome.ACCEPTED: 4, Outcome.REJECTED: 2},
        decisions=decisions,
        links={"API": "http://127.0.0.1:8000/docs", "NATS": "nats://127.0.0.1:4222"},
    )


def render(view: View, width: int, height: int | None = None) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(dashboard(view, width, height))
    return capture.get().splitlines()


def line_with(lines: list[str], text: str) -> list[str]:
    """The words of the only line that has a text in it, without its frame."""
    (line,) = [line for line in lines if text in line]
    return line.strip("│ ").split()


# ---------------------------------------------------------------- the live view


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("make", [full, lambda: EMPTY], ids=["full", "empty"])
def test_it_fills_the_width_and_no_more(make: Callable[[], View], width: int) -> None:
    assert {len(line) for line in render(make(), width)} == {width}


@pytest.mark.parametrize("width", [100, 120])
def test_exchange_positions_stand_above_the_strategy_positions_that_make_them(width: int) -> None:
    lines = render(full(), width)

    assert line_with(lines, "BTCUSDT LONG") == ["BTCUSDT", "LONG", "0.003", "45,666.7", "45,900.1", "+0.70", "+0.51"]
    assert line_with(lines, "BTCUSDT SHORT") == ["BTCUSDT", "SHORT", "0.0015", "46,100.0", "45,900.1", "+0.30", "+0.43"]
    rows = [line.strip("│ ") for line in lines]
    top = next(n for n, row in enumerate(rows) if row.startswith("BTCUSDT LONG"))
    assert rows[top + 1].split() == ["├", "mean-reversion", "0.002", "46,000.0", "-0.20", "-0.22", "45,080.0", "–"]
    assert rows[top + 2].split() == [
        "└",
        "moving-average",
        "0.001",
        "45,000.0",
        "+0.90",
        "+2.00",
        "44,100.0",
        "46,800.0",
    ]
    assert rows[top + 3].startswith("BTCUSDT SHORT")


def test_a_narrow_one_leaves_columns_out_and_cuts_no_figure() -> None:
    lines = render(full(), 80)

    assert line_with(lines, "Quantity") == [
        "Position",
        "Quantity",
        "Entry",
        "Unrealised",
        "Stop",
        "Target",
    ]
    assert line_with(lines, "└ moving-average") == [
        "└",
        "moving-average",
        "0.001",
        "45,000.0",
        "+0.90",
        "44,100.0",
        "46,800.0",
    ]
    assert line_with(lines, "10,012.35") == ["10,012.35", "-121.12", "+133.40", "1.23", "+12.00"]


def test_a_symbol_without_a_price_has_no_unrealised_result() -> None:
    assert line_with(render(full(), 100), "SHIBUSDT LONG") == [
        "SHIBUSDT",
        "LONG",
        "250,000",
        "0.0123450",
        "–",
        "–",
        "–",
    ]


def test_profit_is_green_and_loss_is_red() -> None:
    console = Console(width=100, file=io.StringIO(), force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(dashboard(full(), 100))

    assert re.search(r"\x1b\[32m *\+0\.90\x1b\[0m", capture.get())
    assert re.search(r"\x1b\[31m *-0\.20\x1b\[0m", capture.get())


def test_decisions_come_with_their_reason() -> None:
    lines = render(full(), 120)

    assert line_with(lines, "low_confidence")[1:5] == ["[red]ml[/oops]", "buy", "BTCUSDT", "rejected"]
    assert line_with(lines, "low_confidence: 0.2 is below 0.6")
    assert line_with(lines, "accepted 4")[1:] == ["accepted", "4", "rejected", "2", "duplicate", "0", "held", "0"]


def test_it_says_where_to_look_and_what_is_wrong() -> None:
    lines = render(full()._replace(trouble="the journal takes nothing: [disk] full"), 80)

    assert line_with(lines, "API") == ["API", "http://127.0.0.1:8000/docs"]
    assert line_with(lines, "journal")[-2:] == ["[disk]", "full"]


def test_an_empty_one_says_so() -> None:
    text = "\n".join(render(EMPTY, 80))

    assert "no position is open" in text
    assert "no signal has been decided" in text


@pytest.mark.parametrize("trouble", [None, "shard 3: not started"])
def test_in_a_low_terminal_decisions_give_way(trouble: str | None) -> None:
    view = full()._replace(trouble=trouble)
    whole = render(view, 100)

    assert len(render(view, 100, len(whole))) == len(whole)
    assert len(render(view, 100, len(whole) - 2)) == len(whole) - 2
    assert len(render(view, 100, 5)) == len(whole) - len(view.decisions) + 2


# ---------------------------------------------------------------- lines of text


def test_a_plain_line_has_every_figure_once() -> None:
    assert plain_line(full()._replace(time_ms=1_000)) == (
        "1970-01-01T00:00:01.000Z equity=10012.35 unrealized=-121.12 realized=+133.40 fees=1.23 positions=3 "
        "strategy_positions=4 accepted=4 rejected=2 duplicate=0 held=0"
    )


def test_a_plain_line_admits_what_is_not_known() -> None:
    line = plain_line(EMPTY._replace(trouble="not started"))

    assert "equity=unknown unrealized=unknown" in line
    assert line.endswith("trouble='not started'")


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
async def test_watching_draws_in_a_terminal_and_writes_lines_into_a_pipe(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    file, clock, enough, looks = io.StringIO(), ManualClock(0), asyncio.Event(), list[int]()

    def look() -> View:
        looks.append(clock.now_ms())
        if len(looks) == 4:
            enough.set()
        return EMPTY._replace(time_ms=clock.now_ms())

    console = Console(file=file, width=100, height=40, force_terminal=terminal, color_system=None)
    task = asyncio.create_task(watch(look, console, clock, 5))
    await asyncio.wait_for(enough.wait(), timeout=PATIENCE_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert task.cancelled()
    assert looks[:4] == [0, 5_000, 10_000, 15_000]
    lines = file.getvalue().splitlines()
    if terminal:
        assert any("tradeengine" in line and line.rstrip().endswith("╮") for line in lines)
    else:
        assert lines[1].startswith("1970-01-01T00:00:05.000Z equity=unknown")
        assert [line for line in lines if "equity=" not in line] == []


# ---------------------------------------------------------------- what was decided


def decided(number: int, outcome: Outcome = Outcome.ACCEPTED) -> SignalDecided:
    return SignalDecided(
        time_ms=number,
        strategy_id="A",
        signal_id=str(number),
        symbol="BTCUSDT",
        action=Action.BUY,
        outcome=outcome,
    )


def test_activity_counts_all_decisions_and_keeps_the_last_newest_first() -> None:
    activity = Activity()
    for number in range(20):
        outcome = Outcome.REJECTED if number % 4 == 0 else Outcome.ACCEPTED
        entry = Entry(TimeAdvanced(time_ms=number), (decided(number, outcome),))
        activity(Record(shard=0, sequence=number + 1, entries=(entry, Entry(TimeAdvanced(time_ms=number), ()))))

    assert activity.outcomes == {Outcome.ACCEPTED: 15, Outcome.REJECTED: 5}
    assert [decision.time_ms for decision in activity.decisions] == list(range(19, 19 - DECISIONS_KEPT, -1))
