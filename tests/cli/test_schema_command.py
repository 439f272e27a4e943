"""``tradeengine schema``: applies what is missing, tells what is, waits for a server that just starts."""

import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.toxiproxy import Toxiproxy
from tradeengine.cli.app import app


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(
        app, ["schema", *arguments], env={"COLUMNS": "300", "MYSQL_URI": "", "MONGODB_URI": "", **env}
    )


def targets(tmp_path: Path, mysql_uri: str, mongodb_uri: str, mongodb_database: str) -> dict[str, dict[str, str]]:
    return {
        "mysql": {"MYSQL_URI": mysql_uri},
        "mongodb": {"MONGODB_URI": mongodb_uri, "MONGODB_DATABASE": mongodb_database},
        "sqlite": {"TRADEENGINE_DATA_DIR": str(tmp_path / "data")},
    }


@pytest.mark.parametrize("target", ["mysql", "mongodb", "sqlite"])
def test_a_schema_is_missing_is_applied_and_is_complete(
    target: str, tmp_path: Path, mysql_uri: str, mongodb_uri: str, mongodb_database: str
) -> None:
    env = targets(tmp_path, mysql_uri, mongodb_uri, mongodb_database)[target]
    before = run("status", "--target", target, **env)
    assert before.exit_code == 1
    assert "missing: " in before.output

    for _ in range(2):
        applied = run("apply", "--target", target, **env)
        assert applied.exit_code == 0, applied.output

    after = run("status", "--target", target, **env)
    assert (after.exit_code, "missing: " in after.output) == (0, False)
    assert {"mysql": "applied 0001 tables", "mongodb": "is complete", "sqlite": "is ready"}[target] in after.output


def test_what_is_applied_is_named(mysql_uri: str) -> None:
    first = run("apply", "--target", "mysql", MYSQL_URI=mysql_uri)
    assert first.output.splitlines() == ["applied 0001 tables", "applied 0002 views"]
    assert "nothing to apply" in run("apply", "--target", "mysql", MYSQL_URI=mysql_uri).output


@pytest.mark.parametrize("target", ["mysql", "mongodb"])
def test_a_store_that_nobody_names_is_a_configuration_error(target: str) -> None:
    done = run("apply", "--target", target)
    assert done.exit_code == 78
    assert f"{target.upper()}_URI" in done.output


def test_who_is_not_let_in_is_told_so_without_the_password(mysql_uri: str) -> None:
    at = mysql_uri.rpartition("@")[2]
    done = run("apply", "--target", "mysql", MYSQL_URI=f"mysql://nobody-we-know:open-sesame@{at}")
    assert done.exit_code == 78
    assert "open-sesame" not in done.output


def test_a_server_that_does_not_answer_is_a_failure_at_once(mysql_uri: str, toxiproxy: Toxiproxy) -> None:
    proxy = toxiproxy.proxy(mysql_uri)
    proxy.down()
    done = run("apply", "--target", "mysql", MYSQL_URI=proxy.url)
    assert done.exit_code == 1
    assert "check that the server runs" in done.output


def test_a_server_that_just_starts_is_waited_for(mysql_uri: str, toxiproxy: Toxiproxy) -> None:
    proxy = toxiproxy.proxy(mysql_uri)
    proxy.down()
    starting = threading.Timer(1.5, proxy.up)
    starting.start()
    done = run("apply", "--target", "mysql", "--wait", "30", MYSQL_URI=proxy.url)
    starting.join()
    assert done.exit_code == 0, done.output
    assert "waiting up to 30 s" in done.output
    assert "applied 0001 tables" in done.output
