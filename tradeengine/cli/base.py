"""What all commands share: consoles, exit codes, and errors that read as help."""

from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text
from typer.core import TyperGroup

from shared.errors import ConfigError, EngineError

EXIT_FAILURE = 1
EXIT_UNKNOWN = 3
"""What was asked cannot be told, because a store or the exchange does not answer."""
EXIT_CONFIG = 78
"""``EX_CONFIG`` of sysexits: the configuration is wrong."""

out = Console()
err = Console(stderr=True)


class Commands(TyperGroup):
    """Turns the engine's errors into one line and an exit code, for every command alike."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            fail(f"configuration: {error}")
            raise typer.Exit(EXIT_CONFIG) from None
        except EngineError as error:
            fail(str(error))
            raise typer.Exit(EXIT_FAILURE) from None


def say(line: str) -> None:
    """Print a line to standard output as it is, however long."""
    out.print(line, highlight=False, markup=False, soft_wrap=True)


def fail(message: str) -> None:
    """Print an error to standard error."""
    _tell("error", "bold red", message)


def warn(message: str) -> None:
    """Print a warning to standard error."""
    _tell("warning", "yellow", message)


def progress(*, unit: str) -> Progress:
    """A progress bar on standard error that counts in a unit; silent where there is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        console=err,
        disable=not err.is_terminal,
        transient=True,
    )


def _tell(kind: str, style: str, message: str) -> None:
    err.print(Text.assemble((kind, style), " ", message), soft_wrap=True)
