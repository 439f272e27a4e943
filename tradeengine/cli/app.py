"""The commands, put together."""

from typing import Annotated, Any

import typer

from tradeengine import __version__
from tradeengine.cli.base import Commands, say
from tradeengine.cli.on_demand import OnDemand, Place

_FUNCTIONS = (
    "run",
    "doctor",
    "simulate",
    "simulator",
    "replay",
    "project",
    "publish",
    "audit",
    "cluster",
    "drain",
    "analytics",
    "positions",
    "reconcile",
    "sample",
)
_GROUPS = {"journal": "journal", "schema": "schema", "prices": "prices", "signal": "signals"}
_PLACES = {name: Place(f"tradeengine.cli.{name}", name) for name in _FUNCTIONS} | {
    name: Place(f"tradeengine.cli.{module}", "app") for name, module in _GROUPS.items()
}


class _Root(Commands):
    """All commands, of which none is imported yet."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = OnDemand(_PLACES)

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the help; to know them needs no import."""
        return list(self.commands)


app = typer.Typer(
    name="tradeengine",
    cls=_Root,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Take trading signals of many strategies, add their positions up into one exchange position, and say of "
    "each signal what became of it and why.",
    epilog="Exit codes: 0 ok, 1 failure, 2 wrong usage, 78 wrong configuration.",
)


def _version(value: bool) -> None:
    if value:
        say(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


def main() -> None:
    """Run the command line."""
    app()
