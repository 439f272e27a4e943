"""``tradeengine reconcile``: what differs between the books and the exchange, and its repair."""

from typing import Annotated, Any

import typer
from rich.table import Table

from tradeengine.cli.base import EXIT_FAILURE, out, say
from tradeengine.cli.engine_api import DEFAULT_URL, OperatorKey, Url, ask

_PATH = "/reconciliation"
_WILL = {
    "adopted": "the books take it over, under 'external'",
    "written_off": "the books give it up",
    "rearmed": "it is placed anew",
    "cancelled": "it is cancelled",
    "asked": "the exchange is asked what became of it",
    "halted": "the symbol stays halted",
}


def reconcile(
    url: Url = DEFAULT_URL,
    key: OperatorKey = None,
    repair: Annotated[bool, typer.Option("--repair", help="Repair what differs, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Let a running engine look at the exchange now, and show what differs; exit code 1 when something does."""
    found = ask("POST", url, _PATH, key, {"repair": False})["data"]
    if not found:
        say("books and exchange agree")
        return
    _print(found)
    if not repair:
        raise typer.Exit(EXIT_FAILURE)
    if not yes:
        typer.confirm(f"Repair {len(found)} of them as the last column says?", abort=True)
    repaired = ask("POST", url, _PATH, key, {"repair": True})["data"]
    say(f"{len(repaired)} are being repaired; look again with: tradeengine reconcile")


def _print(found: list[dict[str, Any]]) -> None:
    table = Table(title=f"{len(found)} differences", title_justify="left")
    for name in ("symbol", "side", "what"):
        table.add_column(name)
    for name in ("books", "exchange"):
        table.add_column(name, justify="right")
    table.add_column("why")
    table.add_column("a repair means")
    for one in found:
        table.add_row(
            one["symbol"],
            one["position_side"] or "",
            one["kind"],
            one["books"],
            one["exchange"],
            one["text"],
            _WILL.get(one["action"], one["action"]),
        )
    out.print(table)
