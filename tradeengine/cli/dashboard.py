"""What ``run`` shows while it works: a live view of positions, account and decisions, or lines of text."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from contracts.enums import Outcome, PositionSide
from contracts.values import iso_millis
from shared.clock import Clock
from tradeengine.cli.view import DECISIONS_KEPT, View
from tradeengine.domain.books import Books
from tradeengine.domain.money import MONEY
from tradeengine.domain.position import Leg, StrategyPosition

WIDE = 100
"""Columns from which the view leaves nothing out."""

_FEWEST_DECISIONS = 2
_FIXED_LINES = 10
_COLUMNS = ("Quantity", "Entry", "Mark", "Unrealised", "%", "Stop", "Target")
_WIDE_COLUMNS = frozenset({"Mark", "%"})
_UNKNOWN = Text("–", style="dim")
_SIDE_STYLE = {PositionSide.LONG: "green", PositionSide.SHORT: "red"}
_OUTCOME_STYLE = {
    Outcome.ACCEPTED: "green",
    Outcome.REJECTED: "yellow",
    Outcome.DUPLICATE: "dim",
    Outcome.HELD: "dim",
}
_ACCOUNT = {
    "equity": "Equity",
    "unrealized_pnl": "Unrealised",
    "realized_pnl": "Realised",
    "fees": "Fees",
    "funding": "Funding",
    "day_pnl": "Today",
    "exposure": "Exposure",
}
_SIGNED = frozenset({"unrealized_pnl", "realized_pnl", "funding", "day_pnl"})
_NARROW_ACCOUNT = ("equity", "unrealized_pnl", "realized_pnl", "fees", "day_pnl")


async def watch(look: Callable[[], View], console: Console, clock: Clock, interval_s: float) -> None:
    """Show what there is to see until cancelled: a live view in a terminal, else a line of text per interval.

    Parameters
    ----------
    look
        Takes the present view.
    interval_s
        Seconds between two looks, above zero.
    """
    if not console.is_terminal or console.is_dumb_terminal:
        while True:
            console.print(plain_line(look()), soft_wrap=True, markup=False, highlight=False)
            await clock.sleep(interval_s)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(dashboard(look(), console.width, console.height - 1), refresh=True)
            await clock.sleep(interval_s)


def plain_line(view: View) -> str:
    """One line for logs and pipes: names and figures without separators of thousands."""
    held = _held(view)
    parts = {
        "equity": _figure(view.account, "equity", "{:.2f}"),
        "unrealized": _figure(view.account, "unrealized_pnl", "{:+.2f}"),
        "realized": _figure(view.account, "realized_pnl", "{:+.2f}"),
        "fees": _figure(view.account, "fees", "{:.2f}"),
        "positions": len(held),
        "strategy_positions": sum([len(_holders(leg)) for leg in held]),
        **{str(outcome): view.outcomes.get(outcome, 0) for outcome in Outcome},
    }
    line = " ".join([iso_millis(view.time_ms), *[f"{name}={value}" for name, value in parts.items()]])
    return f"{line} trouble={view.trouble!r}" if view.trouble else line


def dashboard(view: View, width: int, height: int | None = None) -> RenderableType:
    """Draw the view.

    Parameters
    ----------
    width
        Columns to fill; at least :data:`WIDE` for everything, 80 without the less important columns.
    height
        Lines to fit into: fewer decisions are shown where it is short. ``None`` for no limit.
    """
    wide = width >= WIDE
    room = DECISIONS_KEPT if height is None else height - _lines_beside_decisions(view)
    parts: list[RenderableType] = [_account(view, wide=wide), "", _positions(view, wide=wide), ""]
    parts += [_decisions(view, max(_FEWEST_DECISIONS, room), wide=wide), "", _links(view.links)]
    if view.trouble:
        parts.insert(0, Text(view.trouble, style="bold red", no_wrap=True, overflow="ellipsis"))
    time = iso_millis(view.time_ms)[11:19]
    return Panel(Group(*parts), title="[bold]tradeengine[/]", subtitle=f"{time} UTC", border_style="blue", width=width)


def _lines_beside_decisions(view: View) -> int:
    positions = sum([1 + len(_holders(leg)) for leg in _held(view)]) or 1
    return _FIXED_LINES + positions + len(view.links) + bool(view.trouble)


def _account(view: View, *, wide: bool) -> RenderableType:
    shown = _ACCOUNT if wide else _NARROW_ACCOUNT
    table = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    for name in shown:
        table.add_column(_ACCOUNT[name], no_wrap=True, ratio=1)
    values = [view.account.get(name) for name in shown]
    table.add_row(
        *[
            _signed(value) if name in _SIGNED else _text(value, "{:,.2f}", "bold" if name == "equity" else "")
            for name, value in zip(shown, values, strict=True)
        ]
    )
    return table


def _positions(view: View, *, wide: bool) -> RenderableType:
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, expand=True, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0)
    )
    table.add_column("Position", no_wrap=True, ratio=1, min_width=16)
    columns = [name for name in _COLUMNS if wide or name not in _WIDE_COLUMNS]
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)

    def add(title: Text, cells: Mapping[str, Text]) -> None:
        table.add_row(title, *[cells.get(name, "") for name in columns])

    for leg in _held(view):
        mark = view.marks.get(leg.symbol)
        title = Text.assemble((leg.symbol, "bold"), " ", (leg.side, _SIDE_STYLE[leg.side]))
        add(title, {**_value_cells(leg.side, leg.books, mark), "Mark": _price(mark)})
        holders = _holders(leg)
        for position in holders:
            branch = "└ " if position is holders[-1] else "├ "
            protection = {"Stop": _price(position.stop_price), "Target": _price(position.target_price)}
            cells = _value_cells(leg.side, position.books, mark) | protection
            add(Text.assemble((branch, "dim"), position.strategy_id), cells)
    if not _held(view):
        add(Text("no position is open", style="dim"), {})
    return table


def _value_cells(side: PositionSide, books: Books, mark: Decimal | None) -> dict[str, Text]:
    gain = None if mark is None else books.unrealized(side, mark)
    return {
        "Quantity": Text(f"{books.quantity.normalize(MONEY):,f}"),
        "Entry": _price(books.entry_price),
        "Unrealised": _signed(gain),
        "%": _signed(None if gain is None else 100 * gain / books.cost),
    }


def _decisions(view: View, shown: int, *, wide: bool) -> RenderableType:
    counts = Text("Signals  ", style="dim")
    for outcome in Outcome:
        counts.append(f"{outcome} ", style="dim").append(f"{view.outcomes.get(outcome, 0):,}   ", style="bold")
    table = Table(box=None, expand=True, pad_edge=False, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True, style="dim", width=8)
    table.add_column(no_wrap=True, max_width=24 if wide else 15)
    table.add_column(no_wrap=True, max_width=24 if wide else 16)
    table.add_column(no_wrap=True, width=9)
    table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
    for decision in view.decisions[:shown]:
        why = [text for text in (decision.reason, decision.detail if wide else None) if text]
        table.add_row(
            iso_millis(decision.time_ms)[11:19],
            Text(decision.strategy_id),
            f"{decision.action} {decision.symbol}",
            Text(decision.outcome, style=_OUTCOME_STYLE[decision.outcome]),
            Text(": ".join(why)),
        )
    return Group(counts, table if view.decisions else Text("no signal has been decided", style="dim"))


def _links(links: Mapping[str, str]) -> RenderableType:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, where in links.items():
        table.add_row(name, Text(where))
    return table


def _held(view: View) -> list[Leg]:
    return sorted([leg for leg in view.legs if leg.quantity], key=lambda leg: leg.key)


def _holders(leg: Leg) -> list[StrategyPosition]:
    return sorted([p for p in leg.strategies.values() if p.quantity], key=lambda position: position.strategy_id)


def _figure(account: Mapping[str, Decimal], name: str, form: str) -> str:
    return form.format(account[name]) if name in account else "unknown"


def _text(value: Decimal | None, form: str, style: str = "") -> Text:
    return _UNKNOWN if value is None else Text(form.format(value), style=style)


def _signed(value: Decimal | None) -> Text:
    style = "" if not value else "green" if value > 0 else "red"
    return _text(value, "{:+,.2f}", style)


def _price(value: Decimal | None) -> Text:
    """A price to six digits and at least one decimal: entries are averages with 18 decimals."""
    if value is None:
        return _UNKNOWN
    return Text(f"{value:,.{max(1, 5 - value.adjusted())}f}")
