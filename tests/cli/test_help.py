"""Every command says what it does and what its options mean."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version

import pytest
import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.testing import CliRunner

from tradeengine import __version__
from tradeengine.cli.app import app


def commands(command: object, *path: str) -> Iterator[tuple[tuple[str, ...], TyperGroup | TyperCommand]]:
    assert isinstance(command, TyperGroup | TyperCommand)
    yield path, command
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from commands(inner, *path, name)


ALL = dict(commands(typer.main.get_command(app)))


def test_the_commands_are_those_that_are_promised() -> None:
    assert {path for path, command in ALL.items() if not isinstance(command, TyperGroup)} == {
        ("run",),
        ("doctor",),
        ("simulate",),
        ("replay",),
        ("project",),
        ("publish",),
        ("analytics",),
        ("audit",),
        ("cluster",),
        ("drain",),
        ("journal", "status"),
        ("journal", "archive"),
        ("journal", "snapshot"),
        ("schema", "apply"),
        ("schema", "status"),
        ("positions",),
        ("reconcile",),
        ("simulator",),
        ("sample",),
        ("prices", "fetch"),
        ("prices", "rules"),
        ("signal", "send"),
        ("signal", "validate"),
        ("signal", "example"),
    }


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_says_what_a_command_and_each_of_its_options_does(path: tuple[str, ...]) -> None:
    command = ALL[path]

    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"})

    assert done.exit_code == 0
    said = " ".join(done.stdout.split())
    assert command.help
    assert command.help.split(".")[0].split("\n")[0] in said
    for parameter in command.params:
        if isinstance(parameter, TyperOption):
            assert parameter.help, f"{parameter.name} has no help"
            assert parameter.opts[0] in said
    if isinstance(command, TyperGroup):
        assert all(inner.help for inner in command.commands.values())


def test_the_help_names_the_exit_codes() -> None:
    assert "0 ok, 1 failure, 2 wrong usage, 78 wrong configuration" in CliRunner().invoke(app, ["--help"]).stdout


def test_the_version_is_the_packages() -> None:
    done = CliRunner().invoke(app, ["--version"])

    assert (done.exit_code, done.stdout) == (0, f"{__version__}\n")
    assert __version__ == version("tradeengine")
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", __version__)


@pytest.mark.parametrize("arguments", [[], ["signal"]], ids=["tradeengine", "signal"])
def test_without_a_command_the_help_is_shown_as_wrong_usage(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)

    assert done.exit_code == 2
    assert "Usage:" in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["fly"], ["run", "--fly"], ["signal", "fly"], ["replay"]], ids=" ".join)
def test_an_unknown_command_or_option_is_wrong_usage(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_a_start_imports_its_own_command_and_no_other() -> None:
    """A pod that takes over from another has its shards waiting while it imports."""
    look = "import sys; from tradeengine.cli.app import app; app(['sample', '--help'], standalone_mode=False)"
    tell = "print(*[name for name in sys.modules if name.startswith('tradeengine.cli.')])"

    done = subprocess.run([sys.executable, "-c", f"{look}; {tell}"], capture_output=True, text=True, check=True)

    loaded = set(done.stdout.splitlines()[-1].split())
    assert "tradeengine.cli.sample" in loaded
    assert not loaded & {f"tradeengine.cli.{module}" for module in ("run", "simulator", "audit", "prices", "signals")}
