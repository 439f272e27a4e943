"""``tradeengine sample``: made-up market data and signals to try ``simulate`` on."""

from pathlib import Path
from typing import Annotated

import typer

from tradeengine.cli.base import say
from tradeengine.runtime.demo.sample import write_sample


def sample(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Folder to write to; made if it is missing.")],
    days: Annotated[int, typer.Option(min=1, max=3660, help="Length in days.")] = 60,
    seed: Annotated[int, typer.Option(help="Same seed, same files.")] = 1,
) -> None:
    """Write generated bars, funding and example signals, all that simulate reads."""
    for path in write_sample(folder, seed, days):
        say(str(path))
