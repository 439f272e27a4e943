"""Commands of the runbooks exist: the engine's command line, kubectl and MySQL take each of them."""

import re
import shlex
import shutil
import subprocess
from functools import lru_cache

import pytest
from typer.testing import CliRunner, Result

from scripts.devservices.probes import connect_mysql
from shared.settings.model import setting_names
from tests.observability.files import RUNBOOKS, blocks
from tests.support.process import tradeengine
from tradeengine.cli.app import app

SH = [(block.runbook, line) for block in blocks() if block.kind == "sh" for line in block.lines]
INLINE = [
    (file.stem, " ".join(command.split()))
    for file in sorted(RUNBOOKS.glob("*.md"))
    for command in re.findall(r"`(tradeengine\s[^`]+)`", file.read_text(encoding="utf-8"))
]
COMMANDS = sorted({line for _, line in [*SH, *INLINE] if line.startswith("tradeengine ")})
KUBECTL = sorted({line for _, line in SH if line.startswith("kubectl ")})
SQL = sorted({line for block in blocks() if block.kind == "sql" for line in block.lines})


def helped(line: str) -> Result:
    """Let the command line take a command, and show its help instead of running it."""
    return CliRunner().invoke(app, [*shlex.split(line)[1:], "--help"])


@pytest.mark.parametrize("line", COMMANDS)
def test_the_engine_knows_the_command(line: str) -> None:
    assert helped(line).exit_code == 0, helped(line).output


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert helped("tradeengine rescue").exit_code == 2
    assert helped("tradeengine cluster --hard").exit_code == 2


@lru_cache
def kubectl_help(verb: str) -> str:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl on the PATH to ask for its options")
    done = subprocess.run([kubectl, verb, "--help"], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("line", KUBECTL)
def test_kubectl_knows_the_command(line: str) -> None:
    words = shlex.split(line)
    told = kubectl_help(words[1])

    assert "Usage:" in told
    for word in words[2 : words.index("--") if "--" in words else None]:
        if word.startswith("-"):
            assert f"{word}=" in told, f"kubectl {words[1]} has no {word}"


def test_every_line_is_of_a_program_that_is_looked_at() -> None:
    assert {line.split()[0] for _, line in SH} == {"tradeengine", "kubectl", "export"}
    assert {block.kind for block in blocks()} == {"sh", "promql", "sql"}


def test_mysql_takes_every_question(mysql_uri: str) -> None:
    applied = tradeengine("schema", "apply", "--target", "mysql", env={"MYSQL_URI": mysql_uri})
    assert applied.returncode == 0, applied.stderr

    with connect_mysql(mysql_uri, database=mysql_uri.rpartition("/")[2]) as connection, connection.cursor() as cursor:
        for question in SQL:
            cursor.execute(question)
            cursor.fetchall()


def test_settings_and_pages_that_are_named_exist() -> None:
    known = setting_names()
    for file in sorted(RUNBOOKS.glob("*.md")):
        text = file.read_text(encoding="utf-8")
        named = set(re.findall(r"`([A-Z]+_[A-Z_]+)(?:=\w+)?`", text))
        linked = set(re.findall(r"\]\(([\w.]+)\)", text))

        assert named <= known, file.name
        assert {link for link in linked if not (RUNBOOKS / link).is_file()} == set(), file.name
