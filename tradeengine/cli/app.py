"""The commands, put together."""

from typing import Annotated

import typer

from tradeengine import __version__
from tradeengine.cli import journal, prices, schema, signals
from tradeengine.cli.analytics import analytics
from tradeengine.cli.audit import audit
from tradeengine.cli.base import Commands, say
from tradeengine.cli.doctor import doctor
from tradeengine.cli.positions import positions
from tradeengine.cli.project import project
from tradeengine.cli.reconcile import reconcile
from tradeengine.cli.replay import replay
from tradeengine.cli.run import run
from tradeengine.cli.sample import sample
from tradeengine.cli.simulate import simulate
from tradeengine.cli.simulator import simulator

app = typer.Typer(
    name="tradeengine",
    cls=Commands,
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


app.command()(run)
app.command()(doctor)
app.command()(simulate)
app.command()(simulator)
app.command()(replay)
app.command()(project)
app.command()(audit)
app.command()(analytics)
app.command()(positions)
app.command()(reconcile)
app.command()(sample)
app.add_typer(journal.app)
app.add_typer(schema.app)
app.add_typer(prices.app)
app.add_typer(signals.app)


def main() -> None:
    """Run the command line."""
    app()
