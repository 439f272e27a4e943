"""Options that several commands share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tradeengine.domain.instrument import Instrument
from tradeengine.venue.exchange_info import read_instruments

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", exists=True, dir_okay=False, help="Settings from a .toml, .json or .env file."),
]
SymbolsFile = Annotated[
    Path | None,
    typer.Option("--symbols", exists=True, dir_okay=False, help="The exchange's exchangeInfo answer, for its filters."),
]


def parse_files(values: Sequence[str], option: str) -> dict[str, Path]:
    """Read ``SYMBOL=FILE`` options.

    Raises
    ------
    typer.BadParameter
        If one is not of that form, names a file that is not there, or a symbol comes twice.
    """
    files: dict[str, Path] = {}
    for value in values:
        symbol, equals, name = value.partition("=")
        path = Path(name)
        if not (symbol and equals and name):
            raise typer.BadParameter(f"{value!r} is not SYMBOL=FILE", param_hint=option)
        if symbol in files:
            raise typer.BadParameter(f"{symbol} is given twice", param_hint=option)
        if not path.is_file():
            raise typer.BadParameter(f"{name} is no file", param_hint=option)
        files[symbol] = path
    return files


def load_instruments(path: Path) -> Mapping[str, Instrument]:
    """Trading rules from an exchangeInfo file."""
    return read_instruments(path.read_bytes(), str(path))
