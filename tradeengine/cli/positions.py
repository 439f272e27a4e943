"""``tradeengine positions``: what is held, for whom, and what protects it."""

from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from contracts.enums import OrderKind
from tradeengine.cli.base import EXIT_FAILURE, out, say
from tradeengine.cli.engine_api import DEFAULT_URL, ReaderKey, Url, ask

_STYLE = {"protected": "green", "unstopped": "yellow", "unknown": "yellow", "naked": "bold red", "ghost": "bold red"}


def positions(url: Url = DEFAULT_URL, key: ReaderKey = None) -> None:
    """Show every strategy position with its live stop and target; exit code 1 when one is naked or a ghost."""
    answer = ask("GET", url, "/positions/protection", key)
    rows = answer["data"]
    if not rows:
        say("no positions")
        return
    table = Table(caption=f"as the exchange was {answer['age_seconds']:.1f} s ago", caption_justify="left")
    for name in ("symbol", "side", "strategy"):
        table.add_column(name)
    for name in ("quantity", "entry", "stop", "target"):
        table.add_column(name, justify="right")
    table.add_column("protection")
    for row in rows:
        table.add_row(
            row["symbol"],
            row["position_side"],
            row["strategy_id"],
            row["quantity"],
            row["entry_price"],
            _trigger(row["stop"]),
            _trigger(row["target"]),
            _cover(row),
        )
    out.print(table)
    if any(row["cover"] in ("naked", "ghost") for row in rows):
        raise typer.Exit(EXIT_FAILURE)


def _trigger(order: dict[str, Any] | None) -> str:
    if order is None:
        return "-"
    price = order["trigger_price"] or ""
    return f"trails {price}".strip() if order["kind"] == OrderKind.TRAILING_STOP_MARKET else price


def _cover(row: dict[str, Any]) -> Text:
    since = f" since {row['naked_since']}" if row["naked_since"] else ""
    return Text(f"{row['cover']}{since}", style=_STYLE.get(row["cover"], ""))
