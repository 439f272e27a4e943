"""Options that several commands share."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from shared.secrets import mask_uris
from tradeengine.domain.instrument import Instrument
from tradeengine.venue.exchange_info import read_instruments

_SYMBOL = re.compile("[A-Z0-9]{2,30}")

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
        If one is not of that form, names no symbol or a file that is not there, or a symbol comes twice.
    """
    files: dict[str, Path] = {}
    for value in values:
        symbol, equals, name = value.partition("=")
        path = Path(name)
        if not (symbol and equals and name):
            raise typer.BadParameter(f"{value!r} is not SYMBOL=FILE", param_hint=option)
        if not _SYMBOL.fullmatch(symbol):
            raise typer.BadParameter(f"{symbol!r} is no symbol such as BTCUSDT", param_hint=option)
        if symbol in files:
            raise typer.BadParameter(f"{symbol} is given twice", param_hint=option)
        if not path.is_file():
            raise typer.BadParameter(f"{name} is no file", param_hint=option)
        files[symbol] = path
    return files


def check_address(address: str, option: str, *schemes: str) -> None:
    """Require a URI of one of the schemes, with a host.

    Raises
    ------
    typer.BadParameter
        If it is none.
    """
    try:
        split = urlsplit(address)
        good = split.scheme in schemes and bool(split.hostname) and split.port != 0
    except ValueError:
        good = False
    if not good:
        raise typer.BadParameter(f"{mask_uris(address)!r} is not {schemes[0]}://host:port", param_hint=option)


def load_instruments(path: Path) -> Mapping[str, Instrument]:
    """Trading rules from an exchangeInfo file."""
    return read_instruments(path.read_bytes(), str(path))
